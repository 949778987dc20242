"""Reports: what the cores send to the host, as packets of 16-bit words, low byte first.

    word 0: kind (3) | length (7) | layer (6)      length: words after word 1
    word 1: group (10) | core (6)
    then ``length`` words

``group`` counts the core's own groups of the task. Packets of one core come in order; those of
several cores interleave, packet by packet.
"""

from __future__ import annotations

import enum

from .layout import Field, Layout

__all__ = ["COUNTERS", "HEAD", "PLACE", "STALL_MAX", "ReportKind", "counter_values"]


class ReportKind(enum.IntEnum):
    """TRACE_SPIKES, TRACE_SKELETON: a group's row before emission, ``row_chunks`` words, spike
    word of lane 0 lowest (monitored tasks, with ReportFlags.TRACE).
    WORDS: the emitted row of a last layer, likewise.
    MEMBRANE: v of each neuron of the group, sign-extended to 16 bits, after a sample's last window.
    COUNTERS: the fields of ``COUNTERS`` of one core's task in one window, in order, each as a low
    and a high word; after the task's last group.
    END: the core is done with a window; the busy time (low, high word).
    """

    TRACE_SPIKES = 0
    TRACE_SKELETON = 1
    WORDS = 2
    MEMBRANE = 3
    COUNTERS = 4
    END = 5


HEAD = Layout("report head", (Field("kind", 3), Field("length", 7), Field("layer", 6)))
PLACE = Layout("report place", (Field("group", 10), Field("core", 6)))

COUNTERS = ("issued", "popcount", "spikes", "stable", "wait", "drain", "end")
"""Of one task in one window: weight rows fetched; bits set in the words that fetched them; spikes
and stable spikes of its neurons; cycles the lanes stood still waiting for rows of an inner map or
for other cores, and waiting for the drain (both saturate at ``STALL_MAX``); the device's busy time
when its last row was out. Busy time counts the cycles in which a window is under way in some core,
modulo 2**32, from when its task list starts to its END."""

STALL_MAX = (1 << 16) - 1


def counter_values(words: list[int]) -> dict[str, int]:
    """The named counters out of a COUNTERS packet's words."""
    if len(words) != 2 * len(COUNTERS):
        raise ValueError(f"a counter packet has {2 * len(COUNTERS)} words, not {len(words)}")
    pairs = zip(words[::2], words[1::2], strict=True)
    return {name: low | high << 16 for name, (low, high) in zip(COUNTERS, pairs, strict=True)}
