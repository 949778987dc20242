"""Tasks: what a core is told of one layer's share, as words of its task memory.

A task is ``scan`` words (what the scanner walks) followed by ``neuron`` words (what the neuron
unit computes and where the rows go). A core runs its list once per window, from entry 0 to the
one marked ``last``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from .array import ArrayConfig
from .layout import Field, Layout, bits_for, pack_words

__all__ = [
    "KERNEL_HIGH", "PLACE_BITS", "POSITIONS_HIGH", "STEP_BITS", "TASK_WORD_BITS", "Reset",
    "TaskLayout", "task_layout",
]

TASK_WORD_BITS = 32
KERNEL_HIGH = 7
"""Largest height and width of a kernel."""
POSITIONS_HIGH = 1 << 14
"""Most positions of a core's share."""
LEAK_BITS = 4
LAYER_BITS = 6
PLACE_BITS = 10
"""Of map rows, and of positions along an axis."""
STEP_BITS = 6
"""Of rows of a kernel (of the pool in front times those), of what it moves down by, of a pool."""


class Reset(enum.IntEnum):
    """What a spike does to the membrane."""

    NONE = 0
    ZERO = 1
    SUBTRACT = 2


@dataclass(frozen=True)
class TaskLayout:
    """The words of a task for one array; ``stride`` words are set aside for each task."""

    scan: tuple[Layout, ...]
    neuron: tuple[Layout, ...]

    @property
    def words(self) -> tuple[Layout, ...]:
        """All words of a task, in the order they are in memory."""
        return self.scan + self.neuron

    @property
    def stride(self) -> int:
        """Words from one task's first to the next one's, a power of two."""
        return 1 << (len(self.words) - 1).bit_length()

    def pack(self, values: dict[str, int]) -> list[int]:
        """The words of one task, ``stride`` of them; refuses unknown, missing and large values."""
        known = {field.name for word in self.words for field in word.fields}
        if known != set(values):
            raise ValueError(f"a task has the fields {sorted(known)}, not {sorted(values)}")
        words = [w.pack({f.name: values[f.name] for f in w.fields}) for w in self.words]
        return words + [0] * (self.stride - len(words))

    def unpack(self, words: list[int]) -> dict[str, int]:
        """The fields of the task in ``words``, with or without the rest of its stride."""
        values: dict[str, int] = {}
        for layout, word in zip(self.words, words, strict=False):  # the rest of the stride is empty
            values |= layout.unpack(word)
        return values


def task_layout(config: ArrayConfig) -> TaskLayout:
    """The task layout of an array.

    Scan fields: ``source`` first row of the map read (the input window's own base is added when
    ``external``), ``groups`` of L outputs this core computes (0: only take part in waiting),
    ``wait`` rows of an inner map to have received, ``ordered`` they come in address order, so row
    ``r`` may be read once ``r + 1`` are there, ``sync`` start only when every core has come this
    far, ``last`` of the list. Then ``rows`` in the map and ``weights``, first of its runs of L
    weight rows (one for each row read, so those of a group follow on those of the one before).

    With ``convolution`` instead of these two: ``weights``, the first weight row, one for each word
    of the kernel, row by row, those of a group behind those of the one before. Places on the map
    are words from its first: ``line`` from a map row to the next, of which the first ``width``
    words are read, in ``height`` map rows; ``span`` words of each of the ``kernel_rows``. The
    kernel's first position begins in map row ``first_y`` (``first_line`` is its place, modulo all
    places), every row of positions at word ``first_x``, and moves on by ``step_x`` words, then by
    ``step_y`` map rows (``step_line`` words), over ``columns`` by ``lines`` positions, in windows
    of ``pool`` by ``pool`` of them. A core computes ``windows`` of these: the first of them is at
    word ``start_x`` of the first row, with ``start_columns`` positions from there to its end. What
    of a kernel lies outside of the map is left out. A dense layer is a single position with a
    single kernel row.

    Neuron fields: ``parameters`` and ``state`` first group of L in their memories, ``lanes_last``
    neurons in the last group, leak shifts with their enables, ``reset``, ``delayed`` (reset at the
    next step), ``strict`` (u > theta), ``fires``, ``pixels`` (accumulators are bit planes),
    ``v_init``; ``spikes_row`` / ``skeleton_row`` destination of group 0 on the bus with their
    enables ``send_*``; ``report_*`` to the host; ``monitor`` counters and trace; ``layer`` the tag
    of reports. With ``convolution``: ``gap`` rows between those of one pooled position and of the
    next, ``stateless`` every position has the same places in the state memory. With ``recurrence``:
    ``flip_spikes`` is added to ``spikes_row`` in windows of odd number. With ``wide_weights``:
    ``halves``, as ``paired``.
    """
    row = bits_for(config.spike_rows - 1)
    group = bits_for(config.neuron_groups - 1)
    scan = [
        Field("external", 1),
        Field("ordered", 1),
        Field("sync", 1),
        Field("last", 1),
        Field("source", row),
        Field("groups", bits_for(config.neuron_groups)),
        Field("wait", bits_for(2 * config.spike_rows)),
    ]
    if config.convolution:
        place = bits_for(config.spike_rows * config.lanes)
        scan += [
            Field("weights", bits_for(config.weight_rows - 1)),
            *(Field(name, place) for name in ("line", "width", "span", "first_line")),
            *(Field(name, place + 1, signed=True) for name in ("first_x", "start_x")),
            *(Field(name, place) for name in ("step_x", "step_line")),
            Field("first_y", PLACE_BITS + 1, signed=True),
            *(Field(name, PLACE_BITS) for name in ("height", "columns", "start_columns", "lines")),
            Field("windows", bits_for(POSITIONS_HIGH)),
            *(Field(name, STEP_BITS) for name in ("step_y", "kernel_rows", "pool")),
        ]
        if config.recurrence:
            scan += [Field("own", row), Field("flip", row),
                     Field("own_rows", bits_for(config.spike_rows))]
        if config.wide_weights:
            scan.append(Field("paired", 1))
    else:
        scan += [
            Field("rows", bits_for(config.spike_rows)),
            Field("weights", bits_for(config.weight_rows // config.lanes - 1)),
        ]
    leak = [Field("a", LEAK_BITS), Field("a_on", 1), Field("c", LEAK_BITS), Field("c_on", 1)]
    neuron = [
        *(Field(f"leak_{f.name}", f.width) for f in leak),
        *(Field(f"synapse_{f.name}", f.width) for f in leak if config.synaptic_current),
        *([Field("synapse_on", 1)] if config.synaptic_current else []),
        Field("reset", 2),
        Field("delayed", 1),
        Field("strict", 1),
        Field("fires", 1),
        Field("pixels", 1),
        Field("v_init", config.state_bits, signed=True),
        Field("parameters", group),
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
        *([Field("flip_spikes", row)] if config.recurrence else []),
        *([Field("halves", 1)] if config.wide_weights else []),
    ]
    return TaskLayout(
        pack_words("scan", scan, TASK_WORD_BITS), pack_words("neuron", neuron, TASK_WORD_BITS)
    )
