"""A chain of affine steps as one matrix, whatever they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..semantics import Floats

__all__ = ["Step", "through"]

_AT_ONCE = 1 << 22  # numbers in memory at a time, 32 MB


@dataclass(frozen=True, eq=False)
class Step:
    """``apply(x) / divisor + offset``, of flat values.

    Attributes
    ----------
    apply : callable
        A linear function of (values, in) float64 that gives (values, out) float64.
    offset : () or (out,) float64
        The offset.
    divisor : int
        The divisor.
    width : int
        Numbers that ``apply`` holds in memory for each of the values.
    """

    apply: Callable[[Floats], Floats]
    offset: Floats
    divisor: int = 1
    width: int = 1


def through(steps: Sequence[Step], inputs: int) -> tuple[Floats, Floats, int]:
    """Return one affine map, ``weight @ x / divisor + bias``, that does what all steps do.

    Parameters
    ----------
    steps : sequence of Step
        The steps in order.
    inputs : int
        Size of the input.

    Returns
    -------
    weight : (out, inputs) float64
    bias : (out,) float64
    divisor : int
    """
    bias, divisor = np.zeros((1, inputs)), 1
    for step in steps:
        bias = step.apply(bias) / step.divisor + step.offset
        divisor *= step.divisor
    # One input after the other is 1. The bias is kept apart, so that no sum is rounded.
    at_once = max(1, _AT_ONCE // max(inputs, *(step.width for step in steps)))
    parts = []
    for at in range(0, inputs, at_once):
        values = np.eye(min(at_once, inputs - at), inputs, at)
        for step in steps:
            values = step.apply(values)
        parts.append(values)
    return np.concatenate(parts).T, bias[0], divisor
