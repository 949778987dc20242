"""Shares: every neuron is one core's, in whole pools, and in the order in which it is reported."""

from __future__ import annotations

from collections import Counter

import numpy as np
import stablespike as ss
from hypothesis import given
from hypothesis import strategies as st
from stablespike.shares import Share, order, positions, splits

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
def test_every_split_covers_a_layer(made, cores, lanes) -> None:
    layer, shape = made
    size = 1 if layer.pool_after is None else layer.pool_after.size
    lines, columns = positions(layer, shape)
    groups = -(-layer.channels // lanes)
    written = layer.output_shape(shape)
    options = splits(layer, shape, cores, lanes)
    for split in options:
        assert len(split.shares) == cores
        computed: Counter[int] = Counter()
        emitted: Counter[int] = Counter()
        for share in split.shares:
            assert share.top % size == 0
            runs = order(share, layer, shape, lanes)
            assert len(runs.rows) == share.groups * share.lines * columns
            computed.update(runs.rows.tolist())
            emitted.update(runs.emitted_rows.tolist())
        assert computed == Counter(range(groups * lines * columns))
        assert emitted == Counter(range(groups * written[1] * written[2]))
        assert split.load == max(s.groups * s.lines for s in split.shares) * columns
    assert options[0].load == min(split.load for split in options)
    ties = [split.groups for split in options if split.load == options[0].load]
    assert options[0].groups == min(ties)


@given(st.integers(1, 300), st.integers(1, 8), st.sampled_from([4, 16]))
def test_a_dense_layer_is_dealt_by_groups(outputs, cores, lanes) -> None:
    layer = ss.Dense(np.ones((outputs, 2)), neuron=NEURON)
    (split,) = splits(layer, (2,), cores, lanes)
    counts = [share.groups for share in split.shares]
    assert sum(counts) == -(-outputs // lanes)
    assert max(counts) - min(counts) <= 1
    assert all(share.rows == slice(0, 1) for share in split.shares)
    rows = [row for s in split.shares for row in order(s, layer, (2,), lanes).rows.tolist()]
    assert rows == list(range(sum(counts)))


def test_runs_go_pool_by_pool_and_group_by_group() -> None:
    """2 x 3 positions in pools of 2: the last column is computed, but in no whole pool."""
    layer = layer_of(8, 2)
    runs = order(Share(1, 2, 0, 2), layer, (1, 3, 4), 4)
    pool = [(0, 0), (0, 1), (1, 0), (1, 1)]
    edge = [(0, 2), (1, 2)]
    assert list(zip(runs.y, runs.x, runs.group, strict=True)) == [
        *((y, x, g) for g in (1, 2) for y, x in pool), *((y, x, g) for g in (1, 2) for y, x in edge)
    ]
    assert runs.emitted.tolist() == [3, 7]
    assert runs.emitted_rows.tolist() == [1, 2]


def test_a_core_without_a_share_computes_nothing() -> None:
    *_, idle = splits(layer_of(4, 2), (1, 4, 4), 3, 4)[0].shares
    assert (idle.groups, idle.lines) == (0, 0)
    assert not len(order(idle, layer_of(4, 2), (1, 4, 4), 4).rows)


def test_the_last_rows_that_a_pool_drops_are_the_last_cores() -> None:
    by_rows = splits(layer_of(4, 2), (1, 8, 3), 2, 4)[0]
    assert [(s.top, s.lines) for s in by_rows.shares] == [(0, 4), (4, 3)]
    assert str(by_rows) == "1 x 2"
