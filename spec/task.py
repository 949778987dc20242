"""Tasks: the description of a core's tile of a layer, as words of its task memory. A tile with
neurons of several leaks takes as many tasks.

A task is ``scan`` words (what the scan side reads) followed by ``neuron`` words (what the neuron
side computes, and where its rows go). A core runs its list once per window, from entry 0 to the
entry marked ``last``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from .array import ArrayConfig
from .layout import Field, Layout, bits_for, pack_words

__all__ = [
    "KERNEL_HIGH", "PLACE_BITS", "PLANE_BITS", "POSITIONS_HIGH", "STEP_BITS", "TASK_WORD_BITS",
    "Reset", "TaskLayout", "task_layout",
]

TASK_WORD_BITS = 32
"""Bits of a word of the task memory."""
KERNEL_HIGH = 7
"""Largest height and width of a kernel."""
POSITIONS_HIGH = 1 << 14
"""Most positions of a tile."""
LEAK_BITS = 4
"""Bits of a leak's shift."""
PLANE_BITS = 6
"""Bits of the number of a bit plane of a map."""
LAYER_BITS = 6
"""Bits of the tag that reports carry."""
PLACE_BITS = 10
"""Bits of a number of map rows, and of positions along an axis."""
STEP_BITS = 6
"""Bits of three numbers: of kernel rows (times those of the sum pool in front), of the map rows by
which a kernel moves down, and of the size of a max pool."""


class Reset(enum.IntEnum):
    """What a spike does to the membrane."""

    NONE = 0
    ZERO = 1
    SUBTRACT = 2


@dataclass(frozen=True)
class TaskLayout:
    """The words of a task for one array.

    Attributes
    ----------
    scan, neuron : tuple of Layout
        The words of either side.
    """

    scan: tuple[Layout, ...]
    neuron: tuple[Layout, ...]

    @property
    def words(self) -> tuple[Layout, ...]:
        """All words of a task, in the order in which they are in memory."""
        return self.scan + self.neuron

    @property
    def stride(self) -> int:
        """Words from the first one of a task to the first one of the next, a power of two."""
        return 1 << (len(self.words) - 1).bit_length()

    def pack(self, values: dict[str, int]) -> list[int]:
        """The words of one task, ``stride`` of them.

        Parameters
        ----------
        values : dict of str to int
            A value for every field.

        Raises
        ------
        ValueError
            If a field is missing or unknown, or a value does not fit.
        """
        known = {field.name for word in self.words for field in word.fields}
        if known != set(values):
            raise ValueError(f"a task has the fields {sorted(known)}, not {sorted(values)}")
        words = [w.pack({f.name: values[f.name] for f in w.fields}) for w in self.words]
        return words + [0] * (self.stride - len(words))

    def unpack(self, words: list[int]) -> dict[str, int]:
        """The values of the fields of a task, from its words; the rest of its stride is ignored."""
        values: dict[str, int] = {}
        for layout, word in zip(self.words, words, strict=False):
            values |= layout.unpack(word)
        return values


def task_layout(config: ArrayConfig) -> TaskLayout:
    """The task layout of an array.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Notes
    -----
    **Scan fields of every array**

    - ``external``: the map that is read is the input window's; otherwise it is an inner map.
    - ``source``: the first row of the map. If ``external``, the base of the window's copy is added.
    - ``groups``: groups of L outputs that this core computes; with 0, the task only waits.
    - ``wait``: rows of an inner map that must have been received.
    - ``ordered``: the rows come in the order of their addresses, so row ``r`` may be read once
      ``r + 1`` of them are there.
    - ``sync``: start only when every core has reached this task.
    - ``last``: the last task of the list.

    **Scan fields without convolution**

    - ``rows``: rows of the map.
    - ``weights``: number of the first run of L weight rows. A group has one run for each row of the
      recurrent map and of the map, after the runs of the group before.
    - ``last_plane`` (with several ``planes``): bit planes of the map, minus 1. ``rows`` are then
      those of a plane; the planes follow each other, and all have the weights of the first one.
      Plane ``p`` counts ``2**p`` times, those above the last place value of the lanes as often as
      that.

    **Scan fields with recurrence**

    - ``recurrent``, ``recurrent_rows``: first row and rows of the recurrent map; no rows if the
      layer is not recurrent.
    - ``ping_pong``: ping-pong offset of ``source``, added in windows of odd number.

    **Scan fields with convolution**

    A dense layer is a single position with a single kernel row. Receptive fields are clipped to the
    map. Addresses on the map count words from its first one.

    - ``weights``: the first weight row. A group has one for each word of the kernel, row by row,
      after those of the group before.
    - ``line``, ``width``, ``height``: words from a map row to the next, words of a map row that are
      read, and map rows.
    - ``span``, ``kernel_rows``: words of a kernel row, and kernel rows.
    - ``first_y``, ``first_line``: map row at which the kernel begins at the first position, and the
      address of that row, modulo all addresses that the field holds.
    - ``first_x``: word of the map row at which the kernel begins at the first position of a line.
    - ``step_x``: words by which the kernel moves from one position to the next.
    - ``step_y``, ``step_line``: map rows by which it moves from one line of positions to the next,
      and the same in words.
    - ``columns``, ``lines``: positions in a line, and lines of positions.
    - ``pool``: positions along each side of a cell of the max pool.
    - ``cells``: cells that this core computes.
    - ``start_x``, ``start_columns``: word at which the kernel begins at the first position of the
      first cell, and the positions from there to the end of the line.
    - ``wide`` (with wide weights): weights are split over two lanes.

    **Neuron fields of every array**

    - ``leak_a``, ``leak_c``, ``synapse_a``, ``synapse_c``: shifts of the leaks, each with its
      enable ``_on``. With ``leak_add`` or ``synapse_add``, the second term is added.
      ``synapse_on`` enables the synaptic current. Those of the synapse are there only with synaptic
      current.
    - ``reset``: a ``Reset``; ``delayed``: it takes place at the next step.
    - ``strict``: a neuron fires if ``u > theta``; otherwise if ``u >= theta``.
    - ``fires``: neurons fire at all.
    - ``pixels``: accumulators are bit planes of pixels, not time steps.
    - ``v_init``: the membrane at the start of a sample.
    - ``parameters``, ``state``: first group of L in the memories of parameters and of state.
    - ``lanes_last``: lanes with a neuron in the last group.
    - ``send_spikes``, ``send_skeleton``: rows go to the bus; ``spikes_row``, ``skeleton_row``: the
      row to which the first one goes.
    - ``report_spikes``, ``report_skeleton``, ``report_membrane``: what goes to the host.
    - ``monitor``: counters and traces are reported.
    - ``layer``: the tag of reports.
    - ``ping_pong_spikes`` (with recurrence): ping-pong offset of ``spikes_row``.

    **Neuron fields with convolution**

    - ``gap``: rows of other tasks between the last row of a pooled position and the first of the
      next.
    - ``stateless``: every position has the same address in the state memory.
    - ``split_weights`` (with wide weights): as ``wide``.
    """
    scan = _scan_fields(config)
    scan += _convolution_scan_fields(config) if config.convolution else [
        Field("rows", bits_for(config.spike_rows)),
        Field("weights", bits_for(config.weight_rows // config.lanes - 1)),
        *([Field("last_plane", PLANE_BITS)] if config.planes > 1 else []),
    ]
    if config.recurrence:
        scan += [Field("recurrent", _row(config)), Field("ping_pong", _row(config)),
                 Field("recurrent_rows", bits_for(config.spike_rows))]
    if config.wide_weights:
        scan.append(Field("wide", 1))
    neuron = _neuron_fields(config)
    return TaskLayout(
        pack_words("scan", scan, TASK_WORD_BITS), pack_words("neuron", neuron, TASK_WORD_BITS)
    )


def _row(config: ArrayConfig) -> int:
    """Bits of the number of a row in the spike memory."""
    return bits_for(config.spike_rows - 1)


def _scan_fields(config: ArrayConfig) -> list[Field]:
    return [
        Field("external", 1),
        Field("ordered", 1),
        Field("sync", 1),
        Field("last", 1),
        Field("source", _row(config)),
        Field("groups", bits_for(config.neuron_groups)),
        Field("wait", bits_for(2 * config.spike_rows)),  # rows of spikes and of skeletons
    ]


def _convolution_scan_fields(config: ArrayConfig) -> list[Field]:
    address = bits_for(config.spike_rows * config.lanes)
    return [
        Field("weights", bits_for(config.weight_rows - 1)),
        *(Field(name, address) for name in ("line", "width", "span", "first_line")),
        *(Field(name, address + 1, signed=True) for name in ("first_x", "start_x")),
        *(Field(name, address) for name in ("step_x", "step_line")),
        Field("first_y", PLACE_BITS + 1, signed=True),
        *(Field(name, PLACE_BITS) for name in ("height", "columns", "start_columns", "lines")),
        Field("cells", bits_for(POSITIONS_HIGH)),
        *(Field(name, STEP_BITS) for name in ("step_y", "kernel_rows", "pool")),
    ]


def _neuron_fields(config: ArrayConfig) -> list[Field]:
    leak = [
        Field("a", LEAK_BITS), Field("a_on", 1), Field("c", LEAK_BITS), Field("c_on", 1),
        Field("add", 1),
    ]
    row = _row(config)
    return [
        *(Field(f"leak_{f.name}", f.width) for f in leak),
        *(Field(f"synapse_{f.name}", f.width) for f in leak if config.synaptic_current),
        *([Field("synapse_on", 1)] if config.synaptic_current else []),
        Field("reset", 2),
        Field("delayed", 1),
        Field("strict", 1),
        Field("fires", 1),
        Field("pixels", 1),
        Field("v_init", config.state_bits, signed=True),
        Field("parameters", bits_for(config.neuron_groups - 1)),
        Field("state", bits_for(config.state_groups - 1)),
        Field("lanes_last", bits_for(config.lanes)),
        Field("spikes_row", row),
        Field("skeleton_row", row),
        Field("send_spikes", 1),
        Field("send_skeleton", 1),
        Field("report_spikes", 1),
        Field("report_skeleton", 1),
        Field("report_membrane", 1),
        Field("monitor", 1),
        Field("layer", LAYER_BITS),
        *([Field("gap", row), Field("stateless", 1)] if config.convolution else []),
        *([Field("ping_pong_spikes", row)] if config.recurrence else []),
        *([Field("split_weights", 1)] if config.wide_weights else []),
    ]
