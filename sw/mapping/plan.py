"""What a network takes of an array: its maps, the tiles of the cores, and their memories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import islice

import numpy as np
import numpy.typing as npt

from ..network.network import Conv2d, Layer, Network
from ..spec.array import ArrayConfig
from ..spec.task import POSITIONS_HIGH
from .maps import Map, Maps, group_size
from .partitions import Grid, Partitioning, Tile, grid, partitionings

__all__ = ["Plan", "field_size", "group_rows", "make_plans", "state_groups"]

_TRIED = 2048  # combinations of the layers' splits, the best ones first
_DEALT = ("weight_rows", "neuron_groups", "state_groups")

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """A network on an array, whether it fits there or not.

    Attributes
    ----------
    maps : where they lie.
    splits : per layer, how it is dealt to the cores.
    stateless : membranes are not kept beyond a window, for want of room or of a memory for them:
        one group of the state memory does for a run of a layer.
    state_needed : if there is no room, the groups the fullest core would need to keep them; else 0.
    needed : entries of each memory that the fullest core needs, by the field that sizes it.
    """

    maps: Maps
    partitions: tuple[Partitioning, ...]
    stateless: bool
    state_needed: int
    needed: dict[str, int]

    @property
    def tiles(self) -> tuple[tuple[Tile, ...], ...]:
        """Per layer, per core, its tile."""
        return tuple(partitioning.tiles for partitioning in self.partitions)


def field_size(layer: Layer, read: Map, lanes: int) -> tuple[int, int]:
    """Rows of the kernel of a layer that reads this map, and words of each; sum pools in front
    are part of it. A dense layer's is the whole map, with the words behind it in its last row."""
    if not isinstance(layer, Conv2d):
        return 1, read.rows(lanes) * lanes
    square = 1 if layer.pool_before is None else layer.pool_before.size
    rows, columns = (size * square for size in layer.kernel)
    return rows, columns * read.pitch


def group_rows(layer: Layer, maps: Maps, index: int) -> int:
    """Weight rows of a group: one for each word of its own spikes, and of its kernel."""
    rows, words = field_size(layer, maps.read[index], maps.lanes)
    return maps.own_rows(index) * maps.lanes + rows * words


def state_groups(tile: Tile, there: Grid, stateless: bool) -> int:
    """Groups of the state memory that a run of a core's tile takes."""
    return min(1, tile.groups) if stateless else tile.groups * there.positions(tile)


def make_plans(network: Network, config: ArrayConfig, steps: int, most: int = 1) -> list[Plan]:
    """Plans that fit, at most so many, those of the least load first; if none does, a frugal one.

    They keep membranes, if one of them can. Samples of a single window may do without, on arrays
    that can.
    """
    maps = Maps(network, config)
    options = [
        _usable(partitionings(layer, shape, config.cores, group_size(network, config, i)))
        for i, (layer, shape) in enumerate(
            zip(network.layers, network.input_shapes, strict=True)
        )
    ]
    one_window = steps <= network.window(config.window)
    ways = [False] if config.state or not config.convolution else []
    ways += [True] if config.convolution and one_window else []
    for stateless in ways or [True]:
        search = _Search(network, config, maps, options, stateless)
        found = search.fitting(most)
        if found:
            break
    keeping = _Search(network, config, maps, options, stateless=False)
    waits = network.layers[-1].recurrent is not None
    fixed = {"spike_rows": maps.total, "tasks": len(network.layers) + network.both + waits}

    def plan(numbers: tuple[int, ...]) -> Plan:
        needed = search.needed(numbers) | fixed
        return Plan(
            maps=maps,
            partitions=tuple(each[k] for each, k in zip(options, numbers, strict=True)),
            stateless=stateless,
            state_needed=keeping.needed(numbers)["state_groups"] if stateless else 0,
            needed={name: needed[name] for name in config.as_dict() if name in needed},
        )

    return [plan(numbers) for numbers in found or [search.frugal()]]


def _usable(options: list[Partitioning]) -> list[Partitioning]:
    """Those whose positions a core can count; if there are none, that of the fewest."""
    usable = [each for each in options if each.positions <= POSITIONS_HIGH]
    return usable or [min(options, key=lambda each: each.positions)]


class _Search:
    """Combinations of the layers' splits, each the number of one per layer."""

    def __init__(
        self, network: Network, config: ArrayConfig, maps: Maps, options: list[list[Partitioning]],
        stateless: bool,
    ) -> None:
        self.options = options
        self.there = np.array([getattr(config, name) for name in _DEALT])
        self.needs = []  # per layer and partitioning, (memories, cores)
        for i, (layer, ways) in enumerate(zip(network.layers, options, strict=True)):
            rows, there = group_rows(layer, maps, i), grid(layer, network.input_shapes[i])
            runs = 2 if network.both and i == len(network.layers) - 1 else 1
            self.needs.append([
                np.array([
                    (
                        tile.groups * rows,
                        tile.groups,
                        config.state * runs * state_groups(tile, there, stateless),
                    )
                    for tile in way.tiles
                ]).T
                for way in ways
            ])

    def needed(self, numbers: Sequence[int]) -> dict[str, int]:
        """Entries of each memory that the fullest core needs."""
        return dict(zip(_DEALT, self._fullest(numbers).tolist(), strict=True))

    def _fullest(self, numbers: Sequence[int]) -> Integers:
        each = (needs[k] for needs, k in zip(self.needs, numbers, strict=True))
        whole: Integers = np.add.reduce(list(each)).max(axis=1)
        return whole

    def _fits(self, numbers: Sequence[int]) -> bool:
        return bool((self._fullest(numbers) <= self.there).all())

    def frugal(self) -> tuple[int, ...]:
        """One whose layers each take the least of the memory they take most of."""
        worst = [
            [float((needs.max(axis=1) / self.there).max()) for needs in each]
            for each in self.needs
        ]
        return tuple(each.index(min(each)) for each in worst)

    def fitting(self, most: int) -> list[tuple[int, ...]]:
        """Those of the least load that fit, of those that are tried."""
        least = sum(np.min([n.sum(axis=1) for n in each], axis=0) for each in self.needs)
        if (least > self.there * len(self.options[0][0].tiles)).any():
            return []
        return list(islice(filter(self._fits, self._in_turn()), most))

    def _in_turn(self) -> Iterator[tuple[int, ...]]:
        """Those of the least load, in order, then the frugal one."""
        def entry(numbers: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
            loads = (ways[k].load for ways, k in zip(self.options, numbers, strict=True))
            return sum(loads), numbers

        waiting = [entry((0,) * len(self.options))]
        known = {waiting[0][1]}
        for _ in range(_TRIED):
            if not waiting:
                return
            _, numbers = heappop(waiting)
            yield numbers
            for i, k in enumerate(numbers):
                after = (*numbers[:i], k + 1, *numbers[i + 1 :])
                if k + 1 < len(self.options[i]) and after not in known:
                    known.add(after)
                    heappush(waiting, entry(after))
        yield self.frugal()
