"""Reports: what the cores send to the host, as packets of 16-bit words, low byte first.

    word 0: kind (3) | length (7) | layer (6)      length: words after word 1
    word 1: group (10) | core (6)
    then ``length`` words

``group`` counts the core's own groups of the task, modulo 1024: with convolution, those of every
position, in the order in which they are computed: pooled position, group, position in the pool.
WORDS packets, one for each pooled position and group, have the number of the last one in it.
Packets of one core come in order; those of several cores interleave, packet by packet.
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
    """TRACE_SPIKES, TRACE_SKELETON: a group's row before emission, ``row_chunks`` words, spike
    word of lane 0 lowest (monitored tasks, with ReportFlags.TRACE).
    WORDS: the emitted row of a last layer, likewise.
    MEMBRANE: v of each neuron of the group, sign-extended to 16 bits, after a sample's last window.
    COUNTERS: ``counter_fields`` of a monitored task, in order, each in as few words as it takes,
    the lowest first; after the task's last group.
    END: the core is done with a window; the busy time at its last result (low, high word).
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
"""Words of a packet in front of its own: ``HEAD`` and ``PLACE``."""

STALL_MAX = (1 << 16) - 1
BUSY_BITS = 32
END_WORDS = BUSY_BITS // 16
"""Words of an END packet: the busy time."""


def fired_most(config: ArrayConfig) -> int:
    """Most spikes a core's task can have in a window."""
    groups = config.neuron_groups
    if config.convolution:
        groups *= POSITIONS_HIGH
    return groups * config.lanes * config.window


def counter_fields(config: ArrayConfig) -> tuple[Field, ...]:
    """What a COUNTERS packet says of one core's task in one window, wide enough never to wrap.

    ``issued`` weight rows fetched (each by an event of its own, from a place of its own; with
    convolution at every position, and a word is in the fields of up to 7 by 7 of them);
    ``popcount`` bits set in the words that fetched them; ``spikes`` and ``stable`` spikes of its
    neurons; ``wait`` and ``drain`` cycles the lanes stood still waiting for rows of an inner map or
    for other cores, and for the neuron unit (they saturate at ``STALL_MAX``); ``end`` the device's
    busy time when the task's last row and result were out. Busy time counts the cycles in which a
    window is under way in some core, from when its task list starts to its last result, modulo
    ``2**BUSY_BITS``.
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
    """Names of the counters in packet order, with the 16-bit words each one takes."""
    return tuple((field.name, -(-field.width // 16)) for field in counter_fields(config))


def counter_values(words: list[int], config: ArrayConfig) -> dict[str, int]:
    """The named counters out of a COUNTERS packet's words.

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
