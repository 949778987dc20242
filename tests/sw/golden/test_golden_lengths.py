"""Samples of different lengths on the golden model: each as if it were alone."""

import numpy as np
import pytest
import stablespike as ss
from random_networks import random_maps, random_network, random_samples, with_frames
from stablespike.golden.counters import consistency, count
from stablespike.golden.golden import Golden
from stablespike.mapping.partitions import Tile

BATCH, STEPS = 7, 9


def drawn(seed):
    """A random network, samples for it, and their lengths."""
    rng = np.random.default_rng([21, seed])
    network = random_maps(rng) if seed % 3 == 1 else random_network(rng)
    if seed % 3 == 2:
        network = with_frames(rng, network, 6)
    samples = random_samples(rng, network, BATCH, STEPS)
    return network, samples, rng.integers(1, STEPS + 1, BATCH)


@pytest.mark.parametrize("seed", range(12))
def test_each_sample_is_as_if_alone(seed):
    network, samples, lengths = drawn(seed)
    pixels = network.input.kind == "pixels"
    golden = Golden(network, window=4)
    golden.steps_at_once = 2 + seed % 3
    before = golden.run(samples, STEPS).state if seed % 2 else None
    result = golden.run(samples, STEPS, trace=True, state=before, lengths=lengths)
    for i, n in enumerate(lengths.tolist()):
        one = samples[i : i + 1] if pixels else samples[i : i + 1, :n]
        state = None if before is None else [
            type(each)(each.v[i : i + 1], each.r[i : i + 1], None if each.q is None
                       else each.q[i : i + 1])
            for each in before
        ]
        alone = golden.run(one, n, trace=True, state=state)
        for ours, its in zip(result.state, alone.state, strict=True):
            for name in ("v", "r", "q"):
                if getattr(its, name) is not None:
                    assert (getattr(ours, name)[i] == getattr(its, name)[0]).all(), name
        for name in ("prediction", "spike_counts", "stable_counts"):
            assert (getattr(result, name)[i] == getattr(alone, name)[0]).all(), name
        for name in ("readout", "readout_skeleton"):
            ours, its = getattr(result, name), getattr(alone, name)
            if its is not None and network.readout == "words":
                assert not ours[i, :, its.shape[2] :].any()
                ours = ours[:, :, : its.shape[2]]
            assert its is None or (ours[i] == its[0]).all(), name
        for ours, its in zip(
            result.spikes + result.skeleton, alone.spikes + alone.skeleton, strict=True
        ):
            assert (ours[i, :n] == its[0]).all()
            assert not ours[i, n:].any()


def test_own_spikes_behind_the_end_are_no_events():
    """Neurons that fire in every step: each has the spikes of the steps before as events."""
    neuron, back = ss.Neuron(threshold=1), np.zeros((3, 3))
    layer = ss.Dense(np.zeros((3, 1)), [9] * 3, recurrent=back, neuron=neuron)
    network = ss.Network(ss.SpikeInput((1,)), [layer])
    lengths, samples = np.array([3, 6, 1]), np.zeros((3, 6, 1), bool)
    result = Golden(network).run(samples, trace=True, lengths=lengths)
    assert (result.spike_counts[:, 0] == 3 * lengths).all()
    counted = count(
        network, samples, result.spikes, result.skeleton, 4, [[Tile(0, 1, 0, 1)]], lengths=lengths
    )
    assert counted["events"][:, 0].tolist() == [6, 15, 0]


def test_lengths_that_are_none():
    network, samples, _ = drawn(0)
    golden = Golden(network)
    with pytest.raises(ValueError, match=r"lengths must be \(7,\), one per sample, not \(3,\)"):
        golden.run(samples, STEPS, lengths=[1, 2, 3])
    with pytest.raises(ValueError, match="lengths must be whole numbers from 1 to 9, not 10"):
        golden.run(samples, STEPS, lengths=[10] * BATCH)


def test_the_consistency_of_each_length():
    fired, stayed = np.array([[4, 2], [4, 0], [1, 0]]), np.array([[3, 1], [2, 0], [0, 0]])
    lengths, carried = np.array([4, 5, 1])[:, None], np.array([False, True, False])[:, None]
    found = consistency(fired, stayed, lengths, carried)
    for row, (n, c) in enumerate(zip(lengths[:, 0].tolist(), carried[:, 0].tolist(), strict=True)):
        np.testing.assert_array_equal(found[row], consistency(fired[row], stayed[row], n, c))
    assert np.isnan(found[2]).all()
