"""Cycle estimate for arrays with convolution: ``pipeline`` for every task of every window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..mapping.mapping import Mapping
from ..mapping.maps import Map, Maps, group_size, lanes_per_channel
from ..mapping.partitions import Tile, grid, order
from ..mapping.plan import kernel_extent
from ..mapping.tasks import in_order, sent_kinds
from ..network.network import Conv2d, Layer
from ..spec import timing
from ..spec.report import END_WORDS, counter_words
from ..support.immutable import Shape
from .pipeline import Bus, Emits, Merger, Runs, State, Timing, run_task

__all__ = ["estimate_maps"]

Integers = npt.NDArray[np.int64]


def estimate_maps(
    mapping: Mapping, words: Sequence[npt.NDArray[Any]], counters: bool
) -> Integers:
    """(batch,) cycles of samples that follow each other.

    Parameters
    ----------
    words : per layer the (batch, windows, inputs) words it reads (``counters.source_words``), of at
        least the program's windows. Own spikes of a recurrent layer are known from what the layer
        behind reads; others are taken for none.
    counters : whether counter packets are sent.
    """
    model = _Model(mapping, words, counters)
    # Where the sides of a core are to each other at a window's end depends little on where they
    # were at its start.
    lag = np.zeros((model.windows, mapping.config.cores), dtype=np.int64)
    for _ in range(2):
        scanned, ended, lags = model.run(lag)
        lag = np.concatenate([lag[:1] * 0, lags[:-1]])
    starts = np.concatenate([[0], np.cumsum(scanned)[:-1]])
    ends = (starts + ended).reshape(-1, mapping.windows)[:, -1]
    # The first window's first task was read before it was there.
    return np.asarray(np.diff(ends, prepend=model.scan_read - 1))


class _Model:
    def __init__(
        self, mapping: Mapping, words: Sequence[npt.NDArray[Any]], counters: bool
    ) -> None:
        self.mapping, self.counters = mapping, counters
        network, config = mapping.network, mapping.config
        self.model = Timing(config)
        self.scan_read = timing.scan_task_cycles(config)
        self.neuron_read = timing.neuron_task_cycles(config)
        self.windows = len(words[0]) * mapping.windows
        maps = Maps(network, config)
        self.runs, self.events = [], []
        for i, layer in enumerate(network.layers):
            shape = network.input_shapes[i]
            size, each = group_size(network, config, i), lanes_per_channel(network, config, i)
            self.runs.append(_runs(layer, shape, maps, i, mapping.tiles[i], size, each))
            active = words[i][:, : mapping.windows].reshape(self.windows, -1) != 0
            events = _events(layer, shape, active)
            if layer.recurrent is not None:
                events = events + self._own_events(words, i)
            self.events.append(events)

    def _own_events(self, words: Sequence[npt.NDArray[Any]], index: int) -> Integers:
        """(windows, 1) spikes of a recurrent layer in the window before, where the layer behind
        reads them; else none."""
        network, count = self.mapping.network, self.mapping.windows
        if index + 1 == len(network.layers) or network.layers[index].emit == "skeleton":
            return np.zeros((self.windows, 1), dtype=np.int64)
        fired = np.count_nonzero(words[index + 1][:, :count], axis=2)
        return np.asarray(np.pad(fired[:, :-1], ((0, 0), (1, 0))).reshape(-1, 1))

    def run(self, lag: Integers) -> tuple[Integers, Integers, Integers]:
        """Of every window, from when its first task is read: when the next one's is, when it ends,
        and by how much the neuron side of each core is behind that."""
        mapping, model = self.mapping, self.model
        network, config = mapping.network, mapping.config
        steps = np.full(self.windows, mapping.window)
        short = mapping.steps % mapping.window
        if short:
            steps[mapping.windows - 1 :: mapping.windows] = short
        final = np.arange(self.windows) % mapping.windows == mapping.windows - 1
        bus, merger = Bus(self.windows), Merger(model, self.windows)
        begin = np.full((self.windows, config.cores), self.scan_read, dtype=np.int64)
        state = State(begin, np.maximum(lag, 0) + self.neuron_read, begin)
        ready = np.zeros(self.windows, dtype=np.int64)
        passes = (-(-steps // config.neuron_steps))[:, None]
        last = len(network.layers) - 1
        settled = begin
        tags = list(mapping.layer_tags.items())
        for tag, (i, kind) in tags:
            kinds = len(sent_kinds(network, i))
            read_out = i == last
            emits = Emits(
                rows=kinds + (read_out and network.readout != "membrane" and not kinds),
                sent=kinds,
                packet=config.row_chunks if read_out and network.readout != "membrane" else 0,
                membrane=read_out and network.readout == "membrane",
                counters=(
                    sum(count for _, count in counter_words(config))
                    if self.counters and kind == "spikes" else 0
                ),
                end=END_WORDS if tag == tags[-1][0] else 0,
            )
            state, sent, settled = run_task(
                model, state, self.runs[i], self.events[i], emits, passes, ready,
                in_order(network, mapping.tiles, i), final, bus, merger,
            )
            state.scan = state.scan + self.scan_read
            state.neuron = state.neuron + self.neuron_read
            if tag < last:
                ready = sent
        scanned = state.scan - self.scan_read
        if config.cores > 1:
            scanned = scanned.max(axis=1)[:, None]
        lags = state.neuron - self.neuron_read - scanned
        return scanned[:, 0], settled.max(axis=1) + timing.settled_to_time(config), lags


def _runs(
    layer: Layer, shape: Shape, maps: Maps, index: int, tiles: Sequence[Tile], size: int,
    each: int,
) -> Runs:
    there = grid(layer, shape)
    flags = _flag_rows(layer, shape, maps.read[index], maps.lanes)
    orders = [order(tile, layer, shape, size) for tile in tiles]
    longest = max(len(each.y) for each in orders)
    position, rows, lanes = (np.zeros((longest, len(tiles)), dtype=np.int64) for _ in range(3))
    present, emits = (np.zeros((longest, len(tiles)), dtype=bool) for _ in range(2))
    for core, runs in enumerate(orders):
        count = len(runs.y)
        present[:count, core] = True
        position[:count, core] = runs.y * there.columns + runs.x
        rows[:count, core] = flags[runs.y, runs.x] + maps.recurrent_rows(index)
        lanes[:count, core] = each * np.minimum(size, layer.channels - runs.group * size)
        emits[runs.emitted, core] = True
    kernel_rows, _ = kernel_extent(layer, maps.read[index], maps.lanes)
    return Runs(present, position, rows, kernel_rows, lanes, emits)


def _events(layer: Layer, shape: Shape, active: npt.NDArray[np.bool_]) -> Integers:
    """(windows, positions) words in the field of each."""
    if not isinstance(layer, Conv2d):
        return np.asarray(np.count_nonzero(active, axis=1, keepdims=True))
    down, across = (axis.fields().astype(np.int64) for axis in layer.axes(shape))
    places = active.reshape(len(active), *shape).sum(axis=1)
    return np.asarray((down @ places @ across.T).reshape(len(active), -1))


def _flag_rows(layer: Layer, shape: Shape, read: Map, lanes: int) -> Integers:
    """(rows, columns) rows of flags that the field of each position touches."""
    if not isinstance(layer, Conv2d):
        return np.full((1, 1), read.rows(lanes))
    down, across = layer.axes(shape)
    (top, bottom), (left, right) = (
        (np.maximum(0, axis.starts()) * axis.pool, (axis.starts() + axis.inside()[1]) * axis.pool)
        for axis in (down, across)
    )
    total = np.zeros((down.positions, across.positions), dtype=np.int64)
    for y in range(down.positions):
        places = np.arange(top[y], bottom[y])[:, None] * read.width
        begin, end = ((places + each) * read.pitch for each in (left, right))
        total[y] = np.where(begin < end, (end - 1) // lanes - begin // lanes + 1, 0).sum(axis=0)
    return total
