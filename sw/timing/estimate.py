"""Cycle estimate: when rows are found, events issued, groups swapped, drained and written back.

A model of the core's pipeline, a row at a time, and of the merger of the cores' reports, in the
cycles their docstrings state; the link is taken as fast enough. ``estimate_maps`` is that of arrays
with convolution.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..mapping.mapping import Mapping
from ..spec import ArrayConfig, timing
from ..spec.report import END_WORDS, HEAD_WORDS, counter_words
from .estimate_convolution import estimate_maps

__all__ = ["TYPICAL_ACTIVITY", "estimate", "typical_cycles"]

TYPICAL_ACTIVITY = 0.2
"""Share of a layer's inputs that are active in a window, where mappings are compared."""

_TYPICAL_WINDOWS = 32

_Sends = Generator[tuple[int, int], int | None, list[int]]
"""Yields when a packet is there and its words, is sent when its first word is taken."""


@dataclass
class _Core:
    """Cycle at which each part of a core is next free."""

    finder: int = 0
    issuer: int = 0
    neuron: int = 0
    settled: int = 0  # that of the last window, when all its results were out
    loads: list[int] = field(default_factory=list)


class _Model:
    def __init__(self, mapping: Mapping, counters: bool) -> None:
        self.mapping = mapping
        self.config: ArrayConfig = mapping.config
        self.counters = counters
        self.cores = [_Core() for _ in range(self.config.cores)]
        self.merger = self.turn = 0  # when it is free for a packet, and the core it looks at
        self.chained = self.config.chain > 1
        self.moving = self.config.chain if self.chained else 0
        # Cycles by which a row's last beat is behind its first one.
        self.row_sent = (self.config.row_beats - 1) * timing.beat_interval(self.config)
        self.buffered = self.chained and self.config.cores > 1  # words on their way to the merger

    def drained(self, neurons: int, steps: int, aligned: bool) -> int:
        """Cycles from a swap until the group is done, its row ``aligned`` if anything reads it."""
        passes = -(-steps // self.config.neuron_steps)
        return timing.swap_to_start(self.config) + timing.drain_cycles(
            self.config, neurons, passes, aligned=aligned
        )

    def reads_spikes(self, run: int) -> bool:
        """Whether the words of spikes are what a run sends to the host."""
        network = self.mapping.network
        last = len(network.layers) - 1
        return (
            run >= last and network.readout != "membrane" and network.layers[last].emit == "spikes"
        )

    def thins(self, run: int) -> bool:
        """Whether a run sends or reports skeletons."""
        network = self.mapping.network
        last = len(network.layers) - 1
        layer, _ = self.mapping.layer_tags[run]
        emit = network.layers[layer].emit
        return emit != "spikes" if layer < last else (
            emit == "skeleton" and network.readout != "membrane"
        )

    def reports(
        self, run: int, neurons: int, final: bool, task: bool, window: bool
    ) -> list[tuple[int, int, bool]]:
        """Packets after a group: cycles the merger is busy with each, after it the core alone, and
        whether it only tells of results. No ``neurons`` where the core has no part in the layer."""
        network, runs = self.mapping.network, len(self.mapping.layer_tags)
        read_out = neurons and run >= len(network.layers) - 1
        packets = []
        if read_out and network.readout != "membrane":
            chunks = self.config.row_chunks
            turn = 16 // self.config.window if chunks > 1 else 0
            packets.append((chunks + (chunks - 1) * turn, turn, False))
        if read_out and network.readout == "membrane" and final:
            packets.append((neurons, 0, False))
        if task and self.counters and run < len(network.layers):
            packets.append((sum(count for _, count in counter_words(self.config)), 0, True))
        if task and window and run == runs - 1:
            packets.append((END_WORDS, 0, True))
        return [(HEAD_WORDS + words, after, tells) for words, after, tells in packets]

    def looked_at(self, core: int, at: int, cores: int) -> int:
        """Cycle in which the merger, a core further in each, finds a packet there since ``at``."""
        begin = max(self.merger, at)
        return begin + (core - self.turn - (begin - self.merger)) % cores

    def together(self, tasks: Sequence[_Sends]) -> list[list[int]]:
        """Run a task on every core, their packets one at a time and in turn."""
        sent: list[list[int]] = [[] for _ in tasks]
        waiting: dict[int, tuple[int, int]] = {}
        begun: dict[int, int | None] = dict.fromkeys(range(len(tasks)))
        while True:
            for core, begin in begun.items():
                try:
                    waiting[core] = tasks[core].send(begin)
                except StopIteration as stop:
                    sent[core] = stop.value
            if not waiting:
                return sent
            now, core = min((self.looked_at(core, at, len(tasks)), core)
                            for core, (at, _) in waiting.items())
            _, length = waiting.pop(core)
            self.merger, self.turn = now + length, core + 1
            begun = {core: now}

    def task(
        self, core: _Core, run: int, tile: Any, rows: list[int], ready: list[int], steps: int,
        final: bool, outputs: int, sends: int, in_order: bool,
    ) -> _Sends:
        """Run a task; ``rows`` events per row, ``ready`` when each may be read, ``in_order`` before
        the map is complete, ``sends`` rows of a group that go to the bus. Returns the cycles the
        last of them are readable by others."""
        config = self.config
        sent = []
        last_row = len(rows) - 1
        for g in range(max(1, tile.groups)):
            ended = core.issuer
            busy = False
            for r, events in enumerate(rows if tile.groups else [0]):
                found = max(core.finder, ready[r] if tile.groups else max(ready))
                end_of_group = r == last_row or not tile.groups
                if events or end_of_group:
                    if len(core.loads) >= config.row_queue:
                        found = max(found, core.loads[-config.row_queue])
                    begin = max(core.issuer, found + timing.found_to_issued(config))
                    core.loads.append(begin)
                    core.issuer = begin + max(1, events)
                    ended, busy = core.issuer - 1, events > 0
                core.finder = found + 1
            # Chained lanes: a swap takes the place of events, and comes behind the last one.
            swap = max(ended + 1 + (busy and not self.chained), core.neuron)
            core.issuer = max(core.issuer, swap + self.moving)
            is_last = g >= tile.groups - 1
            neurons = config.lanes if tile.groups else 0
            if is_last and tile.groups:
                neurons = min(config.lanes, outputs - (tile.first_group + g) * config.lanes)
            aligned = bool(sends) or self.mapping.network.readout != "membrane"
            complete = swap + (self.drained(neurons, steps, aligned) if tile.groups else 1)
            on_bus = sends * self.row_sent
            sent.append(complete + timing.row_to_flags(config) + on_bus)
            window = run == len(self.mapping.layer_tags) - 1
            core.neuron = complete + timing.WRITTEN_BACK + 1 + (on_bus if tile.groups else 0)
            if self.chained:
                core.neuron += 1 if tile.groups and self.thins(run) else -1
            elif tile.groups and self.reads_spikes(run):
                core.neuron -= 1  # nothing is of the skeleton: its row state is not entered
            core.settled = core.neuron
            for length, after, tells in self.reports(run, neurons, final, is_last, window):
                begin = core.neuron + timing.PACKET_CHOSEN
                taken = yield begin + self.buffered, length
                assert taken is not None
                core.neuron = max(begin, taken - 2 * self.buffered) + length - 1 + after
                core.settled = core.settled if tells else core.neuron
            if is_last:
                core.neuron += timing.neuron_task_cycles(config)
        core.loads = core.loads[-config.row_queue :]
        # Rows in order may be read a cycle before it is known that the map is complete.
        core.finder = max(core.finder, max(ready) + 2 * in_order) + timing.scan_task_cycles(config)
        return sent if tile.groups else []

    def window(self, words: Sequence[npt.NDArray[Any]], steps: int, final: bool) -> int:
        """Run a window; the time its END tells."""
        network, config = self.mapping.network, self.config
        if config.cores > 1:
            start = max(max(core.issuer, core.finder) for core in self.cores)
            for core in self.cores:
                core.finder = start
        ready: list[int] = []
        in_order = False
        for run, (layer, kind) in self.mapping.layer_tags.items():
            source = words[layer]
            count = -(-len(source) // config.lanes)
            active = np.zeros(count * config.lanes, dtype=bool)
            active[: len(source)] = source != 0
            rows = active.reshape(count, config.lanes).sum(axis=1).tolist()
            outputs = network.layers[layer].channels
            if run == 0:
                ready = [0] * count
            inner = kind == "spikes" and layer < len(network.layers) - 1
            emit = network.layers[layer].emit
            sends = inner * (2 if emit == "both" else 1)
            sent = self.together([
                self.task(core, run, tile, rows, ready, steps, final, outputs, sends, in_order)
                for core, tile in zip(self.cores, self.mapping.tiles[layer], strict=True)
            ])
            if inner:
                senders = [times for times in sent if times]
                late = (emit != "spikes") * (1 + self.chained)
                in_order = len(senders) == 1 and emit != "both"
                if in_order:
                    ready = [cycle + late for cycle in senders[0]]
                else:
                    rows = sorted(cycle for times in senders for cycle in times)
                    last = 0
                    for cycle in rows:  # one after the other over the bus
                        last = max(cycle, last + config.row_beats)
                    ready = [last + late] * len(rows)
        return max(core.settled for core in self.cores) + timing.settled_to_time(config)


def estimate(
    mapping: Mapping, words: Sequence[npt.NDArray[Any]], *, counters: bool = True
) -> npt.NDArray[np.int64]:
    """Cycles of samples that follow each other, the first one's alone.

    Parameters
    ----------
    words : per layer the (batch, windows, inputs) words it reads (``counters.source_words``).
    counters : as for ``Device.run``: whether counter packets are sent.

    Returns
    -------
    (batch,) cycles from the end of the sample before (the first: from its start) to its end.

    Raises
    ------
    ValueError
        If the program is for the golden model only.
    """
    if mapping.device is not None:
        raise ValueError(
            f"the program is for {mapping.device} only, which takes no cycles: compile its network "
            "without device="
        )
    if mapping.config.convolution:
        return estimate_maps(mapping, words, counters)
    model = _Model(mapping, counters)
    window = mapping.config.window
    ends = [0]
    for sample in range(len(words[0])):
        for w in range(mapping.windows):
            steps = min(window, mapping.steps - w * window)
            final = w == mapping.windows - 1
            end = model.window([layer[sample, w] for layer in words], steps, final)
        ends.append(end)
    stamps: npt.NDArray[np.int64] = np.array(ends, dtype=np.int64)
    return stamps[1:] - stamps[:-1]


def typical_cycles(mapping: Mapping, activity: float) -> int:
    """Cycles of one sample alone with that share of every layer's inputs active in a window.

    Of a long sample ``_TYPICAL_WINDOWS`` are computed; the others take what the later half of those
    do on average.
    """
    windows = min(mapping.windows, _TYPICAL_WINDOWS)
    rng = np.random.default_rng(0)
    words = []
    for size in mapping.network.input_sizes:
        active = np.arange(size) < round(activity * size)
        words.append(np.array([[rng.permutation(active) for _ in range(windows)]]))
    if windows == mapping.windows:
        return int(estimate(mapping, words)[0])
    half, all_of_them = (
        int(estimate(replace(mapping, steps=n * mapping.config.window), words)[0])
        for n in (windows // 2, windows)
    )
    mean = (all_of_them - half) / (windows - windows // 2)
    return all_of_them + round(mean * (mapping.windows - windows))
