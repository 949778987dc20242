"""Encoders of values between a lowest and a highest one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..support.immutable import Shape, checked_shape, put
from ..support.values import exact_choice
from .encoder import Encoder, Floats, PerValue, first_of, per_value

__all__ = ["OUTSIDE", "ScaledEncoder"]

OUTSIDE = ("refuse", "clip")


@dataclass(frozen=True, eq=False)
class ScaledEncoder(Encoder):
    """An encoder of values from ``low`` to ``high``."""

    shape: Shape
    low: PerValue = 0.0
    high: PerValue = 1.0
    outside: str = "refuse"

    def __post_init__(self) -> None:
        put(self, shape=checked_shape("shape", self.shape))
        put(
            self,
            low=per_value("low", self.low, self.shape),
            high=per_value("high", self.high, self.shape),
        )
        exact_choice("outside", self.outside, OUTSIDE)
        low, high = self.low, self.high
        with np.errstate(over="ignore"):  # found here
            width = np.asarray(high) - low
        if not (width > 0).all():
            at: Any = np.broadcast_to(high, width.shape)
            raise ValueError(f"high must be above low, {low}, not {first_of(at, width <= 0)}")
        if not np.isfinite(width).all():
            raise ValueError(f"high - low must be a float64 number, not from {low} to {high}")

    def _fraction(self, values: Floats) -> Floats:
        """The values as parts of the range, from 0 to 1: ``(x - low) / (high - low)``."""
        bad = (values < self.low) | (values > self.high)
        if bad.any():
            if self.outside == "refuse":
                index = tuple(int(i) for i in np.argwhere(bad)[0])
                ends = (self.low, self.high)
                low, high = (float(np.broadcast_to(end, values.shape)[index]) for end in ends)
                raise ValueError(
                    f"samples must be from low, {low}, to high, {high}, not "
                    f"{first_of(values, bad)}: give the {type(self).__name__} the range of the "
                    "signal, or outside='clip'"
                )
            values = np.clip(values, self.low, self.high)
        fraction: Floats = (values - self.low) / np.subtract(self.high, self.low)
        return fraction
