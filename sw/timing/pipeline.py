"""Cycles of a task on the cores of an array with convolution, group run by group run.

A model of walker, finder, issuer, neuron unit, emission, bus and report merger in the cycles that
their docstrings state. All times are (windows, cores); those of windows are independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..spec import timing
from ..spec.array import ArrayConfig
from ..spec.report import HEAD_WORDS

__all__ = ["Runs", "Timing", "run_task"]

Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Runs:
    """The runs of the cores' tiles of a layer; run ``r`` of all cores is row ``r``.

    Attributes
    ----------
    there : (runs, cores) whether a core has as many.
    position : (runs, cores) position, among all of the layer's.
    rows : (runs, cores) rows of flags that its field touches.
    kernel_rows : of a field, on the map or not.
    lanes : (runs, cores) lanes of the group's neurons.
    emits : (runs, cores) whether a pool is complete with it.
    """

    there: Bools
    position: Integers
    rows: Integers
    kernel_rows: int
    lanes: Integers
    emits: Bools


@dataclass(frozen=True)
class Emits:
    """What leaves with a group.

    Attributes
    ----------
    rows : kinds of rows, each sent or reported. sent : of these, on the bus.
    packet : words of a packet with each complete pool; 0 for none.
    membrane : a packet of a word for each neuron with each group, in the last window of a sample.
        No group is started before the one before is out.
    counters, end : words of a packet behind the task; 0 for none.
    """

    rows: int
    sent: int
    packet: int
    membrane: bool
    counters: int
    end: int


class Timing:
    """Constants of an array."""

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        self.chained, self.several = config.chain > 1, config.cores > 1
        self.latency = timing.neuron_latency(config)
        self.length = timing.pass_length(config)
        self.found_to_issued = timing.found_to_issued(config)
        self.swap_to_start = timing.swap_to_start(config)
        self.late = timing.late_sums(config)
        self.memory_free = 1 + timing.swap_wait(config)
        self.spaced = timing.beat_interval(config)
        self.readable = timing.beat_to_flags(config)


class Bus:
    """Takes a part of a row per cycle; of several cores' in the order in which they come."""

    def __init__(self, windows: int) -> None:
        self.free: Integers = np.zeros(windows, dtype=np.int64)

    def take(self, at: Integers, there: Bools, length: int) -> Integers:
        """When rows of so many parts, there at ``at`` where ``there`` is one, are through."""
        done = at.copy()
        windows = np.arange(len(at))
        for core in np.argsort(at, axis=1, kind="stable").T:
            here, begin = there[windows, core], np.maximum(self.free, at[windows, core])
            self.free = np.where(here, begin + length, self.free)
            done[windows, core] = np.where(here, begin + length, done[windows, core])
        return done


class Merger:
    """Takes packets in turn, a core further in each cycle that it finds none."""

    def __init__(self, model: Timing, windows: int) -> None:
        self.cores = model.config.cores
        self.buffered = model.chained and model.several  # words on their way
        self.free, self.turn = (np.zeros((windows, 1), dtype=np.int64) for _ in range(2))

    def take(self, at: Integers, there: Bools, words: int | Integers) -> Integers:
        """When cores go on that have packets of so many words to send at ``at``, and others."""
        length = np.broadcast_to(HEAD_WORDS + words, at.shape)
        chosen = at + timing.PACKET_CHOSEN
        done, waiting = at.copy(), np.broadcast_to(there, at.shape).copy()
        core, never = np.arange(self.cores), np.iinfo(np.int64).max
        for _ in range(int(waiting.sum(axis=1).max(initial=0))):
            begin = np.maximum(self.free, chosen + self.buffered)
            looked = begin + (core - self.turn - (begin - self.free)) % self.cores
            looked = np.where(waiting, looked, never)
            first = looked.argmin(axis=1)[:, None]
            now = np.take_along_axis(looked, first, axis=1)
            mine = waiting & (core == first)
            gone = np.maximum(chosen, now - 2 * self.buffered) + length - 1
            done = np.where(mine, gone, done)
            some = mine.any(axis=1)[:, None]
            self.free = np.where(some, now + np.take_along_axis(length, first, axis=1), self.free)
            self.turn = np.where(some, first + 1, self.turn)
            waiting &= ~mine
        return done


@dataclass
class State:
    """Where a core's two sides are: when its walker and its neuron side may begin a task."""

    scan: Integers
    neuron: Integers
    issuer: Integers


def run_task(
    model: Timing, state: State, runs: Runs, events: Integers, emits: Emits, passes: Integers,
    ready: Integers, in_order: bool, final: Bools, bus: Bus, merger: Merger,
) -> tuple[State, Integers, Integers]:
    """Run a task: the state behind it, when the last row of each window is readable, and when each
    core settles.

    Parameters
    ----------
    state : in front of it.
    events : (windows, positions) of a field there.
    passes : (windows, 1) over a group.
    ready : (windows,) when the map is complete; ``in_order`` its rows are read as they come.
    final : (windows,) those that are their sample's last.
    """
    config = model.config
    walker, finder = state.scan + timing.ADDRESS_LATENCY, state.scan + timing.ADDRESS_LATENCY
    issuer, free = state.issuer, state.neuron
    settled, last_row = state.neuron, np.zeros(len(events), dtype=np.int64)
    start = np.full_like(finder, -(1 << 40))
    done, before = start, start  # emission of the group before, and of the one before that
    complete = ready[:, None]
    span = model.length * passes
    # Of groups whose row nobody reads, the lanes behind the last neuron follow its results.
    trails = emits.membrane and not emits.rows
    gone = start  # they are through
    # Cores without a tile are done when the map is there, and tell so before the others.
    idle: Bools = ~np.asarray(runs.there.any(axis=0))
    waited = np.maximum(finder, complete + 1)
    nothing = np.maximum(waited + model.found_to_issued + 2, free) + 2
    told = merger.take(nothing, idle, emits.counters) if emits.counters else nothing
    for r, there in enumerate(runs.there):
        rows = runs.rows[r]
        issued = np.maximum(1, events[:, runs.position[r]])
        busy = events[:, runs.position[r]] > 0
        walked = np.maximum(walker, finder - timing.RANGES_AHEAD)
        walked = walked + runs.kernel_rows + timing.POSITION_CYCLES
        found = np.maximum(finder + np.maximum(rows, 1), walked + 1)
        if r == 0 and not in_order:
            found = np.maximum(found, complete + rows)
        first = found - np.maximum(rows, 1) + 1
        if r == 0 and in_order:
            found = np.maximum(found, complete + 1)
        end = np.maximum(issuer, first + model.found_to_issued) + issued
        end = np.maximum(end, found + model.found_to_issued + 1)
        swap = np.maximum(end if model.chained else end + busy, free)
        begin = np.maximum(swap + model.swap_to_start, start + span)
        begin = np.maximum(begin, np.maximum(done, gone) if emits.membrane else before)
        lanes = runs.lanes[r] if trails else config.lanes
        full = begin + model.length * (passes - 1) + lanes + model.latency + 1
        taken = np.maximum(full + 1 + model.chained, done)
        out = taken + timing.OUTPUT_START
        emitting = np.broadcast_to(runs.emits[r] & there, out.shape)
        for kind in range(emits.rows):
            if kind < emits.sent:
                through = bus.take(out, emitting, config.row_beats)
                through = np.maximum(through, out + model.spaced * (config.row_beats - 1) + 1)
                out = np.where(emitting, through, out + config.row_beats)
                row = np.where(emitting, through, 0).max(axis=1)
                last_row = np.maximum(last_row, row + model.readable)
            else:
                out = out + config.row_beats
        if emits.packet:
            out = merger.take(out, emitting, emits.packet)
        if emits.membrane:
            out = merger.take(out, final[:, None] & there, runs.lanes[r])
        settled = np.where(there, out, settled)
        out = out + 1
        walker, finder, issuer, free, start, before, done, gone = (
            np.where(there, new, old) for new, old in (
                (walked, walker), (found, finder),
                (swap + config.chain if model.chained else swap, issuer),
                (begin + model.memory_free if model.chained else begin + span + model.late,
                 free),
                (begin, start), (done, before), (out, done),
                (begin + span + model.late + 1 if trails else gone, gone),
            )
        )
    finder = np.where(idle, waited, finder)
    settled = np.where(idle, nothing, settled)
    done = np.where(idle, told, done)
    if emits.counters:
        done = merger.take(done, ~idle, emits.counters)
    if emits.end:
        done = merger.take(done, np.ones_like(idle), emits.end)
    done = np.maximum(done, gone)
    return State(np.maximum(finder, complete), done, issuer), last_row, settled
