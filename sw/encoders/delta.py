"""Delta encoding: spikes where a signal has changed by a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..support.immutable import Shape, checked_shape, put
from ..support.values import exact_choice
from .encoder import Encoder, Floats, PerValue, per_value

__all__ = ["REFERENCES", "DeltaEncoder"]

REFERENCES = ("whole", "step", "previous")
FIRST = "first"
_LEVELS_MOST = 1 << 52  # so that the number of a level, and the next one, are whole in float64


@dataclass(frozen=True, eq=False)
class DeltaEncoder(Encoder):
    """Spikes where a signal has moved from a reference by a threshold (send-on-delta).

    Each value has two lines, as events of a camera have two polarities: line 1 spikes when the
    signal has risen by the threshold or more, line 0 when it has fallen by it. One spike is sent in
    a step, however far the signal moved; ``reference`` says what then becomes of the reference.

    Samples are ``(batch, steps, *shape)``, spikes ``(batch, steps, 2, *shape)``.

    Parameters
    ----------
    shape : tuple of int
        The shape of one step of the signal.
    threshold : float or array
        The change that makes a spike, above 0; one for all values, or one for each.
    reference : {"whole", "step", "previous"}
        "whole": the reference moves by all whole thresholds that the signal moved, so that it stays
        within a threshold of the signal (level crossing). "step": it moves by one threshold per
        spike, so that a jump of n thresholds is n spikes in as many steps (step forward).
        "previous": it is the step before (snnTorch's ``spikegen.delta``); a slow drift never
        spikes.
    start : "first", float or array
        The reference before the first step. "first": the first step itself, which has no spike
        then.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, the value and what is allowed.

    Notes
    -----
    The reference is computed as ``start + m * threshold`` with a whole m, in float64: it does not
    drift.
    """

    shape: Shape
    threshold: PerValue
    reference: str = "whole"
    start: str | PerValue = FIRST
    kind: ClassVar[str] = "delta"

    def __post_init__(self) -> None:
        put(self, shape=checked_shape("shape", self.shape))
        exact_choice("reference", self.reference, REFERENCES)
        put(self, threshold=per_value("threshold", self.threshold, self.shape, above_zero=True))
        if isinstance(self.start, str):
            if self.start != FIRST:
                raise ValueError(
                    f"start must be {FIRST!r}, a number or an array, not {self.start!r}"
                )
        else:
            put(self, start=per_value("start", self.start, self.shape))

    @property
    def output_shape(self) -> Shape:
        return (2, *self.shape)

    @property
    def static(self) -> bool:
        return False

    def _encode(
        self, values: Floats, steps: int, state: npt.NDArray[Any] | None
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
        # The state of a sample is (2, *shape): where the levels are counted from, and the number
        # of the level.
        start, level = self._fresh(values) if state is None else (state[:, 0], state[:, 1])
        self._check_levels(values, start)
        spikes = np.zeros((steps, 2, len(values), *self.shape), dtype=bool)
        for step, value in enumerate(np.ascontiguousarray(values.swapaxes(0, 1))):
            moved = (value - (start + level * self.threshold)) / self.threshold
            up, down = moved >= 1, moved <= -1
            spikes[step] = down, up
            if self.reference == "whole":
                level = level + np.trunc(moved)
            elif self.reference == "step":
                level = level + up - down
            else:
                start = value
        return np.moveaxis(spikes, 2, 0), np.stack([start, level], axis=1)

    def _fresh(self, values: Floats) -> tuple[Floats, Floats]:
        if isinstance(self.start, str):
            start = values[:, 0]
        else:
            start = np.broadcast_to(self.start, (len(values), *self.shape))
        return start, np.zeros((len(values), *self.shape))

    def _check_levels(self, values: Floats, start: Floats) -> None:
        base = start[:, None]
        if self.reference == "previous":
            base = np.concatenate([base, values[:, :-1]], axis=1)
        with np.errstate(over="ignore"):  # found here
            span = np.abs(values - base) / self.threshold
        bad = ~(span < _LEVELS_MOST)
        if bad.any():
            index = tuple(int(i) for i in np.argwhere(bad)[0])
            raise ValueError(
                f"threshold must be larger for this signal: {values[index]} (at {list(index)}) is "
                f"{span[index]:.3g} thresholds from the reference at the start, and at most "
                f"{_LEVELS_MOST} are counted"
            )
