"""Cycle estimate for arrays with convolution: ``pipeline`` for every task of every window.

It is within a few percent of a device's cycles. The link is assumed to be fast enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..mapping.mapping import Mapping
from ..mapping.maps import Map, Maps, lanes_per_channel
from ..mapping.partitions import Tile, order
from ..mapping.plan import kernel_extent
from ..network import Conv2d, Layer
from ..spec import timing
from ..spec.report import END_WORDS, counter_words
from ..support.immutable import Shape
from .pipeline import Cores, Output, Runs, Task

__all__ = ["estimate_convolution", "field_events", "layer_runs"]

Integers = npt.NDArray[np.int64]


def estimate_convolution(
    mapping: Mapping, words: Sequence[npt.NDArray[Any]], counters: bool
) -> Integers:
    """(batch,) cycles of samples that follow each other.

    Parameters
    ----------
    mapping, counters
        As for ``estimate``.
    words
        As for ``estimate``, for at least the windows of the mapping. A recurrent layer's own spikes
        are known from what the next layer reads. If that is the skeleton, or if there is no next
        layer, they are assumed to be silent.
    """
    model = _Model(mapping, words, counters)
    # How far apart the two sides of a core are at the end of a window depends little on how far
    # apart they were at its start, so that windows can be computed together, twice.
    lag = np.zeros((model.windows, mapping.config.cores), dtype=np.int64)
    for _ in range(2):
        scanned, ended, lags = model.run(lag)
        lag = np.concatenate([lag[:1] * 0, lags[:-1]])
    starts = np.concatenate([[0], np.cumsum(scanned)[:-1]])
    ends = (starts + ended).reshape(-1, mapping.windows)[:, -1]
    # The first task was read before the first window was there.
    return np.asarray(np.diff(ends, prepend=timing.scan_task_cycles(mapping.config) - 1))


def layer_runs(mapping: Mapping, index: int) -> list[Runs]:
    """The runs of the cores over their tiles of a layer, by task: the first one of every core, then
    the second one of those that have one, and so on."""
    parts = [
        [part for part, _ in mapping.parts(index, core)] for core in range(mapping.config.cores)
    ]
    return [
        _task_runs(mapping, index, [each[n] if n < len(each) else None for each in parts])
        for n in range(max(map(len, parts)))
    ]


def _task_runs(mapping: Mapping, index: int, parts: Sequence[Tile | None]) -> Runs:
    """The runs of a task of the cores; None for a core that does not have it."""
    network, config, maps = mapping.computed, mapping.config, Maps(mapping.computed, mapping.config)
    layer, shape = network.layers[index], network.input_shapes[index]
    positions, groups = mapping.grid(index), mapping.groups[index]
    flags = _flag_rows(layer, shape, maps.read[index], config.lanes)
    neurons = np.array([len(groups.outputs(group)) for group in range(groups.count)])
    nothing = Tile(0, 0, 0, 0)
    orders = [order(part or nothing, layer, shape, groups.count) for part in parts]
    runs = max(len(each.y) for each in orders), len(orders)
    position, rows, lanes = (np.zeros(runs, dtype=np.int64) for _ in range(3))
    there, emits = (np.zeros(runs, dtype=bool) for _ in range(2))
    for core, each in enumerate(orders):
        count = len(each.y)
        there[:count, core] = True
        position[:count, core] = each.y * positions.columns + each.x
        rows[:count, core] = flags[each.y, each.x] + maps.recurrent_rows(index)
        lanes[:count, core] = lanes_per_channel(network, config, index) * neurons[each.group]
        emits[each.emitted, core] = True
    kernel_rows, _ = kernel_extent(layer, maps.read[index], config.lanes)
    cores = np.array([part is not None for part in parts])
    return Runs(cores, there, position, rows, kernel_rows, lanes, emits)


def field_events(layer: Layer, shape: Shape, active: npt.NDArray[np.bool_]) -> Integers:
    """(windows, positions) words that are not 0 in the receptive field of each position.

    Parameters
    ----------
    layer : Layer
        The layer.
    shape : tuple of int
        Shape of its input.
    active : (windows, inputs) bool array
        Which of its inputs have a word that is not 0.
    """
    if not isinstance(layer, Conv2d):
        return np.asarray(np.count_nonzero(active, axis=1, keepdims=True))
    down, across = (axis.receptive_fields().astype(np.int64) for axis in layer.axes(shape))
    words = active.reshape(len(active), *shape).sum(axis=1)
    return np.asarray((down @ words @ across.T).reshape(len(active), -1))


def _flag_rows(layer: Layer, shape: Shape, read: Map, lanes: int) -> Integers:
    """(rows, columns) rows of flags that the receptive field of each position touches."""
    if not isinstance(layer, Conv2d):
        return np.full((1, 1), read.rows(lanes))
    down, across = layer.axes(shape)
    (top, bottom), (left, right) = (
        (np.maximum(0, axis.starts()) * axis.pool, (axis.starts() + axis.inside()[1]) * axis.pool)
        for axis in (down, across)
    )
    total = np.zeros((down.positions, across.positions), dtype=np.int64)
    for y in range(down.positions):
        lines = np.arange(top[y], bottom[y])[:, None] * read.width
        begin, end = ((lines + edge) * read.pitch for edge in (left, right))
        total[y] = np.where(begin < end, (end - 1) // lanes - begin // lanes + 1, 0).sum(axis=0)
    return total


class _Model:
    """A network on an array in some windows, which are computed together."""

    def __init__(
        self, mapping: Mapping, words: Sequence[npt.NDArray[Any]], counters: bool
    ) -> None:
        self.mapping, self.counters = mapping, counters
        network = mapping.computed
        self.windows = len(words[0]) * mapping.windows
        self.runs, self.events = [], []
        for i, layer in enumerate(network.layers):
            self.runs.append(layer_runs(mapping, i))
            active = words[i][:, : mapping.windows].reshape(self.windows, -1) != 0
            events = field_events(layer, network.input_shapes[i], active)
            if layer.recurrent is not None:
                events = events + self._recurrent_events(words, i)
            self.events.append(events)

    def _recurrent_events(self, words: Sequence[npt.NDArray[Any]], index: int) -> Integers:
        """(windows, 1) spikes of a recurrent layer in the window before, where the layer behind
        reads them; else none."""
        network, count = self.mapping.computed, self.mapping.windows
        if index + 1 == len(network.layers) or network.layers[index].emit == "skeleton":
            return np.zeros((self.windows, 1), dtype=np.int64)
        fired = np.count_nonzero(words[index + 1][:, :count], axis=2)
        return np.asarray(np.pad(fired[:, :-1], ((0, 0), (1, 0))).reshape(-1, 1))

    def run(self, lag: Integers) -> tuple[Integers, Integers, Integers]:
        """Run all tasks in all windows.

        Parameters
        ----------
        lag : (windows, cores) int64 array
            By how much the neuron side of each core starts behind the scan side.

        Returns
        -------
        scanned, ended : (windows,) int64 array
            Cycles from when a window's first task is read to when the next window's one is, and to
            the window's end.
        lags : (windows, cores) int64 array
            By how much the neuron sides are behind then.
        """
        mapping, config = self.mapping, self.mapping.config
        number = np.arange(self.windows) % mapping.windows
        steps = np.minimum(mapping.window, mapping.steps - number * mapping.window)
        cores = Cores(config, steps, number == mapping.windows - 1, lag)
        ready = np.zeros(self.windows, dtype=np.int64)
        last = len(mapping.computed.layers) - 1
        for tag, (i, kind) in mapping.layer_tags.items():
            sent = np.zeros_like(ready)
            for n, runs in enumerate(self.runs[i]):
                # The tasks behind the first one find the map complete.
                task = Task(
                    runs, self.events[i], self._output(tag, i, kind, n),
                    n == 0 and mapping.reads_in_order(i),
                )
                sent = np.maximum(sent, cores.run(task, ready if n == 0 else ready * 0))
            if tag < last:
                ready = sent
        scanned = cores.scan - timing.scan_task_cycles(config)
        if config.cores > 1:  # the first task waits until all cores have come to it
            scanned = scanned.max(axis=1)[:, None]
        lags = cores.neuron - timing.neuron_task_cycles(config) - scanned
        ended = cores.settled.max(axis=1) + timing.settled_to_time(config)
        return scanned[:, 0], ended, lags

    def _output(self, tag: int, index: int, kind: str, number: int) -> Output:
        """The output of the cores in the task of that number of a run of a layer."""
        network, config = self.mapping.computed, self.mapping.config
        kinds = len(self.mapping.sent_kinds(index))
        last = index == len(network.layers) - 1
        words, membrane = last and network.readout != "membrane", network.readout == "membrane"
        counters = sum(count for _, count in counter_words(config))
        return Output(
            rows=kinds + (words and not kinds),
            sent=kinds,
            packet=config.row_chunks if words else 0,
            membrane=last and membrane,
            counters=counters if self.counters and kind == "spikes" else 0,
            end=END_WORDS if self.counters and tag == len(self.mapping.layer_tags) - 1 else 0,
            ends=np.array([
                len(self.mapping.parts(index, core)) == number + 1 for core in range(config.cores)
            ]),
        )
