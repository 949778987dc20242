"""Turns real layers into integer layers: the scale of the weights, and rounding.

A layer's integers are its real numbers over a scale: ``weight = round(w / scale)``, and thresholds
and biases are ``round(x * 2**fraction_bits / scale)``. Neurons that fire may each have a scale,
since the threshold of a neuron is divided by the same number as its weights. A layer that is read
by its membranes has one scale, or its outputs could not be compared with each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..spec.array import LIMITS
from ..support.errors import DoesNotFit
from ..support.values import signed_range

__all__ = ["Limits", "Quantized", "RealLayer", "quantize_layer", "with_thresholds"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_STATE_BITS = LIMITS["state_bits"][1]
_LOW, _HIGH = signed_range(_STATE_BITS)
# Scales are tried from this share of the one that just keeps every weight in range up to that one:
# clipping a few large weights may cost less than rounding all of them more coarsely.
_CANDIDATES = 64
_SMALLEST = 0.25
# This share of the mean second moment is added to each one, so that the matrix is invertible even
# if some inputs never fire.
_DAMPING = 0.01
_MANTISSA = 53  # bits of a float64's mantissa
# A scale at which sums are too wide grows by the share that is too much, and by at least this one,
# since rounding may add to the sums again.
_COARSER = 1 + 2.0**-8
_ROOM = "an array with more acc_bits, or weight_bits=4"
_ROOM_FOR_ZERO = "fewer fraction_bits, an input of fewer bits, or " + _ROOM


@dataclass(frozen=True, eq=False)
class RealLayer:
    """The real numbers of a layer.

    Attributes
    ----------
    weight : (out, in) float64
        The weights.
    bias : (out,) float64
        The biases.
    threshold : () or (out,) float64, or None
        The thresholds; None for neurons that never fire.
    v_init : float
        Membrane at the start of a sample.
    zeros : (in,) float64 or None
        The input that stands for 0, for each weight: an array computes with the biases minus the
        sums of the weights times these. None if all are 0.
    """

    weight: Floats
    bias: Floats
    threshold: Floats | None
    v_init: float = 0.0
    zeros: Floats | None = None

    @property
    def thresholds(self) -> Floats | None:
        """(out,) thresholds, or None."""
        if self.threshold is None:
            return None
        return np.broadcast_to(self.threshold, (len(self.weight),))

    def folded_bias(self, scale: Floats, weight: Integers, fraction_bits: int) -> Floats:
        """Return the (out,) biases that an array computes with, of integer weights at a scale."""
        bias: Floats = np.round(self.bias * 2.0**fraction_bits / scale)
        if self.zeros is None:
            return bias
        return bias - weight @ self.zeros * 2.0**fraction_bits


class Limits(Protocol):
    """What an array has room for."""

    state_bits: int
    """Width of the membranes."""

    def excess(self, weight: Integers) -> Floats:
        """Return for each output by how many times its sums exceed the room; 1 or less fits.

        Parameters
        ----------
        weight : (out, in) int64
            The weights.
        """

    def described(self, weight: Integers, output: int) -> str:
        """Return the sums of an output, and the room for them, in words."""


@dataclass(frozen=True, eq=False)
class Quantized:
    """The integers of a layer.

    Attributes
    ----------
    weight : (out, in) int64
        The weights.
    bias : (out,) int64
        The biases.
    threshold : (out,) int64 or None
        The thresholds; None for neurons that never fire.
    v_init : int
        Membrane at the start of a sample.
    scale : () or (out,) float64
        The size of one weight step in the source's units, for the layer or for each neuron.
    exact : bool
        Whether nothing was rounded.
    free : Quantized or None
        The layer without limits, if it is another.
    """

    weight: Integers
    bias: Integers
    threshold: Integers | None
    v_init: int
    scale: Floats
    exact: bool
    free: Quantized | None = None


def quantize_layer(
    layer: RealLayer,
    *,
    weight_bits: int,
    fraction_bits: int,
    scale: Floats | None = None,
    moments: Floats | None = None,
    limits: Limits | None = None,
) -> Quantized:
    """Round a layer to integers.

    Parameters
    ----------
    layer : RealLayer
        The real numbers.
    weight_bits : int
        Width of a weight.
    fraction_bits : int
        Fraction bits of thresholds, biases and membranes.
    scale : () or (out,) float64, optional
        The scale. By default it is one at which nothing is rounded, if there is one. Otherwise it
        is the one with the smallest error: one for each neuron, or one for the layer if the neurons
        never fire.
    moments : (in, in) float64, optional
        Mean products of the inputs. With them, weights that are rounded later compensate for
        earlier rounding errors. By default each weight is rounded by itself.
    limits : Limits, optional
        What must fit. Scales at which it does not are made coarser.

    Raises
    ------
    DoesNotFit
        If the limits are not kept: at the scale given, or at any scale that leaves some weights.
    ValueError
        If the scale puts weights, thresholds or biases out of range.
    """
    low, high = signed_range(weight_bits)
    given, exact = scale is not None, False
    if scale is None:
        found = _exact_scale(layer, weight_bits, fraction_bits, limits)
        exact = found is not None
        scale = _best_scale(layer, weight_bits, fraction_bits) if found is None else found
    ratio = _over(layer.weight, scale)
    if given:
        _check_given(np.round(ratio), low, high)
    round_all = _rounding(None if exact else moments, low, high)
    integers = np.clip(np.round(ratio), low, high) if exact else round_all(ratio)
    result = _with_state(layer, integers, scale, fraction_bits)
    exact = exact or (result.exact and bool((ratio == integers).all()))
    result = replace(result, exact=exact)
    if limits is None:
        folded = layer.folded_bias(scale, result.weight, fraction_bits)
        _ranged("bias, with the input's zero folded into it,", folded, _LOW, _HIGH)
        return result
    if _fits(layer, result, fraction_bits, limits):
        return result
    if given:
        raise DoesNotFit(f"{_too_wide(layer, result, fraction_bits, limits)} at the scale given: "
                         "give a larger one, or none")
    return _fitted(layer, result, weight_bits, fraction_bits, _rounding(moments, low, high), limits)


def _over(weight: Floats, scale: Floats) -> Floats:
    """Return weights in steps of a scale."""
    return weight / (scale[:, None] if scale.ndim else scale)


def _excess(
    layer: RealLayer, scale: Floats, weight: Integers, fraction_bits: int, limits: Limits
) -> Floats:
    """Return (out,) by how many times sums, thresholds and biases exceed the limits."""
    _, high = signed_range(limits.state_bits)
    state = np.asarray(abs(layer.v_init))
    if layer.thresholds is not None:
        state = np.maximum(state, layer.thresholds)
    state = np.round(state * 2.0**fraction_bits / scale)
    state = np.maximum(state, np.abs(layer.folded_bias(scale, weight, fraction_bits)))
    over: Floats = np.maximum(limits.excess(weight), state / high)
    return over


def _fits(layer: RealLayer, quantized: Quantized, fraction_bits: int, limits: Limits) -> bool:
    over = _excess(layer, quantized.scale, quantized.weight, fraction_bits, limits)
    return bool(over.max() <= 1)


def _too_wide(
    layer: RealLayer, quantized: Quantized, fraction_bits: int, limits: Limits
) -> str:
    """Return what does not fit, for the output that exceeds the limits most."""
    weight = quantized.weight
    over = _excess(layer, quantized.scale, weight, fraction_bits, limits)
    output = int(over.argmax())
    if limits.excess(weight)[output] > 1:
        return limits.described(weight, output)
    folded = "" if layer.zeros is None else " (with the input's zero folded into it)"
    return (
        f"threshold, bias{folded} or v_init of output {output} are {over[output]:.3g} times as "
        f"large as membranes of {limits.state_bits} bits"
    )


def _fitted(
    layer: RealLayer,
    free: Quantized,
    weight_bits: int,
    fraction_bits: int,
    round_all: Callable[[Floats], Floats],
    limits: Limits,
) -> Quantized:
    """Return the layer with coarser scales where the limits need them."""
    per_row = layer.thresholds is not None and not layer.v_init
    outputs = len(layer.weight)
    scale, weight = np.broadcast_to(free.scale, (outputs,)).copy(), free.weight.copy()
    while True:
        over = _excess(layer, scale, weight, fraction_bits, limits)
        wide = over > 1
        if not wide.any():
            break
        if not per_row:
            wide, over = np.full(outputs, True), np.full(outputs, over.max())
        floor = scale * np.maximum(over, _COARSER)
        part = replace(
            layer, weight=layer.weight[wide], bias=layer.bias[wide],
            threshold=None if layer.thresholds is None else layer.thresholds[wide],
        )
        # Weights that a threshold in the membrane's range leaves too small are lost, as on any
        # array; but sums can only be too wide if weights are not.
        sums = wide & (limits.excess(weight) > 1)
        if layer.zeros is not None:
            folded = np.abs(layer.folded_bias(scale, weight, fraction_bits))
            sums |= wide & (folded > signed_range(limits.state_bits)[1])
        scale[wide] = _best_scale(
            part, weight_bits, fraction_bits, limits.state_bits, floor[wide]
        )
        weight[wide] = round_all(_over(part.weight, scale[wide])).astype(np.int64)
        if (sums & ~weight.any(1)).any() and (per_row or not weight.any()):
            raise DoesNotFit(
                f"{_too_wide(layer, free, fraction_bits, limits)}; at a scale at which they fit, "
                f"no weights are left: give {_ROOM if layer.zeros is None else _ROOM_FOR_ZERO}"
            )
    if not per_row:
        scale = scale[0]
    result = _with_state(layer, weight.astype(np.float64), scale, fraction_bits)
    exact = result.exact and bool((_over(layer.weight, scale) == weight).all())
    return replace(result, exact=exact, free=free)


def _with_state(
    layer: RealLayer, integers: Floats, scale: Floats, fraction_bits: int
) -> Quantized:
    """Return the layer with these weights, and the rest rounded; ``exact`` refers to the rest."""
    one = 2.0**fraction_bits / scale
    bias, start = layer.bias * one, layer.v_init * np.max(one)
    exact = bool((bias == np.round(bias)).all()) and start == round(start)
    threshold = None
    if layer.thresholds is not None:
        thetas = layer.thresholds * one
        exact = exact and bool((thetas == np.round(thetas)).all())
        threshold = _ranged("threshold", thetas, 1, _HIGH)
    return Quantized(
        weight=integers.astype(np.int64),
        bias=_ranged("bias", bias, _LOW, _HIGH),
        threshold=threshold,
        v_init=int(_ranged("v_init", np.asarray(start), _LOW, _HIGH)),
        scale=scale,
        exact=bool(exact),
    )


def _check_given(integers: Floats, low: int, high: int) -> None:
    bad = (integers < low) | (integers > high)
    if bad.any():
        index = [int(i) for i in np.argwhere(bad)[0]]
        raise ValueError(
            f"the scale given makes {int(bad.sum())} weights wider than {low} to {high}, the first "
            f"{integers[bad][0]:.0f} (at {index}): give a larger one, more weight_bits, or none"
        )


def with_thresholds(
    quantized: Quantized, threshold: Floats, fraction_bits: int, state_bits: int = _STATE_BITS
) -> Quantized:
    """Return the layer with other thresholds.

    Parameters
    ----------
    quantized : Quantized
        The layer.
    threshold : () or (out,) float64
        The thresholds, in the source's units.
    fraction_bits : int
        Fraction bits of a threshold.
    state_bits : int
        Width of the membranes.

    Raises
    ------
    ValueError
        If a threshold is out of range at the layer's scale.
    """
    _, high = signed_range(state_bits)
    scaled = np.broadcast_to(threshold * 2.0**fraction_bits / quantized.scale, len(quantized.bias))
    return replace(quantized, threshold=_ranged("threshold", scaled, 1, high), exact=False)


def _ranged(name: str, values: Floats, low: int, high: int) -> Integers:
    rounded = np.round(values)
    # A threshold must be positive, so one below half a unit becomes one unit.
    if name == "threshold":
        rounded = np.maximum(rounded, 1)
    bad = (rounded < low) | (rounded > high)
    if bad.any():
        raise ValueError(
            f"{name} becomes {rounded[bad].reshape(-1)[0]:.0f}, beyond {low} to {high}: "
            "give a larger scale, or fewer fraction_bits"
        )
    return rounded.astype(np.int64)


def _as_integers(values: Floats) -> tuple[list[int], int] | None:
    """Return the magnitudes of ``values`` as integers times a power of two, and its exponent.

    None if there are more distinct values, or a wider range of sizes, than any grid has.
    """
    nonzero = np.unique(np.abs(values[values != 0]))
    if not nonzero.size:
        return [], 0
    mantissas, exponents = np.frexp(nonzero)
    lowest = int(exponents.min())
    if nonzero.size > _HIGH or int(exponents.max()) - lowest > _MANTISSA:
        return None
    pairs = zip(mantissas, exponents, strict=True)
    return [int(m * 2.0**_MANTISSA) << int(e) - lowest for m, e in pairs], lowest - _MANTISSA


def _grid(weight: Floats, fine: Floats, bits: int, fraction_bits: int) -> float | None:
    """Return a scale at which nothing has to be rounded, or None.

    At it ``weight`` are integers of ``bits`` bits, and ``fine`` (biases, thresholds, ``v_init``)
    are integers times ``2**-fraction_bits`` within the state's range. The search uses exact
    fractions, because a float quotient cannot be tested for being an integer.
    """
    if np.unique(weight).size > 1 << bits:
        return None
    found = _as_integers(weight if weight.any() else fine)
    if found is None:
        return None
    integers, exponent = found
    step = Fraction(math.gcd(*integers) if integers else 1) * Fraction(2) ** exponent
    if not weight.any():
        step *= 1 << fraction_bits
    # Divide the step until the finer grid of the state holds all values of ``fine``.
    divisor = 1
    for value in np.unique(fine):
        quotient = Fraction(float(value)) * (1 << fraction_bits) / step
        divisor = math.lcm(divisor, quotient.denominator)
        if divisor > 1 << bits:
            return None
    scale = float(step / divisor)
    if not 0 < scale < math.inf or Fraction(scale) != step / divisor:
        return None
    low, high = signed_range(bits)
    ratio, fines = weight / scale, fine * 2.0**fraction_bits / scale
    in_range = low <= ratio.min() and ratio.max() <= high
    return scale if in_range and bool((np.abs(fines) <= _HIGH).all()) else None


def _exact_scale(
    layer: RealLayer, bits: int, fraction_bits: int, limits: Limits | None
) -> Floats | None:
    """Return a scale that rounds nothing: one for the layer, else one per neuron, else None.

    With limits, one per neuron is preferred if only that one fits, since it may be coarser.
    """
    thetas = layer.thresholds
    fine = [layer.bias, np.asarray([layer.v_init])] + ([] if thetas is None else [thetas])
    common = _grid(layer.weight, np.concatenate(fine), bits, fraction_bits)
    if common is not None and (limits is None or _grid_fits(layer, common, fraction_bits, limits)):
        return np.asarray(common)
    rows = _exact_rows(layer, bits, fraction_bits)
    return rows if common is None or rows is not None else np.asarray(common)


def _grid_fits(layer: RealLayer, scale: float, fraction_bits: int, limits: Limits) -> bool:
    weight = np.round(layer.weight / scale).astype(np.int64)
    over = _excess(layer, np.asarray(scale), weight, fraction_bits, limits)
    return bool(over.max() <= 1)


def _exact_rows(layer: RealLayer, bits: int, fraction_bits: int) -> Floats | None:
    """Return (out,) scales that round nothing, or None."""
    thetas = layer.thresholds
    # A layer has a single v_init, so it cannot have a scale per neuron.
    if thetas is None or layer.v_init:
        return None
    rows = []
    for row, offset, theta in zip(layer.weight, layer.bias, thetas, strict=True):
        scale = _grid(row, np.array([offset, theta]), bits, fraction_bits)
        if scale is None:
            return None
        rows.append(scale)
    return np.array(rows)


def _best_scale(
    layer: RealLayer,
    bits: int,
    fraction_bits: int,
    state_bits: int = _STATE_BITS,
    floor: Floats | None = None,
) -> Floats:
    """Return the scale, per neuron or one, with the smallest rounding error of the weights.

    ``floor`` are (out,) scales below which none is taken.
    """
    weight, thetas = layer.weight, layer.thresholds
    per_row = thetas is not None and not layer.v_init
    low, high = signed_range(bits)
    one = 2.0**fraction_bits
    # The scale at which the largest weight is just in range, and the smallest scale at which bias
    # and threshold are in range.
    largest = np.maximum(weight.max(1) / high, weight.min(1) / low)
    _, high_state = signed_range(state_bits)
    finest = np.maximum(np.abs(layer.bias), abs(layer.v_init)) * one / high_state
    if thetas is not None:
        # A threshold above half of the membrane's range would leave the membrane no room.
        finest = np.maximum(finest, thetas * one / (1 << (state_bits - 2)))
    if floor is not None:
        finest = np.maximum(finest, floor)
    if not per_row:
        largest, finest = largest.max(keepdims=True), finest.max(keepdims=True)
    # A row of zeros fits any scale, so its threshold becomes one weight step.
    empty = np.abs(layer.bias) if thetas is None else thetas
    empty = empty if per_row else empty.max(keepdims=True)
    largest = np.where(largest > 0, largest, np.where(empty > 0, empty, 1.0))
    rows = weight if per_row else weight.reshape(1, *weight.shape)
    best, error = np.maximum(largest, finest), np.full(largest.shape, math.inf)
    for share in np.linspace(_SMALLEST, 1.0, _CANDIDATES):
        scale = np.maximum(largest * share, finest)
        column = scale.reshape(-1, *[1] * (rows.ndim - 1))
        off = rows - column * np.clip(np.round(rows / column), low, high)
        total = (off**2).reshape(len(scale), -1).sum(1)
        best, error = np.where(total < error, scale, best), np.minimum(total, error)
    return best if per_row else best.reshape(())


def _rounding(moments: Floats | None, low: int, high: int) -> Callable[[Floats], Floats]:
    """Return a function that rounds the weights of outputs, each for itself.

    Without moments, weights are rounded one by one. With them, they are rounded input by input,
    where later ones compensate for earlier ones. It is the least squares rule of Optimal Brain
    Surgeon (Hassibi and Stork, 1993): with the inverse ``H`` of the second moments, rounding the
    weight of input j by ``e`` moves those still to be rounded by ``-e H[j] / H[j, j]``. A Cholesky
    factor of ``H`` holds the rows of the inverses of all the steps, so none has to be inverted
    again.
    """
    if moments is None:
        return lambda ratio: np.clip(np.round(ratio), low, high)
    size = len(moments)
    damped = moments + np.eye(size) * max(_DAMPING * float(np.mean(np.diag(moments))), 1e-12)
    # The most active inputs first, while most weights are left to compensate for them.
    order = np.argsort(-np.diag(damped), kind="stable")
    factor = np.linalg.cholesky(np.linalg.inv(damped[np.ix_(order, order)])).T

    def compensated(ratio: Floats) -> Floats:
        left, result = ratio[:, order].copy(), np.empty_like(ratio)
        for j in range(size):
            value = np.clip(np.round(left[:, j]), low, high)
            result[:, order[j]] = value
            error = (left[:, j] - value) / factor[j, j]
            left[:, j + 1 :] -= error[:, None] * factor[j, j + 1 :]
        return result

    return compensated
