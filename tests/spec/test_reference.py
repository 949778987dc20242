"""The reference by hand-computed cases; golden, written apart from it, is compared elsewhere."""

import math

import numpy as np
import pytest
import stablespike as ss
from hypothesis import given
from hypothesis import strategies as st
from stablespike.spec import reference
from stablespike.spec.reference import (
    clamp,
    conv_shape,
    current,
    fields,
    neuron_step,
    or_pool,
    skeleton,
    sum_pool,
)


@given(st.integers(-(2**20), 2**20), st.integers(2, 16))
def test_clamp(value, bits):
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    assert clamp(value, bits) == (low if value < low else high if value > high else value)


def test_current_is_bias_and_scaled_sum():
    assert current([1, -8, 7], [1, 1, 0], -3, 4) == -3 + 16 * -7
    assert current([1, -8, 7], [0, 15, 2], 5, 0) == 5 - 120 + 14


@pytest.mark.parametrize(
    ("settings", "v", "r", "i", "expected"),
    [
        # leak floors: -3 - (-3 >> 1) = -3 + 2
        ({"leak": (1, None)}, -3, 0, 0, (-1, 0)),
        ({"leak": (1, 2)}, 100, 0, 0, (5, 1)),
        ({"leak": (1, 1)}, 101, 0, 5, (6, 0)),
        ({"leak": (0, None)}, 77, 0, 3, (3, 0)),
        # -35 - (-35 >> 1) + (-35 >> 4) = -35 + 18 - 3
        ({"leak": ss.Leak(1, 4, add=True)}, -35, 0, 0, (-20, 0)),
        ({"leak": ss.Leak(0, 3, add=True)}, 77, 0, 3, (12, 0)),
        ({"leak": ss.Leak(0, 15, add=True)}, -1, 0, 0, (-1, 0)),
        # subtract, at and above the threshold of 20
        ({}, 15, 0, 5, (0, 1)),
        ({"compare": "gt"}, 15, 0, 5, (20, 0)),
        ({"compare": "gt"}, 15, 0, 6, (1, 1)),
        ({"reset": "zero"}, 15, 0, 9, (0, 1)),
        ({"reset": "none"}, 15, 0, 9, (24, 1)),
        ({"reset": "zero", "reset_timing": "next_step"}, 15, 0, 9, (0, 1)),
        ({"reset_timing": "next_step"}, 15, 0, 9, (24, 1)),
        ({"reset_timing": "next_step"}, 24, 1, 9, (13, 0)),
        ({"fires": False}, 15, 0, 900, (915, 0)),
        ({"fires": False, "reset": "zero"}, 15, 0, 900, (915, 0)),
        # saturation: of u, before the comparison
        ({}, 32767, 0, 9, (32747, 1)),
        ({}, -32768, 0, -9, (-32768, 0)),
    ],
)
def test_neuron_step(settings, v, r, i, expected):
    neuron = ss.Neuron(threshold=20, **settings)
    assert neuron_step(neuron, 20, v, r, 0, i, 16) == (*expected, 0)


def test_synaptic_current():
    neuron = ss.Neuron(threshold=100, synapse_leak=(1, None))
    assert neuron_step(neuron, 100, 3, 0, 40, 10, 16) == (33, 0, 30)
    assert neuron_step(neuron, 100, 0, 0, 32767, 32767, 16) == (32767 - 100, 1, 32767)
    integrating = ss.Neuron(threshold=100, synapse_leak=(None, None))
    assert neuron_step(integrating, 100, 0, 0, 7, -9, 16) == (-2, 0, -2)


def test_an_added_term_at_every_membrane():
    """Every shift: both terms round down, and what is left needs no more bits than the membrane."""
    for a in range(16):
        for c in range(a + 1, 16):
            leak = ss.Leak(a, c, add=True)
            plain = ss.Neuron(leak=leak, threshold=1, fires=False)
            synapse = ss.Neuron(leak=(0, None), threshold=1, fires=False, synapse_leak=leak)
            for v in range(-128, 128):
                left = v - math.floor(v / 2**a) + math.floor(v / 2**c)
                assert -128 <= left <= 127
                assert neuron_step(plain, 1, v, 0, 0, 0, 8) == (left, 0, 0)
                assert neuron_step(synapse, 1, 99, 0, v, 0, 8) == (left, 0, left)


def test_skeleton():
    assert skeleton(0b1011, 0) == 0b0010
    assert skeleton(0b1011, 1) == 0b0011
    assert skeleton(0, 1) == 0


def test_pools():
    values = list(range(2 * 3 * 5))
    pooled = np.array(values).reshape(2, 3, 5)[:, :2, :4].reshape(2, 1, 2, 2, 2).sum(axis=(2, 4))
    assert sum_pool(values, (2, 3, 5), 2) == pooled.reshape(-1).tolist()
    assert or_pool([1, 2, 4, 8, 0, 0], (1, 2, 3), 2) == [1 | 2 | 8 | 0]
    assert or_pool(values, (2, 3, 5), 1) == values


def test_fields_by_hand():
    values, shape = [1, 2, 3, 4, 5, 6], (1, 2, 3)
    assert fields(values, shape, (1, 1), (1, 1), (0, 0)) == [[each] for each in values]
    assert fields(values, shape, (2, 2), (1, 1), (0, 0)) == [[1, 2, 4, 5], [2, 3, 5, 6]]
    assert fields(values, shape, (2, 2), (2, 3), (1, 1)) == [
        [0, 0, 0, 1], [0, 0, 3, 0], [0, 4, 0, 0], [6, 0, 0, 0],
    ]
    assert fields(values * 2, (2, 2, 3), (2, 3), (1, 1), (0, 0)) == [values * 2]
    assert conv_shape(shape, (2, 2), (2, 3), (1, 1)) == (2, 2)


def test_a_convolution_by_hand():
    """Two channels of a 2 x 2 kernel, shifted by one: sums, thresholds per channel, OR pooling."""
    layer = ss.Conv2d(
        [[[[1, 0], [0, 0]]], [[[1, 1], [1, 1]]]], [0, -16], padding=1,
        neuron=ss.Neuron(threshold=[16, 32]), pool_after=ss.MaxPool2d(2),
    )
    net = ss.Network(ss.SpikeInput((1, 3, 3)), [layer], "words")
    sample = [[[[1, 1, 0], [0, 0, 0], [0, 0, 1]]], [[[0, 0, 0], [0, 0, 0], [0, 0, 0]]]]
    result = reference.run(net, sample, steps=2, window=4)
    first, second = result.words[0][0][:16], result.words[0][0][16:]
    assert first == [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert second == [0] * 16  # one short of its threshold, and less bias in the second step
    assert result.readout == [[each] for each in or_pool(first, (1, 4, 4), 2) + [0] * 4]


def test_recurrence_by_hand():
    """Each neuron wakes the next one, in a ring, a step later."""
    ring = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    layer = ss.Dense([[1], [0], [0]], recurrent=ring, neuron=ss.Neuron(threshold=16))
    net = ss.Network(ss.SpikeInput((1,)), [layer], "words")
    result = reference.run(net, [[1], [0], [0], [0], [0]], steps=5, window=4)
    assert result.spikes[0] == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert result.words[0] == result.spikes[0]  # windows of one step
    assert result.readout == [[0b1001, 0], [0b0010, 1], [0b0100, 0]]
    kept = reference.run(net, [[1], [0]], 2, 4)
    rest = reference.run(net, [[0]], 1, 4, carry=kept.state)
    assert rest.spikes[0] == [[0, 0, 1]]


def network(**changes):
    settings = {"reset": "subtract", "threshold": 16}
    layers = [ss.Dense([[1, 0], [0, 1]], neuron=ss.Neuron(**settings), emit="both")]
    layers += [ss.Dense([[1, 1]], neuron=ss.Neuron(threshold=16))]
    return ss.Network(ss.SpikeInput((2,)), layers, **changes)


SAMPLE = [[1, 0], [1, 1], [0, 1], [1, 1], [1, 0]]


def test_run_by_hand():
    result = reference.run(network(), SAMPLE, steps=5, window=2)
    assert result.words[0] == [[3, 2], [2, 3], [1, 0]]
    assert result.skeleton_words[0] == [[2, 0], [0, 3], [1, 0]]
    assert result.spikes[0] == SAMPLE
    assert result.skeleton[0] == [[0, 0], [1, 0], [0, 1], [0, 1], [1, 0]]
    # 7 input spikes at a threshold of one each; at most one spike a step
    assert result.readout == [5]
    assert result.readout_skeleton == [4]
    assert result.state[1].v == [2 * 16]
    assert len(result.state) == 3


def test_words_are_read_by_window():
    result = reference.run(network(readout="words"), SAMPLE, steps=5, window=2)
    assert result.readout == [[3, 3, 1]]
    assert result.readout_skeleton == [[2, 3, 1]]


@given(st.integers(1, 8), st.integers(1, 4))
def test_the_window_changes_nothing_but_words(window, first):
    whole = reference.run(network(readout="membrane"), SAMPLE, 5, 16)
    cut = reference.run(network(readout="membrane"), SAMPLE, 5, window)
    assert (whole.spikes, whole.skeleton, whole.readout) == (cut.spikes, cut.skeleton, cut.readout)
    one = reference.run(network(readout="membrane"), SAMPLE[:first], first, window)
    before = [entry.copy() for entry in one.state]
    two = reference.run(network(), SAMPLE[first:], 5 - first, window, carry=one.state)
    assert one.state == before
    assert one.spikes[0] + two.spikes[0] == whole.spikes[0]
    assert one.skeleton[1] + two.skeleton[1] == whole.skeleton[1]
    assert two.state == whole.state


def test_pixels_are_a_constant_current():
    layer = ss.Dense([[1, 0, -1], [2, 2, 2]], [3, 0], neuron=ss.Neuron(threshold=40))
    net = ss.Network(ss.PixelInput((1, 1, 3), bits=4), [layer], "membrane", fraction_bits=0)
    result = reference.run(net, [[[15, 9, 1]]], steps=3, window=2)
    assert result.readout == [3 * 17 - 40, 3 * 50 - 3 * 40]
    assert result.words[0] == [[0, 3], [1, 1]]
