"""Inputs of values: their ranges, and zero points, which become part of the biases."""

import dataclasses

import numpy as np
import pytest
import stablespike as ss
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses

NEURON = ss.Neuron(threshold=5)


@pytest.mark.parametrize("kind", [ss.PixelInput, ss.FrameInput])
@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"shape": 3}, TypeError, "shape ... tuple ... 3"),
        ({"shape": (3, 0)}, ValueError, "shape[1] ... 1 to ... 0"),
        ({"bits": 0}, ValueError, "bits ... 1 to 16 ... 0"),
        ({"bits": 17}, ValueError, "bits ... 1 to 16 ... 17"),
        ({"bits": 4.0}, TypeError, "bits ... 4.0"),
        ({"zero": 16}, ValueError, "zero ... 0 to 15 ... 16"),
        ({"zero": -1}, ValueError, "zero ... 0 to 15 ... -1"),
        ({"zero": 0.5}, TypeError, "zero ... 0.5"),
    ],
)
def test_refuses(kind, settings, error, message):
    with refuses(error, message):
        kind(**{"shape": (3,), "bits": 4, **settings})


def test_defaults():
    source = ss.FrameInput((2, 3))
    assert (source.kind, source.bits, source.zero, source.size) == ("frames", 4, 0, 6)


@given(seed=st.integers(0, 2**32 - 1), convolution=st.booleans(), pool=st.booleans())
def test_zero_is_folded_into_the_biases(seed, convolution, pool):
    rng = np.random.default_rng(seed)
    before = ss.SumPool2d(2) if pool else None
    size = 2 if pool else 5
    if convolution:
        kernel = int(rng.integers(1, size + 1))
        weight = rng.integers(-8, 8, (3, 2, kernel, kernel))
        layer = ss.Conv2d(weight, [1, 2, 3], neuron=NEURON, pool_before=before)
    else:
        weight = rng.integers(-8, 8, (3, 2 * size * size))
        layer = ss.Dense(weight, [1, 2, 3], neuron=NEURON, pool_before=before)
    zero, fraction = int(rng.integers(0, 8)), int(rng.integers(0, 3))
    network = ss.Network(ss.FrameInput((2, 5, 5), 3, zero), [layer], fraction_bits=fraction)
    folded = network.without_zero
    assert folded.input == ss.FrameInput((2, 5, 5), 3)
    # Every value that is added at a position counts once, those of a pooled one together.
    terms = weight.reshape(3, -1).sum(axis=1) * (4 if pool else 1)
    assert (folded.layers[0].bias == [1, 2, 3] - (zero * terms << fraction)).all()
    assert dataclasses.replace(folded.layers[0], bias=[1, 2, 3]) == layer
    assert folded.without_zero is folded


def test_zero_in_front_of_padding_is_refused():
    layer = ss.Conv2d(np.ones((1, 1, 3, 3)), padding=(0, 1), neuron=NEURON)
    for kind in (ss.PixelInput, ss.FrameInput):
        with refuses(ValueError, "input.zero must be 0 ... (0, 1) ... 3 ... pad the samples"):
            ss.Network(kind((1, 4, 4), 2, 3), [layer])
        assert ss.Network(kind((1, 4, 4), 2), [layer]).without_zero.input.zero == 0


def test_zero_that_no_bias_holds_is_refused():
    layer = ss.Dense(np.full((1, 100), 7), neuron=NEURON)
    with refuses(ValueError, "input.zero of 200 ... layers[0] ... bias ... -32768 to 32767"):
        ss.Network(ss.FrameInput((100,), 8, 200), [layer])


def test_recurrent_spikes_have_no_zero():
    weight, back = np.array([[1, 2]]), np.array([[3]])
    layer = ss.Dense(weight, [5], neuron=NEURON, recurrent=back)
    network = ss.Network(ss.FrameInput((2,), 4, 2), [layer], fraction_bits=1)
    assert network.without_zero.layers[0].bias.tolist() == [5 - 2 * 2 * 3]


def test_windows_of_frames_have_one_step():
    network = ss.Network(ss.FrameInput((2,)), [ss.Dense(np.ones((1, 2)), neuron=NEURON)])
    assert network.window(8) == 1
