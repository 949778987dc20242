"""How a layer is partitioned over the cores, and the order in which a core computes its tile."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..network import Conv2d, Layer
from ..support.immutable import Shape

__all__ = ["Grid", "Order", "Partitioning", "Tile", "grid", "order", "partitionings"]

Integers = npt.NDArray[np.int64]


class Tile(NamedTuple):
    """The part of a layer that one core computes: some of its groups, at some of its positions.

    Attributes
    ----------
    first_group : int
        The first group of outputs (of output channels with convolution).
    groups : int
        Number of groups; 0 for a core that computes nothing of the layer.
    first_cell : int
        The first cell of the layer's max pool, row by row. Without a pool every position is a cell.
    cells : int
        Number of cells; a dense layer has one.
    """

    first_group: int
    groups: int
    first_cell: int = 0
    cells: int = 1


@dataclass(frozen=True)
class Partitioning:
    """One way to partition a layer.

    Attributes
    ----------
    tiles : tuple of Tile
        The tile of each core.
    channel_parts, position_parts : int
        Parts into which the groups and the positions are divided. A tile is one part of each.
    positions : int
        Positions of the largest tile.
    load : int
        Groups times positions of the largest tile.
    """

    tiles: tuple[Tile, ...]
    channel_parts: int
    position_parts: int
    positions: int
    load: int

    @property
    def groups(self) -> int:
        """Groups of the tile with the most groups."""
        return max(tile.groups for tile in self.tiles)

    def __str__(self) -> str:
        return f"{self.channel_parts} x {self.position_parts}"


@dataclass(frozen=True)
class Grid:
    """The positions of a layer, and the cells of its max pool. The pool drops incomplete cells at
    the right and at the bottom.

    Attributes
    ----------
    lines, columns : int
        Rows of positions, and positions in each row.
    pool : int
        Positions along each side of a cell.
    """

    lines: int
    columns: int
    pool: int

    @property
    def cells_across(self) -> int:
        """Cells in a row of cells, an incomplete one included."""
        return -(-self.columns // self.pool)

    @property
    def cells(self) -> int:
        """All cells, incomplete ones included."""
        return -(-self.lines // self.pool) * self.cells_across

    def corner(self, cell: int) -> tuple[int, int]:
        """Row and column of a cell's first position."""
        down, across = divmod(cell, self.cells_across)
        return down * self.pool, across * self.pool

    def complete_before(self, cell: int) -> int:
        """Number of complete cells in front of this one."""
        down, across = divmod(cell, self.cells_across)
        high, wide = self.lines // self.pool, self.columns // self.pool
        return min(down, high) * wide + (min(across, wide) if down < high else 0)

    def computed(self, tile: Tile) -> npt.NDArray[np.bool_]:
        """(lines, columns) positions that a tile computes."""
        down = -(-self.lines // self.pool)
        cells = np.zeros(self.cells, dtype=bool)
        if tile.groups:
            cells[tile.first_cell : tile.first_cell + tile.cells] = True
        rows = cells.reshape(down, self.cells_across).repeat(self.pool, axis=0)
        return rows.repeat(self.pool, axis=1)[: self.lines, : self.columns]

    def positions(self, tile: Tile) -> int:
        """Number of positions that a tile computes."""
        return int(np.count_nonzero(self.computed(tile)))


class Order(NamedTuple):
    """The runs of a core over its tile, each a group at a position, in order.

    Attributes
    ----------
    y, x, group : (runs,) int64 array
        Row and column of the position in the layer, and the group.
    rows : (runs,) int64 array
        Row of the run's neurons in a map of all neurons.
    emitted : (emitted rows,) int64 array
        The run that completes each row of the map the layer writes.
    emitted_rows : (emitted rows,) int64 array
        The number of that row.
    """

    y: Integers
    x: Integers
    group: Integers
    rows: Integers
    emitted: Integers
    emitted_rows: Integers


def grid(layer: Layer, shape: Shape) -> Grid:
    """The positions of a layer with an input of that shape; a dense layer has one."""
    if not isinstance(layer, Conv2d):
        return Grid(1, 1, 1)
    _, lines, columns = layer.neuron_shape(shape)
    return Grid(lines, columns, 1 if layer.pool_after is None else layer.pool_after.size)


def partitionings(layer: Layer, shape: Shape, cores: int, groups: int) -> list[Partitioning]:
    """The ways to partition a layer, the best one first.

    Groups are assigned to the parts evenly and in order, and so are positions, in whole cells of
    the max pool. The best partitioning has the least load and, among several with the same load,
    the fewest weights. A dense layer has one partitioning: its groups over all cores.

    Parameters
    ----------
    layer : Layer
        The layer.
    shape : tuple of int
        Shape of the layer's input.
    cores : int
        Cores of the array; those beyond the parts compute nothing.
    groups : int
        Groups of the layer.

    Returns
    -------
    list of Partitioning
        At least one.
    """
    positions = grid(layer, shape)
    if not isinstance(layer, Conv2d):
        # With a single position, there is nothing else to divide.
        tiles = tuple(Tile(first, count) for first, count in _dealt(groups, cores))
        return [Partitioning(tiles, min(cores, groups), 1, 1, max(tile.groups for tile in tiles))]
    found = [
        _partitioned(positions, groups, parts, cores) for parts in range(1, min(cores, groups) + 1)
    ]
    # Fewer groups on a core are fewer weights in its memory.
    return sorted(found, key=lambda way: (way.load, way.groups))


def _dealt(count: int, parts: int) -> list[tuple[int, int]]:
    """The first item of each part, and its number of items."""
    # Rounded down, so that no two parts differ by more than one.
    bounds = [count * part // parts for part in range(parts + 1)]
    return [(a, b - a) for a, b in pairwise(bounds)]


def _partitioned(there: Grid, groups: int, channel_parts: int, cores: int) -> Partitioning:
    """The groups in that many parts, and the positions in as many as there are cores for."""
    # A tile is one part of each: cores beyond a full grid of parts compute nothing.
    position_parts = min(cores // channel_parts, there.cells)
    tiles = [
        Tile(first, count, cell, cells)
        for cell, cells in _dealt(there.cells, position_parts)
        for first, count in _dealt(groups, channel_parts)
    ]
    positions = [there.positions(tile) for tile in tiles]
    load = max(count * tile.groups for count, tile in zip(positions, tiles, strict=True))
    idle = [Tile(0, 0, 0, 0)] * (cores - len(tiles))
    return Partitioning((*tiles, *idle), channel_parts, position_parts, max(positions), load)


def order(tile: Tile, layer: Layer, shape: Shape, groups: int) -> Order:
    """The runs of a core over its tile: cell by cell of the max pool, in a cell group by group, for
    a group row by row. Incomplete cells are computed, as their spikes count, but not emitted.

    Parameters
    ----------
    tile : Tile
        The tile, or the part of it that one task computes.
    layer, shape, groups
        As for ``partitionings``.
    """
    there = grid(layer, shape)
    runs: list[tuple[int, int, int]] = []
    emitted: list[int] = []
    for cell in range(tile.first_cell, tile.first_cell + tile.cells):
        top, left = there.corner(cell)
        high, wide = min(there.pool, there.lines - top), min(there.pool, there.columns - left)
        for group in range(tile.first_group, tile.first_group + tile.groups):
            runs += [(top + dy, left + dx, group) for dy in range(high) for dx in range(wide)]
            if high == wide == there.pool:
                emitted.append(len(runs) - 1)
    y, x, group_of = np.array(runs, dtype=np.int64).reshape(-1, 3).T
    last = np.array(emitted, dtype=np.int64)
    # The map that is written has no incomplete cells.
    pooled = y[last] // there.pool * (there.columns // there.pool) + x[last] // there.pool
    return Order(
        y=y, x=x, group=group_of,
        rows=(y * there.columns + x) * groups + group_of,
        emitted=last,
        emitted_rows=pooled * groups + group_of[last],
    )
