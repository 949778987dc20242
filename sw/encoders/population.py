"""Population encoding: several lines per value, each with a receptive field of its own."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..support.immutable import Shape, checked_shape, put
from ..support.values import exact_choice, exact_floats, positive
from .encoder import Encoder, Floats, frozen, one_hot_steps
from .latency import EXACT
from .thermometer import check_lines, check_range

__all__ = ["CODES", "PopulationEncoder"]

CODES = ("latency", "level")


@dataclass(frozen=True, eq=False)
class PopulationEncoder(Encoder):
    """Lines with Gaussian receptive fields: ``g = exp(-(x - centre)**2 / (2 * width**2))``.

    Parameters
    ----------
    shape : tuple of int
        The shape of one sample ("latency") or of one step ("level") of the signal.
    centres : array_like
        (lines,) the value to which each line responds most.
    width : float
        The standard deviation of the receptive fields, above 0.
    code : {"latency", "level"}
        "latency", for values that do not change: samples are ``(batch, *shape)``, spikes
        ``(batch, steps, lines, *shape)``; a line spikes once, at the step nearest to
        ``(steps - 1) * (1 - g)``, the earlier one of two, and not at all if g is below ``cutoff``.
        "level", for signals: samples are ``(batch, steps, *shape)``, and a line spikes in every
        step in which g is ``cutoff`` or more.
    cutoff : float
        The response from which on a line spikes, above 0, at most 1.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, the value and what is allowed.

    Notes
    -----
    "latency" is the code of Bohte, La Poutre and Kok (2002), where a line that would spike in the
    last tenth of the time is silent: ``cutoff=0.1``. No exponential is computed: the distances from
    the centre at which the step changes are computed in decimal, and distances are compared.
    """

    shape: Shape
    centres: npt.ArrayLike
    width: float
    code: str = "latency"
    cutoff: float = 0.1
    kind: ClassVar[str] = "population"

    def __post_init__(self) -> None:
        put(self, shape=checked_shape("shape", self.shape))
        centres = exact_floats("centres", self.centres)
        if centres.ndim != 1 or not len(centres):
            raise ValueError(
                f"centres must be (lines,) numbers, not an array of shape {centres.shape}"
            )
        exact_choice("code", self.code, CODES)
        cutoff = positive("cutoff", self.cutoff)
        if cutoff > 1:
            raise ValueError(f"cutoff must be above 0 and at most 1, not {cutoff}")
        put(self, centres=frozen(centres), width=positive("width", self.width), cutoff=cutoff)

    @classmethod
    def linear(
        cls, shape: Shape, low: float, high: float, lines: int, *, beta: float = 1.5, **options: Any
    ) -> PopulationEncoder:
        """Centres that divide a range evenly, as Bohte et al. (2002) place them.

        ``centre[i] = low + (2 * i - 1) / 2 * (high - low) / (lines - 2)``, i from 0: the first and
        the last one are outside of the range. ``width = (high - low) / (lines - 2) / beta``.

        Parameters
        ----------
        shape : tuple of int
            The shape of the signal.
        low, high : float
            The range.
        lines : int
            The number of lines, at least 3.
        beta : float
            How narrow the receptive fields are, above 0; 1.5 is that of the paper.
        **options
            ``code`` and ``cutoff``.

        Raises
        ------
        TypeError, ValueError
            Naming the argument, the value and what is allowed.
        """
        low, high = check_range(low, high)
        lines = check_lines("lines", lines, 3)
        step = (Fraction(high) - Fraction(low)) / (lines - 2)
        narrowness = Fraction(positive("beta", beta))
        try:
            centres = [float(Fraction(low) + (2 * i - 1) * step / 2) for i in range(lines)]
            width = float(step / narrowness)
        except OverflowError:
            raise ValueError(
                f"low, {low}, high, {high}, and beta, {beta}, must give centres and a width that "
                "are float64 numbers: scale the signal"
            ) from None
        return cls(shape, centres, width, **options)

    @property
    def output_shape(self) -> Shape:
        return (np.size(self.centres), *self.shape)

    @property
    def static(self) -> bool:
        return self.code == "latency"

    def _encode(
        self, values: Floats, steps: int, state: npt.NDArray[Any] | None
    ) -> tuple[npt.NDArray[Any], None]:
        lines = np.reshape(np.asarray(self.centres), (-1, *(1 for _ in self.shape)))
        at = values.ndim - len(self.shape)
        with np.errstate(over="ignore"):  # infinitely far away: no spike
            far = np.abs(np.expand_dims(values, at) - lines) / self.width
        inside = far <= _distances((self.cutoff,))[0]
        if self.code == "level":
            return inside, None
        times = np.searchsorted(_changes(steps), far, side="left")
        times[~inside] = steps
        return one_hot_steps(times, steps), None


@lru_cache(maxsize=8)
def _changes(steps: int) -> Floats:
    """(steps - 1,) the distances, in widths, at which the step changes."""
    last = 2 * (steps - 1)
    return _distances(tuple(Fraction(last - 2 * k - 1, last) for k in range(steps - 1)))


def _distances(responses: tuple[float | Fraction, ...]) -> Floats:
    """The distances, in widths, of those responses: ``sqrt(-2 * ln(g))``."""
    found = []
    for response in responses:
        numerator, denominator = (Decimal(part) for part in response.as_integer_ratio())
        log = EXACT.ln(EXACT.divide(numerator, denominator))
        found.append(float(EXACT.sqrt(EXACT.multiply(Decimal(-2), log))))
    return np.array(found)
