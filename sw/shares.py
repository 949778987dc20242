"""How a layer is dealt to the cores, and the order in which a core computes its share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .immutable import Shape
from .network import Conv2d, Layer

__all__ = ["Order", "Share", "Split", "order", "pool_size", "positions", "splits"]

Integers = npt.NDArray[np.int64]


class Share(NamedTuple):
    """What one core computes of a layer: ``groups`` groups of outputs (output channels) from
    group ``first`` on, at the ``lines`` rows of positions from row ``top`` on (before pooling; a
    dense layer has one)."""

    first: int
    groups: int
    top: int = 0
    lines: int = 1

    @property
    def rows(self) -> slice:
        """Its rows of positions, among all of the layer's."""
        return slice(self.top, self.top + self.lines)


@dataclass(frozen=True)
class Split:
    """One way to deal a layer.

    Attributes
    ----------
    shares : of each core.
    channels, rows : parts its groups and its rows of positions are cut into.
    columns : positions in a row of them.
    """

    shares: tuple[Share, ...]
    channels: int
    rows: int
    columns: int = 1

    @property
    def groups(self) -> int:
        """Of the core that has most."""
        return max(share.groups for share in self.shares)

    @property
    def lines(self) -> int:
        """Rows of positions of the core that has most."""
        return max(share.lines for share in self.shares)

    @property
    def load(self) -> int:
        """Groups times positions of the fullest core."""
        return max(share.groups * share.lines for share in self.shares) * self.columns

    def __str__(self) -> str:
        return f"{self.channels} x {self.rows}"


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


def pool_size(layer: Layer) -> int:
    """Positions along each side of a pool behind a layer; 1 without one."""
    return 1 if layer.pool_after is None else layer.pool_after.size


def positions(layer: Layer, shape: Shape) -> tuple[int, int]:
    """Rows and columns of the positions of a layer with an input of that shape."""
    if not isinstance(layer, Conv2d):
        return 1, 1
    _, rows, columns = layer.neuron_shape(shape)
    return rows, columns


def splits(layer: Layer, shape: Shape, cores: int, size: int) -> list[Split]:
    """The ways to deal a layer with an input of that shape, in groups of that size, the best one
    first.

    Groups are dealt evenly, in order; so are rows of positions, in whole pools, of which the last
    part has what the pools drop at the bottom. A part is a core's; cores beyond the parts there are
    have nothing to compute. The best one has the least load, and of several the fewest weights.
    A dense layer has one way: its groups over all cores.
    """
    groups = -(-layer.channels // size)
    if not isinstance(layer, Conv2d):
        dealt = tuple(Share(first, count) for first, count in _dealt(groups, cores))
        return [Split(dealt, min(cores, groups), 1)]
    found = _cut(layer, shape, groups, cores)
    return sorted(found, key=lambda each: (each.load, each.groups))


def _dealt(count: int, parts: int) -> list[tuple[int, int]]:
    """First and number of the things of each part."""
    bounds = [count * part // parts for part in range(parts + 1)]
    return [(a, b - a) for a, b in pairwise(bounds)]


def _cut(layer: Conv2d, shape: Shape, groups: int, cores: int) -> Iterator[Split]:
    pool = pool_size(layer)
    lines, columns = positions(layer, shape)
    for channels in range(1, min(cores, groups) + 1):
        rows = min(cores // channels, lines // pool)
        shares = [
            Share(first, count, top * pool, high * pool)
            for top, high in _from_the_top(lines // pool, rows)
            for first, count in _dealt(groups, channels)
        ]
        shares[-channels:] = [s._replace(lines=lines - s.top) for s in shares[-channels:]]
        idle = [Share(0, 0, 0, 0)] * (cores - len(shares))
        yield Split((*shares, *idle), channels, rows, columns)


def _from_the_top(count: int, parts: int) -> list[tuple[int, int]]:
    """As ``_dealt``, but the first of uneven parts have one more."""
    return [(count - first - high, high) for first, high in reversed(_dealt(count, parts))]


def order(share: Share, layer: Layer, shape: Shape, size: int) -> Order:
    """The runs of a core over its share, in groups of that size: pooled row, pooled column, group,
    row and column in the pool. Of pools that are cut off at the edges, what is there is computed,
    but not emitted."""
    groups, size = -(-layer.channels // size), pool_size(layer)
    _, columns = positions(layer, shape)
    runs: list[tuple[int, int, int]] = []
    emitted: list[int] = []
    for top in range(share.top, share.top + share.lines, size):
        high = min(size, share.top + share.lines - top)
        for left in range(0, columns, size):
            wide = min(size, columns - left)
            for group in range(share.first, share.first + share.groups):
                runs += [(top + dy, left + dx, group) for dy in range(high) for dx in range(wide)]
                if high == wide == size:
                    emitted.append(len(runs) - 1)
    y, x, group_of = np.array(runs, dtype=np.int64).reshape(-1, 3).T
    last = np.array(emitted, dtype=np.int64)
    pooled = y[last] // size * (columns // size) + x[last] // size
    return Order(
        y, x, group_of, (y * columns + x) * groups + group_of, last,
        pooled * groups + group_of[last],
    )
