"""Reports: what the cores send to the host, as packets of 16-bit words, low byte first::

    word 0: kind (3) | length (7) | layer (6)      length: words after word 1
    word 1: group (10) | core (6)
    then ``length`` words

``group`` counts the groups that the core computes in the task, modulo 1024. With convolution it
counts them at every position, in the order in which they are computed: cell of the max pool, group,
position in the cell. A WORDS packet, one for each cell and group, has the number of the last
position. Packets of one core come in order; those of several cores interleave packet by packet.
"""

from __future__ import annotations

import enum

from .array import ArrayConfig
from .layout import Field, Layout, bits_for
from .task import KERNEL_HIGH, POSITIONS_HIGH

__all__ = [
    "BUSY_BITS", "END_WORDS", "HEAD", "HEAD_WORDS", "PLACE", "STALL_MAX", "ReportKind",
    "counter_fields", "counter_values", "counter_words", "fired_most",
]


class ReportKind(enum.IntEnum):
    """The kind of a packet: what it reports.

    Attributes
    ----------
    TRACE_SPIKES, TRACE_SKELETON
        A group's row before emission: ``row_chunks`` words, the spike word of lane 0 lowest. Sent
        for monitored tasks, with ``ReportFlags.TRACE``.
    WORDS
        The emitted row of a last layer, in the same form.
    MEMBRANE
        v of each neuron of the group, sign-extended to 16 bits, after a sample's last window.
    COUNTERS
        ``counter_fields`` of a monitored task, in order, each in as few words as it needs, the
        lowest first. Sent after the task's last group, with ``ReportFlags.COUNTERS``.
    END
        The core has finished a window. The packet gives the busy time at its last result, low word
        first. Sent with ``ReportFlags.TIMES``; without it, how many packets each core sends in a
        window follows from the program.
    """

    TRACE_SPIKES = 0
    TRACE_SKELETON = 1
    WORDS = 2
    MEMBRANE = 3
    COUNTERS = 4
    END = 5


HEAD = Layout("report head", (Field("kind", 3), Field("length", 7), Field("layer", 6)))
PLACE = Layout("report place", (Field("group", 10), Field("core", 6)))

HEAD_WORDS = 2
"""The header words of a packet: ``HEAD`` and ``PLACE``."""

STALL_MAX = (1 << 16) - 1
"""Where the counters of stalls saturate."""
BUSY_BITS = 32
"""Bits of the device's busy time."""
END_WORDS = BUSY_BITS // 16
"""Words of an END packet: the busy time."""


def fired_most(config: ArrayConfig) -> int:
    """The most spikes that a core's task can have in a window."""
    groups = config.neuron_groups
    if config.convolution:
        groups *= POSITIONS_HIGH
    return groups * config.lanes * config.window


def counter_fields(config: ArrayConfig) -> tuple[Field, ...]:
    """The contents of a COUNTERS packet, for one core's task in one window.

    Counters are wide enough never to wrap, unless stated otherwise.

    - ``issued``: weight rows that were fetched, one for each event and group. With convolution, a
      word is an event once for each of the up to 7 by 7 positions whose receptive field it is in.
    - ``popcount``: bits set in the words of these events.
    - ``spikes``, ``stable``: spikes of the task's neurons, and stable spikes (those of the
      skeleton).
    - ``wait``: cycles in which the lanes waited for rows of an inner map or for other cores;
      ``drain``: cycles in which they waited for the neuron unit. They saturate at ``STALL_MAX``.
    - ``end``: the device's busy time when the task's last row and result were out. Busy time counts
      the cycles in which a window is under way in some core, from the start of its task list to its
      last result, modulo ``2**BUSY_BITS``. It stands still without ``ReportFlags.TIMES``.
    """
    fired = bits_for(fired_most(config))
    fetched = config.weight_rows
    if config.convolution:
        fetched = config.spike_rows * config.lanes * KERNEL_HIGH**2 * config.neuron_groups
    return (
        Field("issued", bits_for(fetched)),
        Field("popcount", bits_for(fetched * config.window)),
        Field("spikes", fired),
        Field("stable", fired),
        Field("wait", bits_for(STALL_MAX)),
        Field("drain", bits_for(STALL_MAX)),
        Field("end", BUSY_BITS),
    )


def counter_words(config: ArrayConfig) -> tuple[tuple[str, int], ...]:
    """The counters in packet order: the name of each, and the 16-bit words it takes."""
    return tuple((field.name, -(-field.width // 16)) for field in counter_fields(config))


def counter_values(words: list[int], config: ArrayConfig) -> dict[str, int]:
    """The counters in a COUNTERS packet, by name.

    Parameters
    ----------
    words : list of int
        The words of the packet behind its head.
    config : ArrayConfig
        The array.

    Raises
    ------
    ValueError
        If there are more or fewer words than the array's packets have.
    """
    expected = sum(count for _, count in counter_words(config))
    if len(words) != expected:
        raise ValueError(f"a counter packet has {expected} words, not {len(words)}")
    values, rest = {}, list(words)
    for name, count in counter_words(config):
        values[name] = sum(word << (16 * i) for i, word in enumerate(rest[:count]))
        rest = rest[count:]
    return values
