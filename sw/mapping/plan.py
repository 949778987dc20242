"""Plans: partitionings of the layers for which an array has the memories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import islice

import numpy as np
import numpy.typing as npt

from ..network import Conv2d, Layer, Network
from ..spec.array import ArrayConfig
from ..spec.task import POSITIONS_HIGH
from .groups import Groups, layer_groups
from .mapping import Mapping
from .maps import Map, Maps, group_size
from .partitions import Grid, Partitioning, Tile, grid, partitionings

__all__ = ["Plan", "group_rows", "kernel_extent", "make_plans", "state_groups"]

_TRIED = 2048  # combinations of partitionings, best first; a few layers already have thousands
_DIVIDED = ("weight_rows", "neuron_groups", "state_groups")
"""Memories whose contents a layer's partitioning divides among the cores."""
_BY_CORE = (*_DIVIDED, "tasks")
"""Memories whose contents depend on the partitionings. Tasks are not divided: each core has at
least one for every layer."""

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Plan(Mapping):
    """A mapping with its layout in the memories, whether it fits there or not.

    Attributes
    ----------
    network, config, steps, partitions, device
        Those of ``Mapping``.
    maps : Maps
        Where the maps are.
    stateless : bool
        Membranes are not kept beyond a window, because there is no room or no memory for them. One
        group of the state memory is then enough for a run of a layer.
    state_needed : int
        If there is no room, the state groups the fullest core would need to keep membranes; else 0.
    needed : dict of str to int
        Entries of each memory that the fullest core needs, by the field of ``ArrayConfig`` that
        sizes the memory.
    """

    maps: Maps
    stateless: bool
    state_needed: int
    needed: dict[str, int]


def kernel_extent(layer: Layer, read: Map, lanes: int) -> tuple[int, int]:
    """Rows of a layer's kernel on the map it reads, and words of each row.

    A sum pool in front is part of the kernel. The kernel of a dense layer is one row, the whole
    map, with the silent words at its end; that of all bit planes of a map is the same.
    """
    if not isinstance(layer, Conv2d):
        return 1, read.rows(lanes) // read.planes * lanes
    square = 1 if layer.pool_before is None else layer.pool_before.size
    rows, columns = (size * square for size in layer.kernel)
    return rows, columns * read.pitch


def group_rows(layer: Layer, maps: Maps, index: int) -> int:
    """Weight rows of a group: one for each word of the layer's recurrent map, and of its kernel."""
    rows, words = kernel_extent(layer, maps.read[index], maps.lanes)
    return maps.recurrent_rows(index) * maps.lanes + rows * words


def state_groups(tile: Tile, positions: Grid, stateless: bool) -> int:
    """Groups of the state memory that a run of a tile takes."""
    return min(1, tile.groups) if stateless else tile.groups * positions.positions(tile)


def make_plans(network: Network, config: ArrayConfig, steps: int, most: int = 1) -> list[Plan]:
    """Plans for a network on an array.

    Plans keep membranes if such a plan fits. On arrays with convolution, samples of a single window
    can do without.

    Parameters
    ----------
    network : Network
        The network.
    config : ArrayConfig
        The array.
    steps : int
        Steps of a sample.
    most : int
        The most plans to return.

    Returns
    -------
    list of Plan
        Plans that fit, those of the least load first. If none fits, the one that needs the least.
    """
    maps = Maps(network, config)
    groups = [
        layer_groups(layer, group_size(network, config, i))
        for i, layer in enumerate(network.layers)
    ]
    ways = [
        _usable(partitionings(layer, shape, config.cores, each.count))
        for layer, shape, each in zip(network.layers, network.input_shapes, groups, strict=True)
    ]
    one_window = steps <= network.window(config.window)
    allowed = [False] if config.state or not config.convolution else []
    allowed += [True] if config.convolution and one_window else []
    # Kept membranes let a program continue from one sample to the next, so this is tried first.
    for stateless in allowed or [True]:
        search = _Search(network, config, maps, groups, ways, stateless)
        found = search.fitting(most)
        if found:
            break
    # A program without them says how much memory keeping them would take.
    keeping = _Search(network, config, maps, groups, ways, stateless=False)

    def plan(choice: tuple[int, ...]) -> Plan:
        needed = search.needed(choice) | {"spike_rows": maps.total}
        return Plan(
            network, config, steps,
            partitions=tuple(each[k] for each, k in zip(ways, choice, strict=True)),
            maps=maps,
            stateless=stateless,
            state_needed=keeping.needed(choice)["state_groups"] if stateless else 0,
            needed={name: needed[name] for name in config.as_dict() if name in needed},
        )

    return [plan(choice) for choice in found or [search.frugal()]]


def _usable(ways: list[Partitioning]) -> list[Partitioning]:
    """Partitionings with few enough positions for a core to count; if there are none, the one with
    the fewest."""
    usable = [way for way in ways if way.positions <= POSITIONS_HIGH]
    return usable or [min(ways, key=lambda way: way.positions)]


class _Search:
    """A search over the layers' partitionings; a choice has the index of a partitioning for each
    layer."""

    def __init__(
        self, network: Network, config: ArrayConfig, maps: Maps, groups: list[Groups],
        ways: list[list[Partitioning]], stateless: bool,
    ) -> None:
        self.ways = ways
        self.there = np.array([getattr(config, name) for name in _BY_CORE])
        # A task at the end waits for the rows that a recurrent last layer sends to itself.
        self.waits = int(network.layers[-1].recurrent is not None)
        self.needs: list[list[Integers]] = []  # per layer and partitioning, (memories, cores)
        for i, (layer, options) in enumerate(zip(network.layers, ways, strict=True)):
            rows, positions = group_rows(layer, maps, i), grid(layer, network.input_shapes[i])
            runs = 2 if network.both and i == len(network.layers) - 1 else 1
            self.needs.append([
                np.array([
                    (
                        tile.groups * rows,
                        tile.groups,
                        # Each of two runs has membranes of its own.
                        config.state * runs * state_groups(tile, positions, stateless),
                        runs * len(groups[i].parts(tile)),
                    )
                    for tile in way.tiles
                ]).T
                for way in options
            ])

    def needed(self, choice: Sequence[int]) -> dict[str, int]:
        """Entries of each memory that the fullest core needs."""
        return dict(zip(_BY_CORE, self._fullest(choice).tolist(), strict=True))

    def _fullest(self, choice: Sequence[int]) -> Integers:
        """(memories,) entries that the fullest core needs."""
        chosen = [needs[k] for needs, k in zip(self.needs, choice, strict=True)]
        fullest: Integers = np.add.reduce(chosen).max(axis=1)
        fullest[-1] += self.waits
        return fullest

    def _fits(self, choice: Sequence[int]) -> bool:
        return bool((self._fullest(choice) <= self.there).all())

    def frugal(self) -> tuple[int, ...]:
        """The choice in which each layer takes the least of the memory that it uses most."""
        divided = slice(len(_DIVIDED))
        worst = [
            [float((needs.max(axis=1) / self.there)[divided].max()) for needs in options]
            for options in self.needs
        ]
        return tuple(shares.index(min(shares)) for shares in worst)

    def fitting(self, most: int) -> list[tuple[int, ...]]:
        """The choices with the least load that fit, among those that are tried."""
        # If even the least needs of the layers exceed the memory of all cores, no choice fits.
        least = sum(np.min([n.sum(axis=1) for n in options], axis=0) for options in self.needs)
        cores = len(self.ways[0][0].tiles)
        if (least > self.there * cores).any():
            return []
        return list(islice(filter(self._fits, self._by_load()), most))

    def _by_load(self) -> Iterator[tuple[int, ...]]:
        """Choices in order of their load, at most ``_TRIED``; then the frugal one."""
        def queued(choice: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
            loads = (ways[k].load for ways, k in zip(self.ways, choice, strict=True))
            return sum(loads), choice

        # Partitionings are sorted by load: from one choice, all others are reached by taking the
        # next partitioning of a layer.
        queue = [queued((0,) * len(self.ways))]
        known = {queue[0][1]}
        for _ in range(_TRIED):
            if not queue:
                return
            _, choice = heappop(queue)
            yield choice
            for i, k in enumerate(choice):
                following = (*choice[:i], k + 1, *choice[i + 1 :])
                if k + 1 < len(self.ways[i]) and following not in known:
                    known.add(following)
                    heappush(queue, queued(following))
        yield self.frugal()
