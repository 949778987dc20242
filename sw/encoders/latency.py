"""Latency encoding: the larger a value, the earlier its spike."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..support.immutable import Shape
from ..support.values import exact_choice
from .encoder import Floats, one_hot_steps
from .scaled import ScaledEncoder

__all__ = ["CURVES", "EXACT", "LatencyEncoder"]

CURVES = ("linear", "log")
LOWEST = ("silent", "last")
EXACT = Context(prec=25, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""Logarithms and exponentials are computed in decimal: libraries of C differ in the last bit."""
_TINY = Decimal("1e-340")  # below every float64


@dataclass(frozen=True, eq=False)
class LatencyEncoder(ScaledEncoder):
    """One spike per value: at the first step for ``high``, later for lower values.

    Samples are ``(batch, *shape)``, values that do not change; spikes ``(batch, steps, *shape)``.
    With ``p = (x - low) / (high - low)`` and N steps, the spike is at the step that is nearest to
    ``(N - 1) * (1 - p)`` ("linear"), or to ``(N - 1) - ln((e**(N - 1) - 1) * p + 1)`` ("log"); at
    the earlier one of two.

    Parameters
    ----------
    shape : tuple of int
        The shape of a sample.
    low, high : float or array
        The values of the last and the first step; one each, or one for each value.
    outside : {"refuse", "clip"}
        What becomes of values below ``low`` and above ``high``: an error, or the same as of
        ``low`` and ``high``.
    curve : {"linear", "log"}
        How the step depends on the value. With "log" a value that is smaller by a factor of e
        spikes a step later.
    lowest : {"silent", "last"}
        What ``low`` itself does: it never spikes, or at the last step.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, the value and what is allowed.
    """

    curve: str = "linear"
    lowest: str = "silent"
    kind: ClassVar[str] = "latency"

    def __post_init__(self) -> None:
        super().__post_init__()
        exact_choice("curve", self.curve, CURVES)
        exact_choice("lowest", self.lowest, LOWEST)

    @property
    def output_shape(self) -> Shape:
        return self.shape

    @property
    def static(self) -> bool:
        return True

    def _encode(
        self, values: Floats, steps: int, state: npt.NDArray[Any] | None
    ) -> tuple[npt.NDArray[Any], None]:
        part = self._fraction(values)
        limits = (_linear if self.curve == "linear" else _log)(steps)
        times = steps - 1 - np.searchsorted(limits, part, side="right")
        if self.lowest == "silent":
            times[part == 0] = steps
        return one_hot_steps(times, steps), None


def _linear(steps: int) -> Floats:
    """(steps - 1,) the parts at which the step changes, from the last change to the first."""
    return (2 * np.arange(steps - 1) + 1) / max(1, 2 * (steps - 1))


@lru_cache(maxsize=8)
def _log(steps: int) -> Floats:
    limits = np.zeros(steps - 1)
    last, half = Decimal(steps - 1), Decimal("0.5")
    highest = EXACT.subtract(EXACT.exp(last), Decimal(1))
    for at in range(steps - 2, -1, -1):
        grown = EXACT.exp(EXACT.add(Decimal(at), half))
        limit = EXACT.divide(EXACT.subtract(grown, Decimal(1)), highest)
        if limit < _TINY:  # and so are all that follow
            break
        limits[at] = float(limit)
    return limits
