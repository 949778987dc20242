"""Scales and the rounding of layers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stablespike.network.quantize import RealLayer, quantize_layer, with_thresholds
from stablespike.support.errors import DoesNotFit

BITS = {"weight_bits": 4, "fraction_bits": 4}


@given(st.integers(0, 2**32 - 1), st.sampled_from([4, 8]), st.booleans(), st.booleans())
def test_what_is_on_a_grid_is_not_rounded(seed, bits, per_row, fires):
    rng = np.random.default_rng(seed)
    half = 1 << (bits - 1)
    weight = rng.integers(-half, half, (5, 7))
    theta = rng.integers(1, 1000, 5) if fires else None
    bias = rng.integers(-1000, 1000, 5)
    unit = 2.0 ** rng.integers(-8, 3, 5 if per_row and fires else ()) * 3
    rows = np.broadcast_to(unit, 5)
    layer = RealLayer(
        weight * rows[:, None], bias * rows / 16, None if theta is None else theta * rows / 16
    )
    found = quantize_layer(layer, weight_bits=bits, fraction_bits=4)
    assert found.exact
    # Another scale may do as well; every ratio is kept.
    steps = np.broadcast_to(found.scale, 5)
    assert (found.weight * steps[:, None] == weight * rows[:, None]).all()
    assert (found.bias * steps == bias * rows).all()
    if theta is not None:
        assert (found.threshold * steps == theta * rows).all()


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_rounding_is_within_half_a_step_where_nothing_is_clipped(seed, fires):
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(6, 9))
    theta = rng.uniform(0.5, 2, 6) if fires else None
    found = quantize_layer(RealLayer(weight, rng.normal(size=6), theta), **BITS)
    assert not found.exact
    assert found.scale.shape == ((6,) if fires else ())
    assert -8 <= found.weight.min() <= found.weight.max() <= 7
    column = found.scale[:, None] if fires else found.scale
    inside = (weight / column > -8.5) & (weight / column < 7.5)
    assert (np.abs(found.weight - weight / column)[inside] <= 0.5 + 1e-9).all()
    layer = RealLayer(weight, np.zeros(6), theta)
    full = quantize_layer(layer, weight_bits=8, fraction_bits=4)
    error = np.abs(full.weight * (full.scale[:, None] if fires else full.scale) - weight).max()
    assert error < np.abs(weight).max() / 64


def test_calibration_lowers_the_error_of_the_currents():
    rng = np.random.default_rng(0)
    inputs = (rng.random((2000, 60)) < rng.random(60) ** 3).astype(float)
    inputs[:, 1::2] = inputs[:, ::2]  # inputs that go together
    weight, theta = rng.normal(size=(30, 60)), np.ones(30)
    moments = inputs.T @ inputs / len(inputs)
    errors = []
    for given_moments in (None, moments):
        layer = RealLayer(weight, np.zeros(30), theta)
        found = quantize_layer(layer, moments=given_moments, **BITS)
        off = inputs @ (found.weight * found.scale[:, None] - weight).T
        errors.append(float((off**2).mean()))
    assert errors[1] < 0.5 * errors[0]


def test_rows_of_zeros_and_thresholds_below_a_step():
    weight = np.zeros((3, 4))
    weight[0] = 0.3, -0.1, 0.77, 0.5
    layer = RealLayer(weight, np.array([0.1, 0.2, 0.0]), np.array([1e-9, 1.0, 0.7]))
    found = quantize_layer(layer, **BITS)
    assert found.threshold[0] == 1
    assert not found.weight[1:].any()
    assert (found.threshold[1:] >= 16).all()
    empty = quantize_layer(RealLayer(np.zeros((2, 2)), np.zeros(2), None), **BITS)
    assert not empty.weight.any()


def test_what_does_not_fit_a_scale():
    weight, theta = np.array([[1.0, -2.0]]), np.array([5000.0])
    found = quantize_layer(RealLayer(weight * 1.01, np.zeros(1), theta), **BITS)
    assert found.threshold[0] <= 1 << 14  # coarser weights rather than no room for the membrane
    layer = RealLayer(weight, np.zeros(1), theta)
    with pytest.raises(ValueError, match="the scale given makes 2 weights wider than -8 to 7"):
        quantize_layer(layer, scale=np.asarray(0.01), **BITS)
    with pytest.raises(ValueError, match="threshold becomes 80000, beyond 1 to 32767: give a"):
        quantize_layer(layer, scale=np.asarray(1.0), **BITS)
    with pytest.raises(ValueError, match="threshold becomes 160000, beyond"):
        with_thresholds(found, 10000 * found.scale, 4)


@given(st.integers(0, 2**32 - 1), st.integers(1, 15))
def test_an_inputs_zero_does_not_change_what_is_exact(seed, zero):
    rng = np.random.default_rng(seed)
    weight, bias = rng.integers(-8, 8, (5, 7)) / 8, rng.integers(-100, 100, 5) / 128
    plain = RealLayer(weight, bias, np.ones(5))
    found = quantize_layer(replace(plain, zeros=np.full(7, float(zero))), **BITS)
    without = quantize_layer(plain, **BITS)
    assert found.exact
    for name in ("weight", "bias", "threshold", "scale"):
        assert (getattr(found, name) == getattr(without, name)).all()


class Membranes:
    """Membranes of 16 bits, and sums of any size."""

    state_bits = 16

    def excess(self, weight):
        return np.zeros(len(weight))

    def described(self, weight, output):
        raise AssertionError


def test_biases_with_an_inputs_zero_folded_in_fit_the_membranes():
    rng = np.random.default_rng(0)
    # The last weight is on the layer's own spikes, which have no zero.
    layer = RealLayer(
        rng.uniform(0, 0.1, (6, 41)), rng.normal(size=6), np.full(6, 0.5),
        zeros=np.append(np.full(40, 15.0), 0),
    )
    with pytest.raises(ValueError, match="bias, with the input's zero folded into it, becomes -"):
        quantize_layer(layer, **BITS)
    found = quantize_layer(layer, limits=Membranes(), **BITS)
    folded = found.bias - found.weight[:, :40].sum(1) * 15 * 16
    assert np.abs(folded).max() <= 32767
    assert (found.scale > found.free.scale).sum() > 3
    assert not found.exact
    # Thresholds and biases below what a weight step holds: no scale leaves weights.
    lost = replace(layer, zeros=layer.zeros * 4000)
    with pytest.raises(DoesNotFit, match="no weights are left: give fewer fraction_bits"):
        quantize_layer(lost, limits=Membranes(), **BITS)
