"""How a layer is dealt to the cores, and the order in which a core computes its share."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..network import Conv2d, Layer
from ..support.immutable import Shape

__all__ = ["Grid", "Order", "Share", "Split", "grid", "order", "splits"]

Integers = npt.NDArray[np.int64]


class Share(NamedTuple):
    """What one core computes of a layer: ``groups`` groups of outputs (output channels) from
    group ``first`` on, in ``windows`` windows of its max pool from number ``start`` on, row by row
    (without a pool, at as many positions; a dense layer has one)."""

    first: int
    groups: int
    start: int = 0
    windows: int = 1


@dataclass(frozen=True)
class Split:
    """One way to deal a layer.

    Attributes
    ----------
    shares : of each core.
    channels, parts : that its groups and its positions are cut into.
    positions : of the core that has most.
    load : groups times positions of the fullest core.
    """

    shares: tuple[Share, ...]
    channels: int
    parts: int
    positions: int
    load: int

    @property
    def groups(self) -> int:
        """Of the core that has most."""
        return max(share.groups for share in self.shares)

    def __str__(self) -> str:
        return f"{self.channels} x {self.parts}"


@dataclass(frozen=True)
class Grid:
    """The positions of a layer with an input of some shape, and the windows of its max pool; those
    at the right and at the bottom may be cut off.

    Attributes
    ----------
    lines, columns : rows of positions, and positions in each.
    pool : positions along each side of a window.
    """

    lines: int
    columns: int
    pool: int

    @property
    def across(self) -> int:
        """Windows in a row of them."""
        return -(-self.columns // self.pool)

    @property
    def windows(self) -> int:
        """All windows."""
        return -(-self.lines // self.pool) * self.across

    def corner(self, window: int) -> tuple[int, int]:
        """Row and column of a window's first position."""
        down, across = divmod(window, self.across)
        return down * self.pool, across * self.pool

    def whole_before(self, window: int) -> int:
        """Windows before this one that are not cut off."""
        down, across = divmod(window, self.across)
        wide = self.columns // self.pool
        return min(down, self.lines // self.pool) * wide + (
            min(across, wide) if down < self.lines // self.pool else 0
        )

    def computed(self, share: Share) -> npt.NDArray[np.bool_]:
        """(lines, columns) positions that are a share's."""
        down = -(-self.lines // self.pool)
        mine = np.zeros(self.windows, dtype=bool)
        if share.groups:
            mine[share.start : share.start + share.windows] = True
        each = mine.reshape(down, self.across).repeat(self.pool, axis=0).repeat(self.pool, axis=1)
        return each[: self.lines, : self.columns]

    def positions(self, share: Share) -> int:
        """How many positions are a share's."""
        return int(np.count_nonzero(self.computed(share)))


class Order(NamedTuple):
    """The runs of a core over its share of a layer, each a group at a position.

    Attributes
    ----------
    y, x, group : (runs,) row and column of the position among all of the layer's, and the group.
    rows : (runs,) row of its neurons in a map of them all.
    emitted : (emitted rows,) the run that completes each.
    emitted_rows : (emitted rows,) its row in the map the layer writes.
    """

    y: Integers
    x: Integers
    group: Integers
    rows: Integers
    emitted: Integers
    emitted_rows: Integers


def grid(layer: Layer, shape: Shape) -> Grid:
    """The positions of a layer with an input of that shape."""
    if not isinstance(layer, Conv2d):
        return Grid(1, 1, 1)
    _, lines, columns = layer.neuron_shape(shape)
    return Grid(lines, columns, 1 if layer.pool_after is None else layer.pool_after.size)


def splits(layer: Layer, shape: Shape, cores: int, size: int) -> list[Split]:
    """The ways to deal a layer with an input of that shape, in groups of that size, the best one
    first.

    Groups are dealt evenly, in order, and so are positions, in whole windows of the max pool. A
    part is a core's; cores beyond the parts there are have nothing to compute. The best one has the
    least load, and of several the fewest weights. A dense layer has one way: its groups over all
    cores.
    """
    groups, there = -(-layer.channels // size), grid(layer, shape)
    if not isinstance(layer, Conv2d):
        dealt = tuple(Share(first, count) for first, count in _dealt(groups, cores))
        return [Split(dealt, min(cores, groups), 1, 1, max(share.groups for share in dealt))]
    found = [
        _cut(there, groups, channels, cores) for channels in range(1, min(cores, groups) + 1)
    ]
    return sorted(found, key=lambda each: (each.load, each.groups))


def _dealt(count: int, parts: int) -> list[tuple[int, int]]:
    """First and number of the things of each part."""
    bounds = [count * part // parts for part in range(parts + 1)]
    return [(a, b - a) for a, b in pairwise(bounds)]


def _cut(there: Grid, groups: int, channels: int, cores: int) -> Split:
    """Into so many parts of the groups, and as many of the positions as there are cores for."""
    parts = min(cores // channels, there.windows)
    shares = [
        Share(first, count, start, windows)
        for start, windows in _dealt(there.windows, parts)
        for first, count in _dealt(groups, channels)
    ]
    positions = [there.positions(share) for share in shares]
    load = max(each * share.groups for each, share in zip(positions, shares, strict=True))
    idle = [Share(0, 0, 0, 0)] * (cores - len(shares))
    return Split((*shares, *idle), channels, parts, max(positions), load)


def order(share: Share, layer: Layer, shape: Shape, size: int) -> Order:
    """The runs of a core over its share, in groups of that size: window by window of the max pool,
    group by group, row and column in the window. Of windows that are cut off at the edges, what is
    there is computed, but not emitted."""
    groups, there = -(-layer.channels // size), grid(layer, shape)
    runs: list[tuple[int, int, int]] = []
    emitted: list[int] = []
    for window in range(share.start, share.start + share.windows):
        top, left = there.corner(window)
        high, wide = min(there.pool, there.lines - top), min(there.pool, there.columns - left)
        for group in range(share.first, share.first + share.groups):
            runs += [(top + dy, left + dx, group) for dy in range(high) for dx in range(wide)]
            if high == wide == there.pool:
                emitted.append(len(runs) - 1)
    y, x, group_of = np.array(runs, dtype=np.int64).reshape(-1, 3).T
    last = np.array(emitted, dtype=np.int64)
    pooled = y[last] // there.pool * (there.columns // there.pool) + x[last] // there.pool
    return Order(
        y, x, group_of, (y * there.columns + x) * groups + group_of, last,
        pooled * groups + group_of[last],
    )
