"""Cycle estimate for arrays without convolution, exact to the cycle for one core.

It models the core's pipeline row by row, and the merger of the cores' reports, with the cycles that
``spec.timing`` gives. The link is assumed to be fast enough.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..mapping.mapping import Mapping
from ..mapping.maps import Map, Maps
from ..mapping.partitions import Tile
from ..spec import timing
from ..spec.report import END_WORDS, HEAD_WORDS, counter_words

__all__ = ["estimate_dense"]

_Sends = Generator[tuple[int, int], int, list[int]]
"""A task on a core. For each packet, it yields the cycle in which the packet is there and its
number of words, and receives the cycle in which the merger takes its first word. It returns the
cycles from which each of its rows may be read by others."""


def estimate_dense(
    mapping: Mapping, words: Sequence[npt.NDArray[Any]], counters: bool
) -> npt.NDArray[np.int64]:
    """(batch,) cycles of samples that follow each other.

    Parameters
    ----------
    mapping, counters
        As for ``estimate``.
    words
        As for ``estimate``. A recurrent layer's own spikes are known from what the next layer
        reads. If that is the skeleton, or if there is no next layer, they are assumed to be silent.
    """
    model = _Model(mapping, counters)
    ends = [0]
    for sample in range(len(words[0])):
        before = None
        for w in range(mapping.windows):
            steps = min(mapping.window, mapping.steps - w * mapping.window)
            final = w == mapping.windows - 1
            now = [layer[sample, w] for layer in words]
            end = model.window(now, before, steps, final)
            before = now
        ends.append(end)
    stamps: npt.NDArray[np.int64] = np.array(ends, dtype=np.int64)
    return stamps[1:] - stamps[:-1]


@dataclass
class _Core:
    """The cycle from which each part of a core is free.

    Attributes
    ----------
    finder, issuer, neuron : int
        The scanner's two halves, and the neuron side.
    settled : int
        The cycle in which all results of the last window were out.
    loads : list of int
        The cycles in which the issuer took each of the last rows from the queue between the two
        halves.
    """

    finder: int = 0
    issuer: int = 0
    neuron: int = 0
    settled: int = 0
    loads: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class _Task:
    """A run of a layer in a window, as all cores compute it.

    Attributes
    ----------
    run, layer : int
        Number of the run, and of the layer.
    events : list of int
        Cycles that the events in each row of the map take.
    own : list of int
        Likewise of the layer's own spikes, which are read in front of the map.
    ready : list of int
        The cycle in which each row of the map may be read.
    in_order : bool
        Rows may be read before the map is complete.
    steps : int
        Steps of the window.
    final : bool
        The window is its sample's last.
    sends : int
        Rows of a group that go to the bus.
    """

    run: int
    layer: int
    events: list[int]
    own: list[int]
    ready: list[int]
    in_order: bool
    steps: int
    final: bool
    sends: int


@dataclass(frozen=True)
class _Packet:
    """A packet of reports.

    Attributes
    ----------
    words : int
        Cycles in which the merger is busy with it.
    behind : int
        Cycles that the core alone takes after it.
    results : bool
        Whether it has results, or only counters or an end mark.
    """

    words: int
    behind: int = 0
    results: bool = True


class _Model:
    """The state of the cores and of the merger, window after window."""

    def __init__(self, mapping: Mapping, counters: bool) -> None:
        self.mapping, self.config = mapping, mapping.config
        self.tags = mapping.layer_tags
        self.maps = Maps(mapping.computed, mapping.config)
        self.counters = counters
        self.cores = [_Core() for _ in range(self.config.cores)]
        self.merger = self.looked = 0  # when it is free for a packet, and the core it examines
        several = self.config.cores > 1
        self.moving = self.config.chain if self.config.pipelined else 0
        # Cycles from the first beat of a row to the last one.
        self.row_sent = (self.config.row_beats - 1) * timing.beat_interval(self.config)
        # Cycles to the merger, through a register; the way back takes as many.
        self.to_merger = int(self.config.pipelined and several)
        self.last = len(mapping.computed.layers) - 1
        # A task at the end waits for the rows that a recurrent last layer sends to itself.
        self.waits = int(mapping.computed.layers[-1].recurrent is not None)
        self.scan_read = timing.scan_task_cycles(self.config)
        self.neuron_read = timing.neuron_task_cycles(self.config)
        self.found_to_issued = timing.found_to_issued(self.config)
        self.output = [self._output_cycles(run) for run in self.tags]
        # Only groups that are sent, and nothing else, are followed early.
        self.overlap = [
            timing.groups_overlap(self.config) and layer < self.last
            and "skeleton" not in mapping.sent_kinds(layer) for layer, _ in self.tags.values()
        ]

    def window(
        self, words: Sequence[npt.NDArray[Any]], before: Sequence[npt.NDArray[Any]] | None,
        steps: int, final: bool,
    ) -> int:
        """Run a window; returns the time that its END reports.

        ``before`` are the words of the sample's window before, if it has one.
        """
        config = self.config
        if config.cores > 1:  # the first task waits until all cores have come to it
            start = max(max(core.issuer, core.finder) for core in self.cores)
            for core in self.cores:
                core.finder = start
        ready: list[int] = []
        in_order = False
        own: list[int] = []  # from when the rows of a recurrent last layer are there
        for run, (layer, _) in self.tags.items():
            events = self._events(words[layer], self.maps.read[layer])
            if run == 0:  # the input is there before its window is taken
                ready = [0] * len(events)
            kinds = self.mapping.sent_kinds(layer)
            task = _Task(
                run, layer, events, self._own(before, layer), ready, in_order, steps, final,
                sends=len(kinds),
            )
            sent = self._together([
                self._tasks(core, number, task) for number, core in enumerate(self.cores)
            ])
            senders = [times for times in sent if times]
            if layer == self.last:
                own += self._on_bus(senders, False) if kinds else []
                continue
            in_order = self.mapping.reads_in_order(layer + 1)
            # A skeleton is made after the spikes.
            late = ("skeleton" in kinds) * (1 + config.pipelined)
            ready = [cycle + late for cycle in self._on_bus(senders, in_order)]
        if self.waits:
            task = replace(task, run=len(self.tags), own=[], ready=[max(own)], in_order=False)
            self._together([
                self._task(core, Tile(0, 0, 0, 0), task, is_last=True) for core in self.cores
            ])
        return max(core.settled for core in self.cores) + timing.settled_to_time(config)

    def _events(self, words: npt.NDArray[Any], read: Map) -> list[int]:
        """Cycles in which the events of each row of a map are issued: its words that are not 0, of
        the bank that has most of them."""
        lanes, banks = self.config.lanes, self.config.banks
        active = read.spread(words != 0)
        active = np.pad(active, (0, -len(active) % lanes))
        in_banks = active.reshape(-1, lanes // banks, banks).sum(axis=1)
        cycles: list[int] = in_banks.max(axis=1).tolist()
        return cycles

    def _own(self, before: Sequence[npt.NDArray[Any]] | None, layer: int) -> list[int]:
        """Events in each row of a layer's own spikes; none of a layer that is not recurrent."""
        read = self.maps.recurrent[layer]
        if read is None:
            return []
        emit = self.mapping.computed.layers[layer].emit
        if before is None or layer == self.last or emit == "skeleton":
            return [0] * self.maps.recurrent_rows(layer)
        return self._events(before[layer + 1], read)

    def _on_bus(self, senders: list[list[int]], in_order: bool) -> list[int]:
        """The cycles from which the rows of a map may be read, if they are sent in these cycles."""
        if in_order:
            return senders[0]
        cycles = sorted(cycle for times in senders for cycle in times)
        last = 0
        for cycle in cycles:  # one row after another
            last = max(cycle, last + self.config.row_beats)
        return [last] * len(cycles)

    def _together(self, tasks: Sequence[_Sends]) -> list[list[int]]:
        """Run a task on every core; the packets of the cores are taken one at a time, in turn."""
        sent: list[list[int]] = [[] for _ in tasks]
        waiting: dict[int, tuple[int, int]] = {}

        def go_on(core: int, begin: int | None) -> None:
            try:
                waiting[core] = next(tasks[core]) if begin is None else tasks[core].send(begin)
            except StopIteration as stop:
                sent[core] = stop.value

        for core in range(len(tasks)):
            go_on(core, None)
        while waiting:
            now, core = min(
                (self._looked_at(core, at), core) for core, (at, _) in waiting.items()
            )
            _, length = waiting.pop(core)
            self.merger, self.looked = now + length, core + 1
            go_on(core, now)
        return sent

    def _looked_at(self, core: int, at: int) -> int:
        """The cycle in which the merger finds a core's packet that has been there since ``at``; in
        each cycle, the merger moves on by one core."""
        begin = max(self.merger, at)
        return begin + (core - self.looked - (begin - self.merger)) % len(self.cores)

    def _tasks(self, core: _Core, number: int, task: _Task) -> _Sends:
        """Run the tasks of a layer on the core of that number: one for each leak."""
        sent = []
        parts = self.mapping.parts(task.layer, number)
        for i, (part, _) in enumerate(parts):
            sent += yield from self._task(core, part, task, is_last=i == len(parts) - 1)
            # The next task finds the map complete.
            task = replace(task, ready=[0] * len(task.ready), in_order=False)
        return sent

    def _task(self, core: _Core, tile: Tile, task: _Task, *, is_last: bool) -> _Sends:
        """Run a task on a core; one without groups waits for the map, and only reports that.
        ``is_last`` says whether it is the core's last one of the layer."""
        config = self.config
        sent = []
        for group in range(max(1, tile.groups)):
            swap = self._swap(core, task, computes=tile.groups > 0)
            neurons = self._neurons(tile, group, task.layer)
            on_bus = task.sends * self.row_sent
            complete = swap + (self._drained(neurons, task) if tile.groups else 1)
            sent.append(complete + timing.row_to_flags(config) + on_bus)
            core.neuron = complete + 1 - self._ahead(neurons, task)
            core.neuron += self.output[task.run] + on_bus if tile.groups else timing.WRITTEN_BACK
            core.settled = core.neuron
            ends = group >= tile.groups - 1
            for packet in self._packets(task, neurons, ends, is_last):
                begin = core.neuron + timing.PACKET_CHOSEN
                taken = yield begin + self.to_merger, packet.words
                gone = max(begin, taken - 2 * self.to_merger)
                core.neuron = gone + packet.words - 1 + packet.behind
                if packet.results:
                    core.settled = core.neuron
            if not ends and self.overlap[task.run]:
                core.neuron = complete - timing.EARLY
        core.neuron += self.neuron_read
        core.loads = core.loads[-config.row_queue :]
        # The task ends when the map is known to be complete. For rows that are read as they come,
        # that is two cycles after the last one.
        complete = max(task.ready) + 2 * task.in_order
        core.finder = max(core.finder, complete) + self.scan_read
        return sent if tile.groups else []

    def _swap(self, core: _Core, task: _Task, *, computes: bool) -> int:
        """Scan the map for a group; returns the cycle in which the group leaves the lanes."""
        # The layer's own spikes, and a core that computes nothing, wait for the whole map.
        whole = max(task.ready)
        rows = [(events, whole) for events in task.own]
        rows += zip(task.events, task.ready, strict=False)
        if not computes:
            rows = [(0, whole)]
        ended, busy = core.issuer, False
        for number, (events, ready) in enumerate(rows):
            found = max(core.finder, ready)
            if events or number == len(rows) - 1:
                if len(core.loads) >= self.config.row_queue:  # the queue is full
                    found = max(found, core.loads[-self.config.row_queue])
                begin = max(core.issuer, found + self.found_to_issued)
                core.loads.append(begin)
                core.issuer = begin + max(1, events)
                ended, busy = core.issuer - 1, events > 0
            core.finder = found + 1
        # With chained lanes, a swap takes the place of events and follows the last one. Without
        # them, it waits until the last event has been added.
        swap = max(ended + 1 + (busy and not self.config.pipelined), core.neuron)
        core.issuer = max(core.issuer, swap + self.moving)
        return swap

    def _neurons(self, tile: Tile, group: int, layer: int) -> int:
        """Neurons in a group of a tile; 0 in a tile without groups."""
        if not tile.groups:
            return 0
        return len(self.mapping.groups[layer].outputs(tile.first_group + group))

    def _drained(self, neurons: int, task: _Task) -> int:
        """Cycles from a swap until the last neuron of the group has left."""
        passes = -(-task.steps // self.config.neuron_steps)
        # A row that is sent or reported is aligned.
        aligned = task.sends > 0 or self.mapping.computed.readout != "membrane"
        return timing.swap_to_start(self.config) + timing.drain_cycles(
            self.config, neurons, passes, aligned=aligned
        )

    def _ahead(self, neurons: int, task: _Task) -> int:
        """Cycles by which the output of a group begins before its last neuron has left."""
        membranes = self.mapping.computed.readout == "membrane"
        if not (neurons and membranes and task.final and task.run == self.last and not task.sends):
            return 0
        return timing.membranes_ahead(self.config, neurons)

    def _output_cycles(self, run: int) -> int:
        """Cycles of the output for a group, without its reports and the further beats of a row."""
        network = self.mapping.computed
        layer, _ = self.tags[run]
        emit, inner = network.layers[layer].emit, layer < self.last
        words = not inner and network.readout != "membrane"
        skeleton = emit != "spikes" if inner else words and emit == "skeleton"
        return timing.WRITTEN_BACK + skeleton * (1 + self.config.pipelined)

    def _packets(
        self, task: _Task, neurons: int, ends: bool, is_last: bool
    ) -> list[_Packet]:
        """The packets after a group, which may end its task, and that the core's part of the layer;
        a core that computes nothing has a group without neurons."""
        network, config = self.mapping.computed, self.config
        packets = []
        if neurons and task.run >= self.last:
            if network.readout != "membrane":
                chunks = config.row_chunks
                # A row of several words is rotated between them.
                rotation = 16 // config.window if chunks > 1 else 0
                words = chunks + (chunks - 1) * rotation
                packets.append(_Packet(HEAD_WORDS + words, rotation))
            elif task.final:
                packets.append(_Packet(HEAD_WORDS + neurons))
        if ends and self.counters and task.run <= self.last:
            words = sum(count for _, count in counter_words(config))
            packets.append(_Packet(HEAD_WORDS + words, results=False))
        last_run = len(self.tags) - 1 + self.waits
        if ends and is_last and self.counters and task.run == last_run:
            packets.append(_Packet(HEAD_WORDS + END_WORDS, results=False))
        return packets
