"""Quantization: integers of a few bits, for inputs of pixels and of frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..spec.array import LIMITS
from ..support.immutable import Shape, put
from ..support.values import exact_int
from .encoder import Floats
from .scaled import ScaledEncoder

__all__ = ["QuantizeEncoder"]


@dataclass(frozen=True, eq=False)
class QuantizeEncoder(ScaledEncoder):
    """Integers from 0 to ``2**bits - 1`` for the values from ``low`` to ``high``.

    ``floor((x - low) / (high - low) * (2**bits - 1) + 1/2)``, in float64: the nearest integer, the
    upper one of two. For a ``PixelInput`` samples are ``(batch, *shape)``, for a ``FrameInput``
    ``(batch, steps, *shape)``; they keep their shape.

    Parameters
    ----------
    shape : tuple of int
        The shape of the signal: of a sample for a ``PixelInput``, of a step for a ``FrameInput``.
    low, high : float or array
        The values that become 0 and ``2**bits - 1``; one each, or one for each value of the signal.
    outside : {"refuse", "clip"}
        What becomes of values below ``low`` and above ``high``: an error, or 0 and
        ``2**bits - 1``.
    bits : int
        The bits of the network's input, 1 to 16.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, the value and what is allowed.
    """

    bits: int = 4
    kind: ClassVar[str] = "quantize"
    inputs: ClassVar[tuple[str, ...]] = ("pixels", "frames")

    def __post_init__(self) -> None:
        super().__post_init__()
        put(self, bits=exact_int("bits", self.bits, 1, LIMITS["window"][1]))

    @property
    def zero(self) -> int:
        """The integer that stands for 0, for the ``zero`` of a network's input.

        Raises
        ------
        ValueError
            If 0 is outside of the range, or its integer is not the same for all values.
        """
        low, high = np.broadcast_arrays(self.low, self.high)
        if (low > 0).any() or (high < 0).any():
            raise ValueError(f"zero must be within the range, which is from {low} to {high}")
        found = np.unique(self._encode(np.zeros((1, *self.shape)), 1, None)[0])
        if len(found) > 1:
            raise ValueError(
                "zero must be one integer for all values, and low and high make it from "
                f"{found[0]} to {found[-1]}: give all values the same range around 0"
            )
        return int(found[0])

    @property
    def output_shape(self) -> Shape:
        return self.shape

    @property
    def static(self) -> bool:
        return False

    def check_input(self, kind: str, shape: Shape, bits: int) -> None:
        super().check_input(kind, shape, bits)
        if bits != self.bits:
            raise ValueError(
                f"encoder must have the bits of the network's input: {bits}, not {self.bits}"
            )

    def _fits(self, axes: int) -> bool:
        return axes in (1, 2)

    def _encode(
        self, values: Floats, steps: int, state: npt.NDArray[Any] | None
    ) -> tuple[npt.NDArray[Any], None]:
        scaled = np.floor(self._fraction(values) * ((1 << self.bits) - 1) + 0.5)
        return scaled.astype(np.uint16), None
