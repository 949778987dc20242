import numpy as np
import pytest
import stablespike as ss
from counters_by_hand import counters_by_hand
from hypothesis import given
from hypothesis import strategies as st
from random_networks import random_maps, random_network, random_samples
from stablespike.golden.counters import COUNTER_DTYPE, consistency, count, source_words, totals
from stablespike.golden.golden import Golden
from stablespike.mapping.partitions import Tile, grid


def any_tile(rng, layer, shape):
    """Some groups, in some cells of the pool."""
    cells = grid(layer, shape).cells
    start, stop = (0, 1) if cells == 1 else sorted(rng.integers(0, cells + 1, 2).tolist())
    return Tile(0, int(rng.integers(0, 5)), start, stop - start)


def dense(*groups):
    """Tiles of a dense layer of so many groups a core."""
    return [Tile(0, count) for count in groups]


@given(
    seed=st.integers(0, 2**32 - 1),
    steps=st.integers(1, 12),
    window=st.sampled_from([1, 2, 4, 8, 16]),
    cores=st.integers(1, 4),
    maps=st.booleans(),
)
def test_counters_equal_those_by_hand(seed, steps, window, cores, maps):
    rng = np.random.default_rng(seed)
    network = random_maps(rng) if maps else random_network(rng, width=(1, 12))
    samples = random_samples(rng, network, 2, steps)
    tiles = [
        [any_tile(rng, layer, shape) for _ in range(cores)]
        for layer, shape in zip(network.layers, network.input_shapes, strict=True)
    ]
    result = Golden(network).run(samples, steps, trace=True)
    counters = count(network, samples, result.spikes, result.skeleton, window, tiles)
    assert counters.dtype == COUNTER_DTYPE
    for n, sample in enumerate(samples):
        assert counters[n].tolist() == counters_by_hand(network, sample, steps, window, tiles)
    total = totals(counters)
    for name in COUNTER_DTYPE.names:
        assert total[name].tolist() == counters[name].sum(axis=1).tolist()


def test_pixels_are_events_in_every_window():
    layer = ss.Dense(np.ones((5, 3)), neuron=ss.Neuron(threshold=9))
    network = ss.Network(ss.PixelInput((3,), 4), [layer])
    result = Golden(network).run([[0, 5, 15]], 7, trace=True)
    counters = count(network, [[0, 5, 15]], result.spikes, result.skeleton, 4, [dense(2, 1)])
    row = counters[0, 0]
    assert (row["events"], row["issued"], row["lower_bound"]) == (4, 12, 8)
    assert row["sops"] == 2 * (2 + 4) * 5


def test_the_window_lowers_the_events():
    network = ss.Network(ss.SpikeInput((1,)), [ss.Dense([[1]], neuron=ss.Neuron(threshold=99))])
    samples = np.ones((1, 8, 1), dtype=bool)
    result = Golden(network).run(samples, trace=True)
    events = [
        int(count(network, samples, result.spikes, result.skeleton, t, [dense(1)])["events"][0, 0])
        for t in (1, 2, 4, 8, 16)
    ]
    assert events == [8, 4, 2, 1, 1]


def test_words_count_once_for_every_field_they_are_in():
    """A 3 x 3 map under 2 x 2 kernels: a corner is in 1 field, a side in 2, the middle in 4."""
    layer = ss.Conv2d(np.ones((5, 1, 2, 2)), neuron=ss.Neuron(threshold=99))
    network = ss.Network(ss.PixelInput((1, 3, 3), 4), [layer])
    for index, fields in ((0, 1), (1, 2), (4, 4)):
        pixels = np.zeros((1, 1, 3, 3), dtype=int)
        pixels.reshape(-1)[index] = 5
        result = Golden(network).run(pixels, 4, trace=True)
        tiles = [Tile(0, 2, 0, 4), Tile(2, 1, 0, 4)]
        row = count(network, pixels, result.spikes, result.skeleton, 4, [tiles])[0, 0]
        assert (row["events"], row["issued"]) == (fields, 3 * fields)
        assert (row["sops"], row["lower_bound"]) == (2 * fields * 5, 2 * fields)
        # By positions, a core meets the events of its own only.
        tiles = [Tile(0, 3, 0, 2), Tile(0, 3, 2, 2)]
        row = count(network, pixels, result.spikes, result.skeleton, 4, [tiles])[0, 0]
        assert (row["events"], row["issued"]) == (fields, 3 * fields)
        assert row["lower_bound"] == 3 * (2 if index == 4 else fields)


def test_own_spikes_of_the_step_before_are_events():
    layer = ss.Dense(np.zeros((3, 1)), [99] * 3, recurrent=np.zeros((3, 3)),
                     neuron=ss.Neuron(threshold=1))
    network = ss.Network(ss.SpikeInput((1,)), [layer])
    samples = np.zeros((1, 5, 1), dtype=bool)
    result = Golden(network).run(samples, trace=True)
    for before, own in ((None, 4 * 3), ([np.ones((1, 3), dtype=bool)], 5 * 3)):
        row = count(
            network, samples, result.spikes, result.skeleton, 4, [dense(1)], before
        )[0, 0]
        assert (row["events"], row["issued"], row["sops"]) == (own, own, own * 3)


def test_wrong_traces_and_shares():
    network = random_network(np.random.default_rng(0), depth=(2, 2))
    samples = random_samples(np.random.default_rng(0), network, 1, 4)
    result = Golden(network).run(samples, 4, trace=True)
    with pytest.raises(ValueError, match="tiles must be of 2 layers, not 1"):
        count(network, samples, result.spikes, result.skeleton, 4, [dense(1)])
    with pytest.raises(ValueError, match=r"of 2 layers \(run with trace=True\), not 0 and 0"):
        count(network, samples, (), (), 4, [dense(1), dense(1)])
    with pytest.raises(ValueError, match="window must be from 1 to 16, not 17"):
        source_words(network, samples, result.spikes, result.skeleton, 17)


def test_consistency():
    assert consistency([4, 0, 3], [3, 0, 0], 4).tolist() == [1.0, 1.0, 0.0]
    assert consistency(6, 2, 5) == pytest.approx((2 / 4) / (6 / 5))
    assert consistency([6], [2], 5, carried=True) == pytest.approx([2 / 6])
    assert consistency([[5]], [[5]], 5, carried=True).tolist() == [[1.0]]


def test_consistency_of_a_single_step():
    assert np.isnan(consistency([3, 0], [0, 0], 1)).all()
    assert consistency([3, 0], [2, 0], 1, carried=True).tolist() == pytest.approx([2 / 3, 1])
    with pytest.raises(ValueError, match="steps must be from 1 to"):
        consistency([1], [1], 0)


@given(st.integers(0, 2**32 - 1), st.integers(2, 40))
def test_neurons_that_always_fire_are_consistent(seed, steps):
    neurons = int(np.random.default_rng(seed).integers(1, 99))
    assert consistency(neurons * steps, neurons * (steps - 1), steps) == 1
