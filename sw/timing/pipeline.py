"""Models the cores of an array with convolution on a task, run by run; a run is a group at a
position.

It covers address generator, finder, issuer, lanes, neuron unit, output, bus and report merger, with
the cycles that ``spec.timing`` gives. Windows are independent of each other and are computed
together: all times are (windows, cores) arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from ..spec import timing
from ..spec.array import ArrayConfig
from ..spec.report import HEAD_WORDS

__all__ = ["Cores", "Output", "Runs", "Task"]

Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_LONG_AGO = -(1 << 40)


@dataclass(frozen=True)
class Runs:
    """The runs of a task of the cores over a layer; run ``r`` of all cores is row ``r``.

    Attributes
    ----------
    cores : (cores,) bool array
        Whether a core has the task; it may have no runs nevertheless.
    there : (runs, cores) bool array
        Whether a core has that many runs.
    position : (runs, cores) int64 array
        Number of the position in the layer.
    rows : (runs, cores) int64 array
        Rows of flags that the receptive field touches.
    kernel_rows : int
        Rows of the kernel, on the map or not.
    lanes : (runs, cores) int64 array
        Lanes of the group's neurons.
    emits : (runs, cores) bool array
        Whether a cell of the max pool is complete with the run.
    """

    cores: Bools
    there: Bools
    position: Integers
    rows: Integers
    kernel_rows: int
    lanes: Integers
    emits: Bools


@dataclass(frozen=True)
class Output:
    """The output of the cores during a task.

    Attributes
    ----------
    rows : int
        Kinds of rows (spikes, skeleton), each sent or reported.
    sent : int
        Kinds that go to the bus.
    packet : int
        Words of a packet with each complete cell of the pool; 0 for none.
    membrane : bool
        In the last window of a sample, a packet with a word for each neuron follows each group. No
        group is started before the previous one is out.
    counters, end : int
        Words of a packet after the task; 0 for none.
    ends : (cores,) bool array
        Whether the task is the core's last one, so that ``end`` follows.
    """

    rows: int
    sent: int
    packet: int
    membrane: bool
    counters: int
    end: int
    ends: Bools


@dataclass(frozen=True)
class Task:
    """A run of a layer on all cores.

    Attributes
    ----------
    runs : Runs
        Its groups and positions.
    events : (windows, positions) int64 array
        Words in each receptive field that are not 0.
    output : Output
        The output of the cores.
    in_order : bool
        The rows of the map are read as they come.
    """

    runs: Runs
    events: Integers
    output: Output
    in_order: bool


@dataclass
class _Progress:
    """The cycle in which each part of a core has finished the runs so far.

    Attributes
    ----------
    generator, finder, issuer : (windows, cores) int64 array
        The scan side.
    free : (windows, cores) int64 array
        A group may leave the lanes.
    start : (windows, cores) int64 array
        The last group started to enter the neuron unit.
    sent, sent_before : (windows, cores) int64 array
        The output of the last group, and of the one before that.
    gone : (windows, cores) int64 array
        The lanes behind the last neuron of a group have passed.
    settled : (windows, cores) int64 array
        The last results are out.
    """

    generator: Integers
    finder: Integers
    issuer: Integers
    free: Integers
    start: Integers
    sent: Integers
    sent_before: Integers
    gone: Integers
    settled: Integers

    def advance(self, there: Bools, after: _Progress) -> None:
        """Advance to ``after`` on the cores that have a run there."""
        for part in fields(self):
            now, then = getattr(self, part.name), getattr(after, part.name)
            setattr(self, part.name, np.where(there, then, now))


class Cores:
    """The cores of an array, in some windows, from when the first task is read.

    Parameters
    ----------
    config : ArrayConfig
        The array.
    steps : (windows,) int64 array
        Steps of each window.
    final : (windows,) bool array
        Whether the window is its sample's last.
    lag : (windows, cores) int64 array
        By how much the neuron side starts behind the scan side.

    Attributes
    ----------
    scan, neuron : (windows, cores) int64 array
        When the scan side and the neuron side may begin the next task.
    settled : (windows, cores) int64 array
        When the results of the last task were out.
    """

    def __init__(
        self, config: ArrayConfig, steps: Integers, final: Bools, lag: Integers
    ) -> None:
        self.config = config
        self.passes = (-(-steps // config.neuron_steps))[:, None]
        self.final = final[:, None]
        self._scan_read = timing.scan_task_cycles(config)
        self._neuron_read = timing.neuron_task_cycles(config)
        self.scan = np.full(lag.shape, self._scan_read, dtype=np.int64)
        self.neuron = np.maximum(lag, 0) + self._neuron_read
        self.settled = self._issuer = self.scan
        self._bus = _Bus(len(lag))
        self._merger = _Merger(config, len(lag))

    def run(self, task: Task, ready: Integers) -> Integers:
        """Run a task.

        Parameters
        ----------
        task : Task
            The task.
        ready : (windows,) int64 array
            When the map that it reads is complete.

        Returns
        -------
        (windows,) int64 array
            When the last row that it sends may be read.
        """
        runs, output = task.runs, task.output
        complete = ready[:, None]
        start = self.scan + timing.ADDRESS_LATENCY
        never = np.full_like(start, _LONG_AGO)
        done = _Progress(
            generator=start, finder=start, issuer=self._issuer, free=self.neuron, start=never,
            sent=never, sent_before=never, gone=never, settled=self.neuron,
        )
        # Cores that compute nothing finish when the map is there, and report that before the
        # others.
        idle: Bools = runs.cores & ~np.asarray(runs.there.any(axis=0))
        waited = np.maximum(start, complete + 1)
        nothing = np.maximum(waited + timing.found_to_issued(self.config) + 2, self.neuron) + 2
        told = self._merger.take(nothing, idle, output.counters) if output.counters else nothing
        last_row = np.zeros(len(ready), dtype=np.int64)
        for r, there in enumerate(runs.there):
            after = self._scanned(task, r, done, complete)
            full = self._computed(task, r, done, after)
            last_row = np.maximum(last_row, self._sent(task, r, done, after, full))
            done.advance(there, after)
        finder = np.where(idle, waited, done.finder)
        sent = np.where(idle, told, done.sent)
        if output.counters:
            sent = self._merger.take(sent, runs.cores & ~idle, output.counters)
        if output.end:
            sent = self._merger.take(sent, output.ends, output.end)
        scan = np.maximum(finder, complete) + self._scan_read
        neuron = np.maximum(sent, done.gone) + self._neuron_read
        self.scan = np.where(runs.cores, scan, self.scan)
        self.neuron = np.where(runs.cores, neuron, self.neuron)
        self._issuer = done.issuer
        settled = np.where(idle, nothing, done.settled)
        self.settled = np.where(runs.cores, settled, self.settled)
        return last_row

    def _scanned(self, task: Task, r: int, done: _Progress, complete: Integers) -> _Progress:
        """The scan side of a run; ``issuer`` is the cycle in which it has finished the swap of its
        group."""
        runs = task.runs
        rows, events = runs.rows[r], task.events[:, runs.position[r]]
        generator = np.maximum(done.generator, done.finder - timing.RANGES_AHEAD)
        generator = generator + runs.kernel_rows + timing.POSITION_CYCLES
        # A receptive field that touches no row still takes a cycle.
        finder = np.maximum(done.finder + np.maximum(rows, 1), generator + 1)
        if r == 0 and not task.in_order:
            finder = np.maximum(finder, complete + rows)
        first = finder - np.maximum(rows, 1) + 1
        if r == 0 and task.in_order:
            finder = np.maximum(finder, complete + 1)
        latency = timing.found_to_issued(self.config)
        end = np.maximum(done.issuer, first + latency) + np.maximum(1, events)
        end = np.maximum(end, finder + latency + 1)
        # With chained lanes, a swap takes the place of events and follows the last one. Without
        # them, it waits until the last event has been added.
        swap = np.maximum(end if self.config.pipelined else end + (events > 0), done.free)
        return _Progress(
            generator=generator, finder=finder, issuer=swap, free=done.free, start=done.start,
            sent=done.sent, sent_before=done.sent, gone=done.gone, settled=done.settled,
        )

    def _computed(self, task: Task, r: int, done: _Progress, after: _Progress) -> Integers:
        """The neuron unit in a run; returns when the row of the group is complete."""
        config, output = self.config, task.output
        length = timing.pass_length(config)
        span = length * self.passes
        begin = np.maximum(after.issuer + timing.swap_to_start(config), done.start + span)
        if self.config.pipelined:
            after.issuer = after.issuer + config.chain
        # At most two groups are under way: one enters while the other one leaves. With membranes,
        # it is only one.
        begin = np.maximum(
            begin, np.maximum(done.sent, done.gone) if output.membrane else done.sent_before
        )
        # If nobody reads the row of a group, the lanes behind its last neuron follow its results.
        trails = output.membrane and not output.rows
        lanes = task.runs.lanes[r] if trails else config.lanes
        left = begin + span + timing.late_sums(config)
        after.start = begin
        after.free = begin + 1 + timing.swap_wait(config) if self.config.pipelined else left
        if trails:
            after.gone = left + 1
        last_pass: Integers = begin + length * (self.passes - 1)
        return last_pass + lanes + timing.neuron_latency(config) + 1

    def _sent(
        self, task: Task, r: int, done: _Progress, after: _Progress, full: Integers
    ) -> Integers:
        """The output of a run with a row that is complete at ``full``; returns the (windows,)
        cycles from which the last row that it sends may be read."""
        config, output, runs = self.config, task.output, task.runs
        last_row = np.zeros(len(full), dtype=np.int64)
        taken = np.maximum(full + 1 + self.config.pipelined, done.sent)
        out = taken + timing.OUTPUT_START
        emits = np.broadcast_to(runs.emits[r] & runs.there[r], out.shape)
        beats = timing.beat_interval(config) * (config.row_beats - 1) + 1
        for kind in range(output.rows):
            if kind >= output.sent:
                out = out + config.row_beats
                continue
            through = np.maximum(self._bus.take(out, emits, config.row_beats), out + beats)
            out = np.where(emits, through, out + config.row_beats)
            row = np.where(emits, through, 0).max(axis=1)
            last_row = np.maximum(last_row, row + timing.beat_to_flags(config))
        if output.packet:
            out = self._merger.take(out, emits, output.packet)
        if output.membrane:
            out = self._merger.take(out, self.final & runs.there[r], runs.lanes[r])
        after.settled, after.sent = out, out + 1
        return last_row


class _Bus:
    """Takes one beat of a row per cycle; rows of several cores are taken in the order in which they
    come."""

    def __init__(self, windows: int) -> None:
        self.free: Integers = np.zeros(windows, dtype=np.int64)

    def take(self, at: Integers, there: Bools, beats: int) -> Integers:
        """The cycles in which rows of that many beats have passed, if they are there at ``at``, for
        the cores that have one."""
        done = at.copy()
        windows = np.arange(len(at))
        for core in np.argsort(at, axis=1, kind="stable").T:
            here, begin = there[windows, core], np.maximum(self.free, at[windows, core])
            self.free = np.where(here, begin + beats, self.free)
            done[windows, core] = np.where(here, begin + beats, done[windows, core])
        return done


class _Merger:
    """Takes packets in turn; in each cycle in which it finds none, it moves on by one core."""

    def __init__(self, config: ArrayConfig, windows: int) -> None:
        self.cores = config.cores
        # Cycles to the merger, through a register; the way back takes as many.
        self.distance = int(config.pipelined and config.cores > 1)
        self.free, self.looked = (np.zeros((windows, 1), dtype=np.int64) for _ in range(2))

    def take(self, at: Integers, there: Bools, words: int | Integers) -> Integers:
        """The cycles in which the cores continue, if some of them have a packet of that many words
        to send at ``at``."""
        length = np.broadcast_to(HEAD_WORDS + words, at.shape)
        chosen = at + timing.PACKET_CHOSEN
        done, waiting = at.copy(), np.broadcast_to(there, at.shape).copy()
        core, never = np.arange(self.cores), np.iinfo(np.int64).max
        for _ in range(int(waiting.sum(axis=1).max(initial=0))):
            begin = np.maximum(self.free, chosen + self.distance)
            looked = begin + (core - self.looked - (begin - self.free)) % self.cores
            looked = np.where(waiting, looked, never)
            first = looked.argmin(axis=1)[:, None]
            now = np.take_along_axis(looked, first, axis=1)
            mine = waiting & (core == first)
            gone = np.maximum(chosen, now - 2 * self.distance) + length - 1
            done = np.where(mine, gone, done)
            some = mine.any(axis=1)[:, None]
            self.free = np.where(some, now + np.take_along_axis(length, first, axis=1), self.free)
            self.looked = np.where(some, first + 1, self.looked)
            waiting &= ~mine
        return done
