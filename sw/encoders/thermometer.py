"""Thermometer encoding: one line for each level that a value has reached."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..support.immutable import Shape, checked_shape, put
from ..support.values import exact_floats, exact_int
from .encoder import Encoder, Floats, frozen

__all__ = ["ThermometerEncoder", "check_lines", "check_range"]

LINES_MOST = 1 << 16


@dataclass(frozen=True, eq=False)
class ThermometerEncoder(Encoder):
    """One line for each level; it spikes in every step whose value is at the level or above.

    Samples are ``(batch, steps, *shape)``, spikes ``(batch, steps, levels, *shape)``. A value below
    all levels has no spike, one above them has them all.

    Parameters
    ----------
    shape : tuple of int
        The shape of one step of the signal.
    levels : array_like
        (levels,) numbers in rising order; or ``(levels, *shape)``, own levels for each value.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, the value and what is allowed.
    """

    shape: Shape
    levels: npt.ArrayLike
    kind: ClassVar[str] = "thermometer"

    def __post_init__(self) -> None:
        put(self, shape=checked_shape("shape", self.shape))
        levels = exact_floats("levels", self.levels)
        if levels.shape[1:] not in ((), self.shape) or not levels.ndim or not len(levels):
            raise ValueError(
                f"levels must be (levels,) numbers, or an array (levels, *{self.shape}), not an "
                f"array of shape {levels.shape}"
            )
        falls = (levels[1:] <= levels[:-1]).reshape(len(levels) - 1, -1)
        bad = np.flatnonzero(falls.any(axis=1))
        if len(bad):
            raise ValueError(
                f"levels must rise from each to the next: levels[{bad[0] + 1}], "
                f"{levels[bad[0] + 1]}, is not above levels[{bad[0]}], {levels[bad[0]]}"
            )
        put(self, levels=frozen(levels))

    @classmethod
    def linear(cls, shape: Shape, low: float, high: float, levels: int) -> ThermometerEncoder:
        """Levels that divide a range evenly.

        ``level[k] = low + (k + 1) * (high - low) / (levels + 1)``, k from 0, rounded to float64
        once.

        Parameters
        ----------
        shape : tuple of int
            The shape of one step of the signal.
        low, high : float
            The range; neither end is a level.
        levels : int
            The number of levels, at least 1.

        Raises
        ------
        TypeError, ValueError
            Naming the argument, the value and what is allowed.
        """
        low, high = check_range(low, high)
        levels = check_lines("levels", levels, 1)
        step = (Fraction(high) - Fraction(low)) / (levels + 1)
        return cls(shape, [float(Fraction(low) + (k + 1) * step) for k in range(levels)])

    @property
    def output_shape(self) -> Shape:
        return (len(self._levels), *self.shape)

    @property
    def static(self) -> bool:
        return False

    @property
    def _levels(self) -> Floats:
        """(levels, *shape), or (levels, 1, ...) where they are the same for all values."""
        levels = np.asarray(self.levels, np.float64)
        return levels if levels.ndim > 1 else levels.reshape(-1, *(1 for _ in self.shape))

    def _encode(
        self, values: Floats, steps: int, state: npt.NDArray[Any] | None
    ) -> tuple[npt.NDArray[Any], None]:
        return values[:, :, None] >= self._levels, None


def check_range(low: Any, high: Any) -> tuple[float, float]:
    """The ends of a range as floats. Raises unless ``low`` is below ``high``, both one number."""
    low, high = exact_floats("low", low), exact_floats("high", high)
    for name, end in (("low", low), ("high", high)):
        if end.ndim:
            raise TypeError(f"{name} must be one number, not an array of shape {end.shape}")
    if not low < high:
        raise ValueError(f"high must be above low, {low}, not {high}")
    return float(low), float(high)


def check_lines(name: str, value: Any, least: int) -> int:
    """The number of lines that each value becomes."""
    return exact_int(name, value, least, LINES_MOST)
