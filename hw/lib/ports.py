"""The signals between the link and the array, and between the blocks of the array."""

from __future__ import annotations

from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec.array import ArrayConfig
from stablespike.spec.layout import Layout, bits_for
from stablespike.spec.link import ReportFlags, Space
from stablespike.spec.task import TASK_WORD_BITS, task_layout

from .layouts import struct

__all__ = [
    "CHUNK_BITS", "REPORT_FLAG_BITS", "beat_layout", "bus_signature", "read_signature",
    "report_layout", "reports_signature", "rows_signature", "space_shape", "tasks_signature",
    "window_layout", "windows_signature", "write_layout", "writes_signature",
]

CHUNK_BITS = 16
REPORT_FLAG_BITS = bits_for(max(ReportFlags))
# ``LIMITS`` allows 32 cores and 2**20 rows of weights.
_CORE_BITS = 5
_ROW_BITS = 20


def space_shape(config: ArrayConfig, space: Space) -> tuple[int, int]:
    """(rows, bits of a row) of a memory the host writes, the same in every core.

    A row of WEIGHTS has one weight for each lane, lane 0 lowest. A row of BIASES or THRESHOLDS has
    one neuron's value; neuron ``l`` of group ``g`` is in row ``g * lanes + l``. A row of TASKS is
    one word of the task list.
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

    ``chunk`` 0 holds the row's lowest bits. Chunks of a row come in order, lowest first. Bits of
    the last chunk beyond the row must be ignored.
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
    """Writes to the memories of the cores.

    A strobe, not a stream: every core takes it in the cycle in which ``valid`` is up, so there is
    no ``ready``, and one source may drive all of them.

    Members
    -------
    valid : Out(1)
        A chunk is written in this cycle.
    payload : Out(write_layout(config))
        The chunk.
    """
    return wiring.Signature({"valid": Out(1), "payload": Out(write_layout(config))})


def read_signature(rows: int, width: int) -> wiring.Signature:
    """The read side of a memory of ``rows`` rows of ``width`` bits, as its reader sees it.

    Members
    -------
    address : Out
        The row to read.
    enable : Out(1)
        Read it. ``data`` is held until the next read or write.
    data : In(width)
        The row, one cycle later.
    """
    address = unsigned(bits_for(rows - 1))
    return wiring.Signature({"address": Out(address), "enable": Out(1), "data": In(width)})


def tasks_signature(config: ArrayConfig, words: tuple[Layout, ...]) -> wiring.Signature:
    """Tasks of the task list, as one side of the core sees them; ``words`` is that side's part.

    Members
    -------
    start : Out(1)
        Load a task; up for one cycle.
    task : Out
        Its number, from the next cycle until ``loaded``.
    loaded : In(1)
        ``fields`` are those of the task; low from the cycle after ``start`` until they are.
    fields : In(struct(*words))
        The fields of its words.
    """
    return wiring.Signature(
        {
            "start": Out(1),
            "task": Out(unsigned(bits_for(config.tasks - 1))),
            "loaded": In(1),
            "fields": In(struct(*words)),
        }
    )


def beat_layout(config: ArrayConfig) -> data.StructLayout:
    """A part of a row of spike words on its way to address ``row``: ``beat`` of ``row_beats``.

    The part with the lowest lanes comes first. In each part, the word of the lowest lane is lowest.
    """
    return data.StructLayout({
        "row": bits_for(config.spike_rows - 1),
        "beat": range(config.row_beats),
        "words": config.row_bits // config.row_beats,
    })


def rows_signature(config: ArrayConfig) -> stream.Signature:
    """A stream of rows to the spike bus, ``row_beats`` transfers each, the beats in order."""
    return stream.Signature(beat_layout(config))


def bus_signature(config: ArrayConfig) -> wiring.Signature:
    """The spike bus, as the cores see it: a strobe that all of them take.

    Members
    -------
    valid : Out(1)
        A part of a row is on the bus in this cycle.
    inner : Out(1)
        A core sent it, not the host.
    row : Out(beat_layout(config))
        The part.
    """
    return wiring.Signature({"valid": Out(1), "inner": Out(1), "row": Out(beat_layout(config))})


def window_layout(config: ArrayConfig) -> data.StructLayout:
    """A window whose input rows are all in place.

    ``steps`` is the number of its steps minus 1. ``first`` and ``last`` say whether it is the first
    or the last of its sample. ``base`` is the first row of its input map.
    """
    return data.StructLayout({
        "steps": bits_for(config.window - 1),
        "first": 1,
        "last": 1,
        "base": bits_for(config.spike_rows - 1),
    })


def windows_signature(config: ArrayConfig) -> wiring.Signature:
    r"""Windows to the cores: permission to send one, and a strobe.

    This is not a stream, because the rows of a window are sent ahead of it, over the bus, and need
    the permission too.

        room     ___/---------------------\_____
        rows     ......<row 0>...<row n>......
        valid    ________________________/-\___

    Members
    -------
    room : In(1)
        Every core has room for one more window, and the input buffer that follows the one used last
        is free. A window and its rows may be sent. Stays up until the window is.
    valid : Out(1)
        A window is sent in this cycle; up only while ``room`` is.
    payload : Out(window_layout(config))
        The window.
    """
    return wiring.Signature(
        {"room": In(1), "valid": Out(1), "payload": Out(window_layout(config))}
    )


def report_layout() -> data.StructLayout:
    """A 16-bit word of a packet (``spec.report``), ``last`` on the packet's last word."""
    return data.StructLayout({"data": 16, "last": 1})


def reports_signature() -> stream.Signature:
    """A stream of packets to the host, a word per transfer."""
    return stream.Signature(report_layout())
