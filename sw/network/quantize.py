"""Real layers to integers: the closest leak, the scale of the weights, rounding, calibration.

A layer's integers are its real numbers over a scale: ``weight = round(w / scale)``, and thresholds
and biases ``round(x * 2**F / scale)``. A layer that fires may have a scale per neuron, since its
threshold is divided by the same; one read by its membrane has one, or its outputs could not be
compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from ..spec.array import LIMITS
from ..spec.task import LEAK_BITS
from ..support.values import signed_range
from .neurons import Leak

__all__ = [
    "Quantized", "closest_leak", "exact_steps", "leak_factor", "quantize_layer", "with_thresholds",
]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_LOW, _HIGH = signed_range(LIMITS["state_bits"][1])
# A threshold above half of what a membrane holds would leave it no room.
_THRESHOLD_HIGH = 1 << (LIMITS["state_bits"][1] - 2)
_CANDIDATES = 64
_SMALLEST = 0.25  # of the scale at which the largest weight is just in range
_DAMPING = 0.01  # of the mean second moment: keeps it invertible where inputs never fire
_MANTISSA = 53


@dataclass(frozen=True, eq=False)
class Quantized:
    """Integers of a layer.

    Attributes
    ----------
    weight, bias : (out, in) and (out,).
    threshold : (out,), or None for neurons that never fire.
    v_init : one for the layer.
    scale : () or (out,), what one weight step is in the source's units.
    exact : whether nothing was rounded.
    """

    weight: Integers
    bias: Integers
    threshold: Integers | None
    v_init: int
    scale: Floats
    exact: bool


def leak_factor(leak: Leak) -> float:
    """Share of the membrane a leak leaves, before rounding: ``1 - 2**-a - 2**-c``."""
    return 1.0 - sum(2.0**-shift for shift in leak if shift is not None)


def closest_leak(decay: float) -> Leak:
    """The shifts whose factor is closest to ``decay``, with one term rather than two.

    Raises
    ------
    ValueError
        If ``decay`` is not from 0 to 1.
    """
    if not 0 <= decay <= 1:
        raise ValueError(f"decay must be from 0 to 1, not {decay}")
    shifts = range(1 << LEAK_BITS)
    choices: list[Leak] = [(None, None), *((a, None) for a in shifts)]
    choices += [(a, c) for a in shifts for c in shifts if 0 < a <= c]
    return min(choices, key=lambda leak: abs(leak_factor(leak) - decay))


def exact_steps(
    leak: Leak, synapse_leak: Leak | None, values: npt.ArrayLike, fraction_bits: int
) -> int | None:
    """Steps of a sample in which no leak can round; None: any number.

    ``values`` are the thresholds, biases and ``v_init``, in the state's units. From step to step
    a membrane gains as many fraction bits as the largest shift.
    """
    shifts = [s for s in (*leak, *(synapse_leak or ())) if s is not None]
    largest = max(shifts, default=0)
    if not largest:
        return None
    free = fraction_bits
    for value in np.unique(np.asarray(values, dtype=np.int64)):
        if value:
            free = min(free, (int(value) & -int(value)).bit_length() - 1)
    return 1 + free // largest


def quantize_layer(
    weight: Floats,
    bias: Floats,
    threshold: Floats | None,
    v_init: float = 0.0,
    *,
    weight_bits: int,
    fraction_bits: int,
    scale: Floats | None = None,
    moments: Floats | None = None,
) -> Quantized:
    """The integers of a layer.

    Parameters
    ----------
    weight, bias, threshold : (out, in), (out,), and () or (out,) or None, real.
    v_init : membrane at the start of a sample.
    scale : () or (out,); None: one at which everything is an integer, if there is one, else per
        neuron (one, where ``threshold`` is None) the one with the smallest error.
    moments : (in, in) mean products of the inputs, with which the weights still to be rounded
        make up for those that are; None: every weight is rounded for itself.

    Raises
    ------
    ValueError
        If no scale puts thresholds and biases in range.
    """
    outputs = weight.shape[0]
    thetas = None if threshold is None else np.broadcast_to(threshold, (outputs,))
    low, high = signed_range(weight_bits)
    exact, given = False, scale is not None
    if scale is None:
        found = _exact_scale(weight, bias, thetas, v_init, weight_bits, fraction_bits)
        exact = found is not None
        per_row = thetas is not None and not v_init
        if found is not None:
            scale = found
        else:
            scale = _best_scale(weight, bias, thetas, weight_bits, fraction_bits, per_row)
    one = 2.0**fraction_bits / scale
    column = scale[:, None] if scale.ndim else scale
    if given:
        _check_given(np.round(weight / column), low, high)
    if moments is None or exact:
        integers = np.clip(np.round(weight / column), low, high)
    else:
        integers = _compensated(weight / column, moments, low, high)
    scaled_bias, start = bias * one, v_init * np.max(one)
    result = Quantized(
        weight=integers.astype(np.int64),
        bias=_ranged("bias", scaled_bias, _LOW, _HIGH),
        threshold=None if thetas is None else _ranged("threshold", thetas * one, 1, _HIGH),
        v_init=int(_ranged("v_init", np.asarray(start), _LOW, _HIGH)),
        scale=scale,
        exact=exact or _is_exact(weight / column, integers, scaled_bias, thetas, one, start),
    )
    return result


def _check_given(integers: Floats, low: int, high: int) -> None:
    bad = (integers < low) | (integers > high)
    if bad.any():
        place = [int(i) for i in np.argwhere(bad)[0]]
        raise ValueError(
            f"the scale given makes {int(bad.sum())} weights wider than {low} to {high}, the first "
            f"{integers[bad][0]:.0f} (at {place}): give a larger one, more weight_bits, or none"
        )


def with_thresholds(quantized: Quantized, threshold: Floats, fraction_bits: int) -> Quantized:
    """The same layer with other real thresholds, () or (out,).

    Raises
    ------
    ValueError
        If one is out of range at the layer's scale.
    """
    scaled = np.broadcast_to(threshold * 2.0**fraction_bits / quantized.scale, len(quantized.bias))
    return replace(quantized, threshold=_ranged("threshold", scaled, 1, _HIGH), exact=False)


def _ranged(name: str, values: Floats, low: int, high: int) -> Integers:
    rounded = np.round(values)
    # A threshold below half a step is one step: less there is not.
    if name == "threshold":
        rounded = np.maximum(rounded, 1)
    bad = (rounded < low) | (rounded > high)
    if bad.any():
        raise ValueError(
            f"{name} becomes {rounded[bad].reshape(-1)[0]:.0f}, beyond {low} to {high}: "
            "give a larger scale, or fewer fraction_bits"
        )
    return rounded.astype(np.int64)


def _is_exact(
    ratio: Floats, integers: Floats, bias: Floats, thetas: Floats | None, one: Floats, start: float
) -> bool:
    same = bool((ratio == integers).all() and (bias == np.round(bias)).all())
    if thetas is not None:
        same = same and bool((thetas * one == np.round(thetas * one)).all())
    return same and start == round(start)


def _whole(values: Floats) -> tuple[list[int], int] | None:
    """Integers and the power of two they are in units of; None for more than any grid has."""
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
    """A scale at which ``weight`` is whole and in range, and ``fine`` whole at the state's."""
    if np.unique(weight).size > 1 << bits:
        return None
    found = _whole(weight if weight.any() else fine)
    if found is None:
        return None
    whole, exponent = found
    step = Fraction(math.gcd(*whole) if whole else 1) * Fraction(2) ** exponent
    if not weight.any():
        step *= 1 << fraction_bits
    parts = 1
    for value in np.unique(fine):
        parts = math.lcm(parts, (Fraction(float(value)) * (1 << fraction_bits) / step).denominator)
        if parts > 1 << bits:
            return None
    scale = float(step / parts)
    if not 0 < scale < math.inf or Fraction(scale) != step / parts:
        return None
    low, high = signed_range(bits)
    ratio, fines = weight / scale, fine * 2.0**fraction_bits / scale
    fits = low <= ratio.min() and ratio.max() <= high
    return scale if fits and bool((np.abs(fines) <= _HIGH).all()) else None


def _exact_scale(
    weight: Floats,
    bias: Floats,
    thetas: Floats | None,
    v_init: float,
    bits: int,
    fraction_bits: int,
) -> Floats | None:
    """A scale that rounds nothing: one for the layer, else one per neuron, else None."""
    fine = [bias, np.asarray([v_init])] + ([] if thetas is None else [thetas])
    common = _grid(weight, np.concatenate(fine), bits, fraction_bits)
    if common is not None:
        return np.asarray(common)
    if thetas is None or v_init:
        return None
    rows = []
    for row, offset, theta in zip(weight, bias, thetas, strict=True):
        scale = _grid(row, np.array([offset, theta]), bits, fraction_bits)
        if scale is None:
            return None
        rows.append(scale)
    return np.array(rows)


def _best_scale(
    weight: Floats,
    bias: Floats,
    thetas: Floats | None,
    bits: int,
    fraction_bits: int,
    per_row: bool,
) -> Floats:
    """The scale, per row or one, with the smallest rounding error of the weights."""
    low, high = signed_range(bits)
    one = 2.0**fraction_bits
    largest = np.maximum(weight.max(1) / high, weight.min(1) / low)
    finest = np.abs(bias) * one / _HIGH
    if thetas is not None:
        finest = np.maximum(finest, thetas * one / _THRESHOLD_HIGH)
    if not per_row:
        largest, finest = largest.max(keepdims=True), finest.max(keepdims=True)
    # Rows of zeros: their threshold is one weight step.
    empty = np.abs(bias) if thetas is None else thetas
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


def _compensated(ratio: Floats, moments: Floats, low: int, high: int) -> Floats:
    """Weights rounded one input after the other, each error made up for by those still to come.

    The least squares rule of Optimal Brain Surgeon (Hassibi and Stork, 1993): with the inverse
    ``H`` of the second moments, rounding input j by ``e`` moves the rest by ``-e H[j] / H[j, j]``.
    The Cholesky factor of ``H`` holds the rows of all the inverses met on the way.
    """
    size = len(moments)
    damped = moments + np.eye(size) * max(_DAMPING * float(np.mean(np.diag(moments))), 1e-12)
    order = np.argsort(-np.diag(damped), kind="stable")
    factor = np.linalg.cholesky(np.linalg.inv(damped[np.ix_(order, order)])).T
    left, result = ratio[:, order].copy(), np.empty_like(ratio)
    for j in range(size):
        value = np.clip(np.round(left[:, j]), low, high)
        result[:, order[j]] = value
        error = (left[:, j] - value) / factor[j, j]
        left[:, j + 1 :] -= error[:, None] * factor[j, j + 1 :]
    return result
