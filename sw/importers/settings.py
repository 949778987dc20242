"""The options of importers."""

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
    """Options of every importer, all passed by name.

    Parameters
    ----------
    weight_bits : {4, 8}
        Width of a weight; 4 by default.
    fraction_bits : int
        Fraction bits of membranes, biases and thresholds; 4 by default.
    input : SpikeInput or PixelInput
        The network's input. By default a ``SpikeInput`` of the model's shape.
    input_scale : float
        The value that the model receives for an input of 1, such as 1 / 15 for 4-bit pixels that it
        expects as 0 to 1. It is 1 for spikes, and must be given for pixels.
    scale : float or list
        The size of one weight step in the model's units: one number, or a list with an entry per
        layer, which is None, a number, or one number per neuron. By default the scale is chosen so
        that rounding changes least.
    calibration : array_like
        Samples on which the rounding is chosen and the report is measured:
        ``(batch, steps, *shape)`` spikes or ``(batch, *shape)`` pixels. By default random samples,
        for the report only.
    labels : (batch,) array_like of int
        Classes of the calibration samples; with them the report has accuracies.
    steps : int
        Steps of a sample. It must be given for pixels, unless the model repeats them itself.
    time_axis : {0, 1}
        Axis of the steps in calibration spikes; 1 by default, 0 for (steps, batch, ...).
    readout : {"counts", "words", "membrane"}
        The network's readout. By default "membrane" if the last layer never fires, else "counts".
    approximate : bool
        If the array has no equivalent of the model's rule, take the nearest one, measure what it
        changes and report it. By default, such a rule is refused.
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
    """The options of an importer, with defaults, checked.

    Besides those of ``Options``, there are two that a graph of ``to_nir`` sets.

    Parameters
    ----------
    layer_bits : sequence of int or None
        Weight widths of the layers; None for the network's.
    emits : sequence of str
        What the layers emit.

    Raises
    ------
    TypeError, ValueError
        Naming the option, the value and what is allowed.
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
        """Return the weight width of a layer."""
        own = self.layer_bits[index] if self.layer_bits else None
        return self.weight_bits if own is None else own

    def check_steps(self) -> None:
        """Refuse pixels without the steps of a sample, which neither caller nor model says.

        Raises
        ------
        ValueError
            If they are missing.
        """
        if isinstance(self.input, PixelInput) and self.steps is None:
            raise ValueError("steps must be given for pixels: the steps per sample")

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
        if isinstance(self.input, PixelInput) and self.input_scale is None:
            raise ValueError(
                "input_scale must be given for pixels: what the model is given for a pixel "
                f"of 1, such as 1 / {(1 << self.input.bits) - 1} if it knows them as 0 to 1"
            )
        if self.input_scale is not None:
            positive("input_scale", self.input_scale)
        if self.labels is not None and self.calibration is None:
            raise ValueError("labels are those of the calibration samples: give calibration too")
