"""Frames as lines of spikes: the lines carry the same sums."""

import numpy as np
import pytest
import stablespike as ss
from hypothesis import given
from hypothesis import strategies as st
from stablespike.mapping.frames import (
    FRAMES,
    bit_lines,
    computed_network,
    frame_planes,
    frame_ways,
    place_values,
)

NEURON = ss.Neuron(threshold=5)


def network_of(weight, bits, weight_bits=4, zero=0):
    weight = np.asarray(weight)
    layer = ss.Dense(weight, neuron=NEURON)
    return ss.Network(ss.FrameInput((weight.shape[1],), bits, zero), [layer], "counts", weight_bits)


@given(
    seed=st.integers(0, 2**32 - 1), bits=st.integers(1, 8), weight_bits=st.sampled_from([4, 8]),
    high=st.integers(1, 8), zero=st.booleans(), maps=st.booleans(),
    places=st.sampled_from([1, 2, 4, 8]),
)
def test_lines_carry_the_sums(seed, bits, weight_bits, high, zero, maps, places):
    rng = np.random.default_rng(seed)
    shape, kernel = ((2, 3, 3), (2, 3, 3)) if maps else ((5,), (5,))
    weight = rng.integers(-high, high, (3, *kernel))
    layer = (ss.Conv2d if maps else ss.Dense)(weight, neuron=NEURON)
    offset = int(rng.integers(0, 1 << bits)) if zero else 0
    source = ss.FrameInput(shape, bits, offset)
    network = ss.Network(source, [layer], "counts", weight_bits, fraction_bits=0)
    values = rng.integers(0, 1 << bits, (2, 3, *shape)).astype(np.uint16)
    wanted = ((values - float(offset)).reshape(6, -1) @ weight.reshape(3, -1).T).astype(int)
    ways = frame_ways(network, places)
    assert ("planes" in ways) == (places > 1 and not maps)
    for way in ways[1:]:
        computed, planes = (
            each(network, way, places) for each in (computed_network, frame_planes)
        )
        first, lines = computed.layers[0], bit_lines(values, planes)
        assert computed.input.shape == lines.shape[2:]
        weights = place_values(computed, 0)(first.weight)
        sums = lines.reshape(6, -1) @ weights.reshape(3, -1).T + first.bias
        assert (sums == wanted).all()
        assert way == "lines" or computed.layer_weight_bits(0) == weight_bits
        if way == "planes":  # all lines have the weights of the value
            assert (first.weight.reshape(3, len(planes), -1) == weight.reshape(3, 1, -1)).all()
        else:
            assert (weights == first.weight).all()


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
    assert ways == (FRAMES[:3] if narrow else FRAMES[:2])
    assert frame_planes(network, "lines") == lines
    assert frame_planes(network, "steps") == ()
    if narrow:
        assert frame_planes(network, "narrow") == narrow


@pytest.mark.parametrize(
    ("bits", "places", "planes"),
    [
        (4, 4, (0, 1, 2, 3)),
        (4, 2, (0, 1, 2, 2, 3, 3, 3, 3)),
        (6, 4, (0, 1, 2, 3, 4, 4, *[5] * 4)),
        (8, 8, tuple(range(8))),
    ],
)
def test_a_plane_for_each_bit_up_to_the_highest_place_value(bits, places, planes):
    network = network_of([[7, -8]], bits)
    assert frame_planes(network, "planes", places) == planes
    shifts = computed_network(network, "planes", places).input.shifts
    assert shifts == tuple(min(bit, places - 1) for bit in planes)


def test_as_many_planes_as_a_task_can_have():
    assert "planes" in frame_ways(network_of([[7]], 7, 8), 2)  # 64
    assert "planes" not in frame_ways(network_of([[7]], 8, 8), 2)


def test_too_many_lines_are_no_way():
    assert frame_ways(network_of([[127]], 9, 8)) == ("steps",)


def test_other_inputs_have_one_way():
    layer = ss.Dense([[1, 2]], neuron=NEURON)
    for source in (ss.SpikeInput((2,)), ss.PixelInput((2,))):
        network = ss.Network(source, [layer])
        assert frame_ways(network) == ("steps",)
        assert computed_network(network, "steps") is network
