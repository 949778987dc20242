"""Tiles: every neuron is one core's, in whole pools, and in the order in which it is reported."""

from __future__ import annotations

from collections import Counter

import numpy as np
import stablespike as ss
from hypothesis import given
from hypothesis import strategies as st
from stablespike.mapping.partitions import Tile, grid, order, partitionings

NEURON = ss.Neuron(threshold=1)


def layer_of(channels: int, pool: int | None, stride: int = 1) -> ss.Conv2d:
    after = None if pool is None else ss.MaxPool2d(pool)
    return ss.Conv2d(np.ones((channels, 1, 2, 2)), stride=stride, neuron=NEURON, pool_after=after)


@st.composite
def layers(draw: st.DrawFn) -> tuple[ss.Conv2d, tuple[int, int, int]]:
    height, width = draw(st.integers(2, 12)), draw(st.integers(2, 12))
    room = min(height, width) - 1
    pool = draw(st.none() | st.integers(1, room))
    return layer_of(draw(st.integers(1, 40)), pool), (1, height, width)


@given(layers(), st.integers(1, 8), st.sampled_from([4, 8, 16]))
def test_every_partitioning_covers_a_layer(made, cores, lanes) -> None:
    layer, shape = made
    there = grid(layer, shape)
    lines, columns = there.lines, there.columns
    groups = -(-layer.channels // lanes)
    written = layer.output_shape(shape)
    options = partitionings(layer, shape, cores, groups)
    for partitioning in options:
        assert len(partitioning.tiles) == cores
        computed: Counter[int] = Counter()
        emitted: Counter[int] = Counter()
        for tile in partitioning.tiles:
            runs = order(tile, layer, shape, groups)
            mine = there.computed(tile)
            assert len(runs.rows) == tile.groups * there.positions(tile)
            assert {*zip(*np.nonzero(mine), strict=True)} == {*zip(runs.y, runs.x, strict=True)}
            computed.update(runs.rows.tolist())
            emitted.update(runs.emitted_rows.tolist())
            if len(runs.emitted_rows):
                before = there.complete_before(tile.first_cell) * groups + tile.first_group
                assert runs.emitted_rows[0] == before
        # Even but for one cell, one group.
        for name in ("groups", "cells"):
            dealt = {getattr(tile, name) for tile in partitioning.tiles if tile.groups}
            assert max(dealt) - min(dealt) <= 1
        assert computed == Counter(range(groups * lines * columns))
        assert emitted == Counter(range(groups * written[1] * written[2]))
        assert partitioning.load == max(s.groups * there.positions(s) for s in partitioning.tiles)
        assert partitioning.positions == max(there.positions(s) for s in partitioning.tiles)
    assert options[0].load == min(partitioning.load for partitioning in options)
    ties = [partitioning.groups for partitioning in options if partitioning.load == options[0].load]
    assert options[0].groups == min(ties)


@given(st.integers(1, 300), st.integers(1, 8), st.sampled_from([4, 16]))
def test_a_dense_layer_is_dealt_by_groups(outputs, cores, lanes) -> None:
    layer = ss.Dense(np.ones((outputs, 2)), neuron=NEURON)
    groups = -(-outputs // lanes)
    (partitioning,) = partitionings(layer, (2,), cores, groups)
    counts = [tile.groups for tile in partitioning.tiles]
    assert sum(counts) == groups
    assert max(counts) - min(counts) <= 1
    assert all(tile[2:] == (0, 1) for tile in partitioning.tiles)
    rows = [row for s in partitioning.tiles for row in order(s, layer, (2,), groups).rows.tolist()]
    assert rows == list(range(sum(counts)))


def test_runs_go_pool_by_pool_and_group_by_group() -> None:
    """2 x 3 positions in pools of 2: the last column is computed, but its cell is incomplete."""
    layer = layer_of(8, 2)
    runs = order(Tile(1, 2, 0, 2), layer, (1, 3, 4), 3)
    pool = [(0, 0), (0, 1), (1, 0), (1, 1)]
    edge = [(0, 2), (1, 2)]
    assert list(zip(runs.y, runs.x, runs.group, strict=True)) == [
        *((y, x, g) for g in (1, 2) for y, x in pool), *((y, x, g) for g in (1, 2) for y, x in edge)
    ]
    assert runs.emitted.tolist() == [3, 7]
    assert runs.emitted_rows.tolist() == [1, 2]


def test_a_core_without_groups_computes_nothing() -> None:
    *_, idle = partitionings(layer_of(4, 2), (1, 3, 3), 3, 1)[0].tiles
    assert (idle.groups, idle.cells) == (0, 0)
    assert not len(order(idle, layer_of(4, 2), (1, 4, 4), 1).rows)


def test_tiles_begin_anywhere_in_a_row() -> None:
    """5 x 3 positions in pools of 2, so 3 x 2 cells, over 4 cores."""
    by_positions = partitionings(layer_of(4, 2), (1, 6, 4), 4, 1)[0]
    assert [(s.first_cell, s.cells) for s in by_positions.tiles] == [(0, 1), (1, 2), (3, 1), (4, 2)]
    there = grid(layer_of(4, 2), (1, 6, 4))
    assert [there.positions(tile) for tile in by_positions.tiles] == [4, 6, 2, 3]
    assert (str(by_positions), by_positions.load) == ("1 x 4", 6)
    # Complete cells are the left one of each but the last row.
    assert [there.complete_before(cell) for cell in range(7)] == [0, 1, 1, 2, 2, 2, 2]
