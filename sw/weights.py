"""Widths of weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .values import signed_range

__all__ = ["WEIGHT_BITS", "check_weights", "checked_weight_bits"]

WEIGHT_BITS = (4, 8)


def checked_weight_bits(name: str, value: Any) -> int:
    """A width of weights.

    Raises
    ------
    ValueError
        If it is none there is.
    """
    if isinstance(value, bool) or value not in WEIGHT_BITS:
        raise ValueError(f"{name} must be 4 or 8, not {value!r}")
    return int(value)


def check_weights(name: str, weight: npt.NDArray[np.int64], bits: int) -> None:
    """Refuse weights wider than ``bits``.

    Raises
    ------
    ValueError
        Naming the first of them, and its place.
    """
    low, high = signed_range(bits)
    if weight.size and not low <= weight.min() <= weight.max() <= high:
        place = tuple(int(i) for i in np.argwhere((weight < low) | (weight > high))[0])
        raise ValueError(
            f"{name} must be from {low} to {high} ({bits}-bit weights), not {weight[place]} "
            f"(at {list(place)}); quantize to {bits} bits"
            + (", or set weight_bits=8" if bits < 8 else "")
        )
