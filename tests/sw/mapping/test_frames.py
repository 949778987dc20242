"""Frames as lines of spikes: the lines carry the same sums."""

import numpy as np
import pytest
import stablespike as ss
from hypothesis import given
from hypothesis import strategies as st
from stablespike.mapping.frames import FRAMES, bit_lines, computed_network, frame_planes, frame_ways

NEURON = ss.Neuron(threshold=5)


def network_of(weight, bits, weight_bits=4, zero=0):
    weight = np.asarray(weight)
    layer = ss.Dense(weight, neuron=NEURON)
    return ss.Network(ss.FrameInput((weight.shape[1],), bits, zero), [layer], "counts", weight_bits)


@given(
    seed=st.integers(0, 2**32 - 1), bits=st.integers(1, 8), weight_bits=st.sampled_from([4, 8]),
    high=st.integers(1, 8), zero=st.booleans(), maps=st.booleans(),
)
def test_lines_carry_the_sums(seed, bits, weight_bits, high, zero, maps):
    rng = np.random.default_rng(seed)
    shape, kernel = ((2, 3, 3), (2, 3, 3)) if maps else ((5,), (5,))
    weight = rng.integers(-high, high, (3, *kernel))
    layer = (ss.Conv2d if maps else ss.Dense)(weight, neuron=NEURON)
    offset = int(rng.integers(0, 1 << bits)) if zero else 0
    source = ss.FrameInput(shape, bits, offset)
    network = ss.Network(source, [layer], "counts", weight_bits, fraction_bits=0)
    values = rng.integers(0, 1 << bits, (2, 3, *shape)).astype(np.uint16)
    wanted = ((values - float(offset)).reshape(6, -1) @ weight.reshape(3, -1).T).astype(int)
    for way in frame_ways(network)[1:]:
        computed, planes = computed_network(network, way), frame_planes(network, way)
        first, lines = computed.layers[0], bit_lines(values, planes)
        assert computed.input == ss.SpikeInput(lines.shape[2:])
        sums = lines.reshape(6, -1) @ first.weight.reshape(3, -1).T + first.bias
        assert (sums == wanted).all()
        assert way != "narrow" or computed.layer_weight_bits(0) == weight_bits


@pytest.mark.parametrize(
    ("weights", "bits", "weight_bits", "lines", "narrow"),
    [
        ([[7, -8]], 1, 4, (0,), None),  # the same either way
        ([[7, -8]], 4, 4, (0, 1, 2, 3), (0, 1, 1, *[2] * 4, *[3] * 8)),
        ([[1, -2]], 3, 4, (0, 1, 2), None),
        ([[1, -2]], 4, 4, (0, 1, 2, 3), (0, 1, 2, 3, 3)),
        ([[127, 0]], 2, 8, (0, 1, 1), None),
        ([[7, -8]], 6, 4, (0, 1, 2, 3, 4, 5, 5), (0, *[1] * 2, *[2] * 4, *[3] * 8, *[4] * 16,
                                                  *[5] * 32)),
    ],
)
def test_as_few_lines_as_the_weights_allow(weights, bits, weight_bits, lines, narrow):
    network = network_of(weights, bits, weight_bits)
    ways = frame_ways(network)
    assert ways == (FRAMES if narrow else FRAMES[:2])
    assert frame_planes(network, "lines") == lines
    assert frame_planes(network, "steps") == ()
    if narrow:
        assert frame_planes(network, "narrow") == narrow


def test_too_many_lines_are_no_way():
    assert frame_ways(network_of([[127]], 9, 8)) == ("steps",)


def test_other_inputs_have_one_way():
    layer = ss.Dense([[1, 2]], neuron=NEURON)
    for source in (ss.SpikeInput((2,)), ss.PixelInput((2,))):
        network = ss.Network(source, [layer])
        assert frame_ways(network) == ("steps",)
        assert computed_network(network, "steps") is network
