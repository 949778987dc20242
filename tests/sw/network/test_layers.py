"""Convolutions, pools and recurrent layers: what they take, and the geometry of all the rest."""

import dataclasses
from itertools import product

import numpy as np
import pytest
import stablespike as ss
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from random_networks import random_maps
from refusals import refuses
from stablespike.network.geometry import Axis

NEURON = ss.Neuron(threshold=5)
KERNELS = np.ones((2, 3, 3, 3))


def conv(weight=KERNELS, **settings):
    return ss.Conv2d(weight, **{"neuron": NEURON, **settings})


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"weight": np.ones((2, 3))}, ValueError, "weight ... (out, in, kh, kw) ... (2, 3)"),
        ({"weight": np.ones((2, 0, 3, 3))}, ValueError, "at least one output and input, not (2, 0"),
        ({"weight": np.ones((2, 3, 8, 3))}, ValueError,
         "weight must have kernels of 1 to 7 by 1 to 7, not of 8 by 3"),
        ({"weight": np.full((1, 1, 1, 1), 0.5)}, ValueError, "from -128 to 127, not 0.5"),
        ({"weight": np.full((1, 1, 1, 1), 9), "weight_bits": 4}, ValueError,
         "weight ... -8 to 7 (4-bit weights) ... 9 (at [0, 0, 0, 0])"),
        ({"weight_bits": 3}, ValueError, "weight_bits ... 4 or 8 ... 3"),
        ({"bias": [1, 2, 3]}, ValueError, "bias ... (2,), one per output channel ... (3,)"),
        ({"bias": [1, 1 << 15]}, ValueError, "bias ... -32768 to 32767"),
        ({"neuron": 5}, TypeError, "neuron ... Neuron ... 5"),
        ({"neuron": ss.Neuron(threshold=[1, 2, 3])}, ValueError,
         "threshold ... one integer or (2,) integers, one per output channel ... (3,)"),
        ({"stride": 0}, ValueError, "stride ... 1 to"),
        ({"stride": 1.0}, TypeError, "stride ... 1 to"),
        ({"stride": (1, 0)}, ValueError, "stride[1] ... 1 to"),
        ({"stride": (1, 1, 1)}, ValueError,
         "stride ... one integer or a pair (vertical, horizontal) ... (1, 1, 1)"),
        ({"padding": 3}, ValueError, "padding ... 0 to 2 ... 3"),
        ({"padding": -1}, ValueError, "padding ... 0 to 2 ... -1"),
        ({"padding": "same"}, TypeError, "padding ... 0 to 2 ... 'same'"),
        ({"weight": np.ones((2, 3, 1, 5)), "padding": (1, 2)}, ValueError,
         "padding[0] ... 0 to 0 ... 1"),
        ({"pool_before": 2}, TypeError, "pool_before ... SumPool2d or None ... 2"),
        ({"pool_before": ss.MaxPool2d(2)}, TypeError, "pool_before ... SumPool2d or None"),
        ({"pool_after": ss.SumPool2d(2)}, TypeError, "pool_after ... MaxPool2d or None, not"),
        ({"emit": "words"}, ValueError, "emit ... 'spikes', 'skeleton', 'both'"),
    ],
)
def test_conv_refuses(settings, error, message):
    with refuses(error, message):
        conv(**settings)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"recurrent": np.ones((2, 3))}, ValueError,
         "recurrent ... (2, 2), weights from every neuron of the layer to every one ... (2, "),
        ({"recurrent": 1}, ValueError, "recurrent ... (2, 2)"),
        ({"recurrent": [[0, 128], [0, 0]]}, ValueError, "recurrent ... -"),
        ({"recurrent": [["a", "b"], ["c", "d"]]}, TypeError, "recurrent ... array"),
        ({"recurrent": [[0, 8], [0, 0]], "weight_bits": 4}, ValueError,
         "recurrent ... -8 to 7 (4-bit weights) ... 8 (at [0, 1]); quantize to 4"),
        ({"recurrent": np.eye(2), "neuron": ss.Neuron(fires=False)}, ValueError,
         "recurrent ... None for neurons that never fire (fires=False)"),
    ],
)
def test_recurrence_refuses(settings, error, message):
    with refuses(error, message):
        ss.Dense(np.ones((2, 3)), **{"neuron": NEURON, **settings})


@pytest.mark.parametrize(
    ("shape", "layer", "message"),
    [
        ((3, 9), conv(), "layers[0]: Conv2d needs a (channels, height, width) map, not (3, 9)"),
        ((2, 9, 9), conv(),
         "layers[0]: weight ... (out, 2, kh, kw) for an input of (2, 9, 9) ... (2, 3, 3, 3)"),
        ((2, 9, 9), conv(pool_before=ss.SumPool2d(2)), "(2, 9, 9) (after SumPool2d(size=2)), not"),
        ((3, 9, 2), conv(),
         "need a map of at least their size: an input of (3, 9, 2) is 9 by 2 with its padding"),
        ((3, 4, 4), conv(pool_before=ss.SumPool2d(5)),
         "layers[0]: SumPool2d(5) needs a map of at least its size, not (3, 4, 4)"),
        ((3, 4, 4), conv(pool_after=ss.MaxPool2d(3)),
         "layers[0]: MaxPool2d(3) needs a map of at least its size, not (2, 2, 2)"),
        ((3, 4, 4), conv(np.full((1, 3, 2, 2), 8)),
         "layers[0].weight ... -8 to 7 (4-bit weights) ... 8 (at [0, 0, 0, 0])"),
        ((3, 4, 4), ss.Dense(np.ones((1, 48)), neuron=NEURON, recurrent=[[-9]]),
         "layers[0].recurrent ... -8 to 7 (4-bit weights) ... -9 (at [0, 0])"),
        ((3, 4, 4), conv(emit="both"), "layers[0].emit ... 'spikes' or 'skeleton'"),
    ],
)
def test_networks_refuse_what_does_not_fit(shape, layer, message):
    with refuses(ValueError, message):
        ss.Network(ss.SpikeInput(shape), [layer])


def test_pools_refuse():
    with refuses(ValueError, "size ... 1 to"):
        ss.MaxPool2d(0)
    with refuses(TypeError, "size ... 1 to"):
        ss.MaxPool2d(2.0)
    with refuses(ValueError, "MaxPool2d needs a (channels, height, width) map, not (4, 4)"):
        ss.MaxPool2d(2).output_shape((4, 4))


def test_shapes_and_names():
    net = ss.Network(
        ss.PixelInput((1, 28, 28), 8),
        [
            conv(np.ones((8, 1, 5, 5)), padding=2, pool_after=ss.MaxPool2d(2)),
            conv(np.ones((4, 8, 3, 3)), stride=2, padding=1, pool_before=ss.SumPool2d(2)),
            ss.Dense(np.ones((10, 64)), neuron=NEURON, recurrent=np.eye(10)),
        ],
    )
    assert net.neuron_shapes == ((8, 28, 28), (4, 4, 4), (10,))
    assert net.input_shapes == ((1, 28, 28), (8, 14, 14), (4, 4, 4))
    assert net.layer_name(0) == "layers[0] (Conv2d 1 -> 8, 5 x 5)"
    assert net.layer_name(2) == "layers[2] (recurrent Dense 64 -> 10)"
    assert (net.recurrent, net.window(8), net.outputs) == (True, 1, 10)
    with refuses(TypeError, "layers[0] (Conv2d 1 -> 8, 5 x 5) ... Dense to be one matrix"):
        net.folded_weight(0)
    alone = ss.Network(net.input, [dataclasses.replace(net.layers[0], padding=0)])
    assert (alone.recurrent, alone.window(8), alone.outputs) == (False, 8, 8 * 12 * 12)
    assert dataclasses.replace(alone, readout="membrane").outputs == 8 * 24 * 24


def test_defaults_and_equality():
    layer = conv()
    assert (layer.stride, layer.padding, layer.kernel) == ((1, 1), (0, 0), (3, 3))
    assert layer.bias.tolist() == [0, 0]
    assert layer.threshold.tolist() == [5, 5]
    assert (layer.pool_before, layer.pool_after, layer.recurrent) == (None, None, None)
    assert layer == conv(stride=(1, 1), padding=[0, 0])
    assert layer != conv(padding=1)
    assert layer != conv(pool_after=ss.MaxPool2d(1))
    assert ss.MaxPool2d(2) != ss.SumPool2d(2)
    assert dataclasses.replace(layer, stride=2).stride == (2, 2)
    plain = ss.Dense(np.eye(2), neuron=NEURON)
    assert plain != dataclasses.replace(plain, recurrent=np.eye(2))
    with pytest.raises(ValueError, match="read-only"):
        layer.weight[...] = 0


@given(
    st.integers(1, 3), st.integers(1, 8), st.integers(1, 8), st.integers(1, 3), st.integers(0, 99)
)
def test_max_pooling_is_the_or_of_words(channels, height, width, size, seed):
    assume(min(height, width) >= size)
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 1 << 16, (2, 3, channels * height * width)).astype(np.uint16)
    pooled = ss.MaxPool2d(size).words(words, (channels, height, width))
    steps = np.arange(16, dtype=np.uint16)[:, None, None, None]
    bits = (words >> steps & 1).reshape(-1, channels, height, width)
    expected = torch.nn.functional.max_pool2d(torch.tensor(bits, dtype=torch.float64), size)
    assert ((pooled >> steps & 1) == expected.reshape(16, 2, 3, -1).numpy()).all()


def test_an_axis_has_the_positions_of_torch():
    for size, kernel, stride, pool in product(range(1, 10), range(1, 8), range(1, 4), (1, 2, 3)):
        for padding in range(kernel):
            axis = Axis(size, kernel, stride, padding, pool)
            if not axis.pooled_size or axis.pooled_size + 2 * padding < kernel:
                continue
            fields = np.zeros((axis.positions, size), dtype=int)
            first, stop = axis.inside()
            for position in range(axis.positions):
                start = position * stride - padding
                for row in range(kernel):
                    inside = 0 <= start + row < axis.pooled_size
                    assert inside == (first[position] <= row < stop[position])
                    if inside:
                        fields[position, (start + row) * pool : (start + row + 1) * pool] += 1
                assert fields[position].any()  # never in the padding alone
            assert fields.max() == 1
            assert (axis.receptive_fields() == fields).all()
            counted = torch.nn.functional.conv1d(
                torch.ones(1, 1, axis.pooled_size), torch.ones(1, 1, kernel), None, stride, padding
            )
            assert (counted.reshape(-1).numpy() == fields.sum(axis=1) / pool).all()


@given(seed=st.integers(0, 2**32 - 1))
def test_sum_bounds_are_the_extreme_sums_of_every_neuron(seed):
    network = random_maps(np.random.default_rng(seed))
    for layer, shape in zip(network.layers, network.input_shapes, strict=True):
        square = 1 if layer.pool_before is None else layer.pool_before.size**2
        pooled = shape if layer.pool_before is None else layer.pool_before.output_shape(shape)
        ones = torch.full((1, *pooled), float(square), dtype=torch.float64)
        for sign, sums in zip((np.minimum, np.maximum), layer.sum_bounds(shape), strict=True):
            weight = torch.tensor(sign(layer.weight, 0), dtype=torch.float64)
            if layer.kind == "conv2d":
                expected = torch.nn.functional.conv2d(
                    ones, weight, None, layer.stride, layer.padding
                )
            else:
                expected = weight @ ones.reshape(-1)
            expected = expected.reshape(-1).numpy()
            if layer.recurrent is not None:
                expected = expected + sign(layer.recurrent, 0).sum(axis=1)
            assert (sums == expected).all()
            assert sums.shape == (np.prod(layer.neuron_shape(shape)),)
