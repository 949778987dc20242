"""Groups: neurons of equal leak are together, each in one place."""

from __future__ import annotations

import numpy as np
import stablespike as ss
from hypothesis import given
from hypothesis import strategies as st
from stablespike.mapping.groups import layer_groups
from stablespike.mapping.maps import written_map
from stablespike.mapping.partitions import partitionings

LEAKS = [(1, None), (2, None), (1, 3), (None, None)]


def layer_of(kinds: list[int]) -> ss.Dense:
    neuron = ss.Neuron(threshold=1, leak=[LEAKS[kind] for kind in kinds])
    return ss.Dense(np.ones((len(kinds), 2)), neuron=neuron)


kinds_of = st.lists(st.integers(0, 3), min_size=1, max_size=60)
sizes = st.sampled_from([2, 4, 8])


@given(kinds_of, sizes)
def test_every_neuron_has_one_place_among_its_kind(kinds, size) -> None:
    groups = layer_groups(layer_of(kinds), size)
    assert sorted(groups.slots[groups.slots >= 0].tolist()) == list(range(len(kinds)))
    assert groups.slots[groups.places].tolist() == list(range(len(kinds)))
    for group in range(groups.count):
        outputs = groups.outputs(group).tolist()
        assert len({kinds[n] for n in outputs}) == 1
        assert 0 < len(outputs) <= size
        # Lanes without a neuron are behind the others, as in a layer of one leak.
        assert groups.slots[group * size :][: len(outputs)].tolist() == outputs
    counts = [kinds.count(kind) for kind in set(kinds)]
    assert groups.count == sum(-(-count // size) for count in counts)
    assert groups.extra == groups.count - -(-len(kinds) // size)
    assert groups.extra < len(counts)
    values = np.arange(1, len(kinds) + 1)
    assert groups.laid_out(values)[groups.places].tolist() == values.tolist()
    assert groups.laid_out(values).sum() == values.sum()


@given(kinds_of, sizes, st.integers(1, 6))
def test_tasks_have_one_leak_each_and_cover_the_layer(kinds, size, cores) -> None:
    layer = layer_of(kinds)
    groups = layer_groups(layer, size)
    [partitioning] = partitionings(layer, (2,), cores, groups.count)
    computed: list[int] = []
    tasks = 0
    for tile in partitioning.tiles:
        parts = groups.parts(tile)
        assert sum(part.groups for part, _ in parts) == tile.groups
        tasks += len(parts) if tile.groups else 0
        for part, neuron in parts:
            outputs = groups.outputs(part.first_group, part.groups).tolist()
            assert all(LEAKS[kinds[n]] == neuron.leak for n in outputs)
            computed += outputs
    assert sorted(computed) == list(range(len(kinds)))
    assert tasks <= min(cores, groups.count) + len(groups.kinds) - 1


@given(kinds_of, sizes, st.integers(1, 3), st.sampled_from([1, 2]))
def test_maps_are_read_in_the_order_of_the_network(kinds, size, height, each) -> None:
    groups = layer_groups(layer_of(kinds), size)
    layout = written_map((len(kinds), height, 2), size * each, each, groups)
    values = np.arange(1, len(kinds) * height * 2 + 1)
    spread = layout.spread(values)
    assert (layout.gathered(spread) == values).all()
    assert layout.rows(size * each) == groups.count * height * 2
    rows = spread.reshape(height * 2, groups.count, size, each)
    assert not rows[..., : each - 1].any()
    for group in range(groups.count):
        outputs = groups.outputs(group)
        found = rows[:, group, : len(outputs), each - 1]
        assert (found == values.reshape(len(kinds), -1)[outputs].T).all()
        assert not rows[:, group, len(outputs) :].any()


def test_one_leak_is_laid_out_as_before() -> None:
    groups = layer_groups(layer_of([2] * 11), 4)
    assert (groups.count, groups.extra, groups.bounds) == (3, 0, (0, 3))
    assert written_map((11,), 4, 1, groups) == written_map((11,), 4)
