"""Rate encoding: the larger a value, the more spikes."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..support.immutable import Shape, put
from ..support.values import exact_choice, exact_int
from .encoder import Bools, Floats
from .scaled import ScaledEncoder

__all__ = ["PATTERNS", "RateEncoder"]

PATTERNS = ("regular", "random")
_ONE = 1 << 32  # a spike in every step


@dataclass(frozen=True, eq=False)
class RateEncoder(ScaledEncoder):
    """Spike trains whose rate is the value: none at ``low``, one in every step at ``high``.

    Samples are ``(batch, *shape)``, values that do not change; spikes ``(batch, steps, *shape)``.

    Parameters
    ----------
    shape : tuple of int
        The shape of a sample.
    low, high : float or array
        The values of no spike and of a spike in every step; one each, or one for each value.
    outside : {"refuse", "clip"}
        What becomes of values below ``low`` and above ``high``: an error, or no spike and a spike
        in every step.
    pattern : {"regular", "random"}
        "regular": spikes at even distances. After any number of steps there are as many as is
        nearest to the rate (error diffusion). "random": a spike in each step with the rate as its
        probability, independent of other steps and values (Bernoulli, called Poisson encoding).
    seed : int
        For "random": which random numbers, 0 to ``2**64 - 1``.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, the value and what is allowed.

    Notes
    -----
    Rates are rounded to ``2**-32``. The random numbers depend on the seed, the step and the place
    of the value in the sample alone, so a sample has the same spikes in any batch and on any
    machine; equal samples have equal spikes. They are those of Philox4x64-10 (Salmon et al. 2011).
    """

    pattern: str = "regular"
    seed: int = 0
    kind: ClassVar[str] = "rate"

    def __post_init__(self) -> None:
        super().__post_init__()
        exact_choice("pattern", self.pattern, PATTERNS)
        put(self, seed=exact_int("seed", self.seed, 0, (1 << 64) - 1))
        if self.pattern == "regular" and self.seed:
            raise ValueError(
                f"seed is for pattern='random', not for 'regular': leave out seed={self.seed}"
            )

    @property
    def output_shape(self) -> Shape:
        return self.shape

    @property
    def static(self) -> bool:
        return True

    def _encode(
        self, values: Floats, steps: int, state: npt.NDArray[Any] | None
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        rates = np.floor(self._fraction(values) * _ONE + 0.5).astype(np.int64)
        if self.pattern == "random":
            return self._random(rates, steps, 0 if state is None else int(state[0]))
        # What is there, and has not become a spike yet: half a spike at first.
        held = np.full_like(rates, _ONE // 2) if state is None else state
        spikes = np.zeros((len(rates), steps, *self.shape), dtype=bool)
        for step in range(steps):
            held = held + rates
            spikes[:, step] = held >= _ONE
            held &= _ONE - 1
        return spikes, held

    def _random(
        self, rates: npt.NDArray[np.int64], steps: int, before: int
    ) -> tuple[Bools, npt.NDArray[np.int64]]:
        """Spikes, and per sample the steps up to now; ``before`` of them were earlier."""
        spikes = np.zeros((len(rates), steps, *self.shape), dtype=bool)
        for step in range(steps):
            # The raw numbers are used: what numpy makes of them may change between its versions.
            counter = [0, before + step, 0, 0]
            raw = np.random.Philox(counter=counter, key=[self.seed, 0]).random_raw(prod(self.shape))
            numbers = (np.asarray(raw) >> np.uint64(32)).astype(np.int64).reshape(self.shape)
            spikes[:, step] = numbers < rates
        return spikes, np.full(len(rates), before + steps)
