"""What passes between the link and the array, and between the blocks of the array."""

from __future__ import annotations

from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import Out
from stablespike.spec.array import ArrayConfig
from stablespike.spec.layout import bits_for
from stablespike.spec.link import ReportFlags, Space
from stablespike.spec.task import TASK_WORD_BITS, task_layout

__all__ = [
    "CHUNK_BITS", "REPORT_FLAG_BITS", "beat_layout", "report_layout", "reports_signature",
    "rows_signature", "space_shape", "window_layout", "windows_signature",
    "write_layout", "writes_signature",
]

CHUNK_BITS = 16
REPORT_FLAG_BITS = bits_for(max(ReportFlags))
_CORE_BITS = 5
_ROW_BITS = 20


def space_shape(config: ArrayConfig, space: Space) -> tuple[int, int]:
    """(rows, bits of a row) of a memory the host writes, the same in every core.

    WEIGHTS: one weight for each lane, lane 0 lowest. BIASES and THRESHOLDS: one neuron's, neuron
    ``l`` of group ``g`` in row ``g * lanes + l``. TASKS: one word of the task list.
    """
    neurons = config.neuron_groups * config.lanes
    return {
        Space.WEIGHTS: (config.weight_rows, config.lanes * config.weight_bits),
        Space.BIASES: (neurons, config.state_bits),
        Space.THRESHOLDS: (neurons, config.state_bits),
        Space.TASKS: (config.tasks * task_layout(config).stride, TASK_WORD_BITS),
    }[space]


def write_layout(config: ArrayConfig) -> data.StructLayout:
    """One 16-bit chunk of a row of a core's memory.

    ``chunk`` 0 holds the row's lowest bits. Chunks of a row come in order, lowest first; bits of
    the last chunk beyond the row are to be ignored.
    """
    chunks = max(-(-space_shape(config, space)[1] // CHUNK_BITS) for space in Space)
    return data.StructLayout({
        "core": _CORE_BITS,
        "space": bits_for(max(Space)),
        "row": _ROW_BITS,
        "chunk": bits_for(chunks - 1),
        "data": CHUNK_BITS,
    })


def writes_signature(config: ArrayConfig) -> wiring.Signature:
    """A strobe: ``payload`` is written in the cycle in which ``valid`` is up, it never waits."""
    return wiring.Signature({"valid": Out(1), "payload": Out(write_layout(config))})


def beat_layout(config: ArrayConfig) -> data.StructLayout:
    """A part of a row of spike words on its way to address ``row``: ``beat`` of ``row_beats``.

    The part of the lowest lanes comes first, in each the word of the lowest lane lowest.
    """
    return data.StructLayout({
        "row": bits_for(config.spike_rows - 1),
        "beat": range(config.row_beats),
        "words": config.row_bits // config.row_beats,
    })


def rows_signature(config: ArrayConfig) -> stream.Signature:
    """Rows to the spike bus, ``row_beats`` transfers each, the beats in order."""
    return stream.Signature(beat_layout(config))


def window_layout(config: ArrayConfig) -> data.StructLayout:
    """A window whose input rows are all in place.

    ``steps`` is the number of its steps less 1, ``first`` and ``last`` its place in the sample,
    ``base`` the first row of its input map.
    """
    return data.StructLayout({
        "steps": bits_for(config.window - 1),
        "first": 1,
        "last": 1,
        "base": bits_for(config.spike_rows - 1),
    })


def windows_signature(config: ArrayConfig) -> stream.Signature:
    """Windows; here ``ready`` says two things and stays up until the transfer.

    Every core has room for one more window, and the input buffer after the one last used is free:
    a window's rows may only be put on the bus while ``ready`` is up.
    """
    return stream.Signature(window_layout(config))


def report_layout() -> data.StructLayout:
    """A 16-bit word of a packet (``spec.report``), ``last`` on the packet's last word."""
    return data.StructLayout({"data": 16, "last": 1})


def reports_signature() -> stream.Signature:
    """Packets to the host, a word per transfer."""
    return stream.Signature(report_layout())
