import numpy as np
import pytest
import stablespike as ss
from hypothesis import given
from hypothesis import strategies as st
from random_networks import random_maps, random_network, random_samples
from stablespike.golden.counters import COUNTER_DTYPE, consistency, count, source_words, totals
from stablespike.golden.golden import Golden
from stablespike.mapping.partitions import Tile, grid
from stablespike.spec import reference


def by_hand(network, sample, steps, window, shares):
    """The counters of one sample, from the reference's words."""
    result = reference.run(network, sample, steps, window)
    rows, pixels = [], network.input.kind == "pixels"
    flat = np.asarray(sample).astype(int).reshape(1 if pixels else steps, -1)
    window = network.window(window)
    starts = range(0, steps, window)
    if pixels:
        source = [flat[0].tolist() for _ in starts]
    else:
        source = [
            [sum(int(b) << t for t, b in enumerate(bits)) for bits in flat[s : s + window].T]
            for s in starts
        ]
    for i, layer in enumerate(network.layers):
        scanned = [met(layer, network.input_shapes[i], words) for words in source]
        if layer.recurrent is not None:  # every window is a step
            own = [[0] * layer.outputs, *result.words[i][:-1]]
            scanned = [[words + mine] for (words,), mine in zip(scanned, own, strict=True)]
        # By window, by position.
        events = [[sum(word != 0 for word in words) for words in fields] for fields in scanned]
        bits = sum(word.bit_count() for fields in scanned for words in fields for word in words)
        there = grid(layer, network.input_shapes[i])
        issued = [
            [s.groups * int(there.computed(s).reshape(-1) @ met_there) for s in shares[i]]
            for met_there in events
        ]
        rows.append(
            (
                int(np.sum(result.spikes[i])),
                int(np.sum(result.skeleton[i])),
                sum(map(sum, events)),
                sum(map(sum, issued)),
                bits * len(layer.bias),
                sum(map(max, issued)),
            )
        )
        source = result.skeleton_words[i] if layer.emit == "skeleton" else result.words[i]
        if layer.pool_after is not None:
            shape, size = network.neuron_shapes[i], layer.pool_after.size
            source = [reference.or_pool(words, shape, size) for words in source]
    return rows


def met(layer, shape, words):
    """The words of the receptive field of each position."""
    if layer.kind == "dense":
        return [list(words)]
    size = 1 if layer.pool_before is None else layer.pool_before.size
    channels, height, width = shape
    places = [range(height // size * size), range(width // size * size)]
    # Which inputs of the map each pooled place stands for.
    members = {
        (y, x): [
            (y * size + dy) * width + x * size + dx for dy in range(size) for dx in range(size)
        ]
        for y in range(len(places[0]) // size)
        for x in range(len(places[1]) // size)
    }
    pooled = (1, height // size, width // size)
    numbers = [1 + place for place in range(len(members))]
    inputs = list(members.values())
    fields = reference.fields(numbers, pooled, layer.kernel, layer.stride, layer.padding)
    return [
        [
            words[c * height * width + source]
            for place in field
            if place
            for c in range(channels)
            for source in inputs[place - 1]
        ]
        for field in fields
    ]


def any_share(rng, layer, shape):
    """Some groups, in some windows of the pool."""
    windows = grid(layer, shape).cells
    start, stop = (0, 1) if windows == 1 else sorted(rng.integers(0, windows + 1, 2).tolist())
    return Tile(0, int(rng.integers(0, 5)), start, stop - start)


def dense(*groups):
    """Shares of a dense layer of so many groups a core."""
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
    shares = [
        [any_share(rng, layer, shape) for _ in range(cores)]
        for layer, shape in zip(network.layers, network.input_shapes, strict=True)
    ]
    result = Golden(network).run(samples, steps, trace=True)
    counters = count(network, samples, result.spikes, result.skeleton, window, shares)
    assert counters.dtype == COUNTER_DTYPE
    for n, sample in enumerate(samples):
        assert counters[n].tolist() == by_hand(network, sample, steps, window, shares)
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
    for place, fields in ((0, 1), (1, 2), (4, 4)):
        pixels = np.zeros((1, 1, 3, 3), dtype=int)
        pixels.reshape(-1)[place] = 5
        result = Golden(network).run(pixels, 4, trace=True)
        shares = [Tile(0, 2, 0, 4), Tile(2, 1, 0, 4)]
        row = count(network, pixels, result.spikes, result.skeleton, 4, [shares])[0, 0]
        assert (row["events"], row["issued"]) == (fields, 3 * fields)
        assert (row["sops"], row["lower_bound"]) == (2 * fields * 5, 2 * fields)
        # By positions, a core meets the events of its own only.
        shares = [Tile(0, 3, 0, 2), Tile(0, 3, 2, 2)]
        row = count(network, pixels, result.spikes, result.skeleton, 4, [shares])[0, 0]
        assert (row["events"], row["issued"]) == (fields, 3 * fields)
        assert row["lower_bound"] == 3 * (2 if place == 4 else fields)


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
    with pytest.raises(ValueError, match="shares must be of 2 layers, not 1"):
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
