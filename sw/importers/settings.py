"""What importers are told beside the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy.typing as npt

from ..network import READOUTS, WEIGHT_BITS, PixelInput, SpikeInput
from ..spec.array import LIMITS
from ..support.values import exact_choice, exact_int, positive

__all__ = ["Options", "Settings"]


class Options(TypedDict, total=False):
    """What every importer takes beside the model; all by name.

    Parameters
    ----------
    weight_bits : 4 (the default) or 8.
    fraction_bits : F of the array, 4 by default.
    input : ``SpikeInput`` (the default, of the model's shape) or ``PixelInput``.
    input_scale : what the model is given for an input of 1, such as 1 / 15 for 4-bit pixels it
        knows as 0 to 1. 1 for spikes; must be given for pixels.
    scale : what one weight step is in the model's units: one number, or a list with None, a number
        or one number per neuron for each layer. None: chosen.
    calibration : samples, (batch, steps, *shape) spikes or (batch, *shape) pixels, on which
        rounding is chosen and the report is measured. None: random ones, for the report only.
    labels : (batch,) of the calibration samples, for accuracies.
    steps : steps of a sample; needed for pixels.
    time_axis : 0 if the calibration spikes are (steps, batch, ...).
    readout : "counts", "words" or "membrane"; by default counts, and the membrane of a last layer
        that never fires.
    approximate : take the nearest rule where the model's has no equal, and measure it.
    """

    weight_bits: int
    fraction_bits: int
    input: SpikeInput | PixelInput | None
    input_scale: float | None
    scale: Any
    calibration: npt.ArrayLike | None
    labels: npt.ArrayLike | None
    steps: int | None
    time_axis: int
    readout: str | None
    approximate: bool


@dataclass(frozen=True, eq=False)
class Settings:
    """``Options`` with their defaults, checked.

    ``layer_bits`` and ``emits`` are what a graph of this package says of its layers.
    """

    weight_bits: int = 4
    fraction_bits: int = 4
    input: SpikeInput | PixelInput | None = None
    input_scale: float | None = None
    scale: Any = None
    calibration: npt.ArrayLike | None = None
    labels: npt.ArrayLike | None = None
    steps: int | None = None
    time_axis: int = 1
    readout: str | None = None
    approximate: bool = False
    layer_bits: Sequence[int | None] = ()
    emits: Sequence[str] = ()

    def bits(self, index: int) -> int:
        """Weight width of a layer."""
        own = self.layer_bits[index] if self.layer_bits else None
        return self.weight_bits if own is None else own

    def __post_init__(self) -> None:
        if isinstance(self.weight_bits, bool) or self.weight_bits not in WEIGHT_BITS:
            raise ValueError(f"weight_bits must be 4 or 8, not {self.weight_bits!r}")
        exact_int("fraction_bits", self.fraction_bits, *LIMITS["fraction_bits"])
        if not isinstance(self.approximate, bool):
            raise TypeError(f"approximate must be True or False, not {self.approximate!r}")
        if self.readout is not None:
            exact_choice("readout", self.readout, READOUTS)
        if not (self.input is None or isinstance(self.input, (SpikeInput, PixelInput))):
            raise TypeError(f"input must be a SpikeInput or a PixelInput, not {self.input!r}")
        if isinstance(self.input, PixelInput):
            if self.input_scale is None:
                raise ValueError(
                    "input_scale must be given for pixels: what the model is given for a pixel "
                    f"of 1, such as 1 / {(1 << self.input.bits) - 1} if it knows them as 0 to 1"
                )
            if self.steps is None:
                raise ValueError("steps must be given for pixels: the steps per sample")
        if self.input_scale is not None:
            positive("input_scale", self.input_scale)
        if self.labels is not None and self.calibration is None:
            raise ValueError("labels are those of the calibration samples: give calibration too")
