"""The inputs of a network: spikes, or pixels that act as a constant current."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from ..spec.array import LIMITS
from ..support.immutable import Shape, checked_shape, put
from ..support.values import exact_int

__all__ = ["PixelInput", "SpikeInput"]


@dataclass(frozen=True)
class SpikeInput:
    """An input of spikes, one bit per input and step.

    Samples are ``(batch, steps, *shape)``, and every value is 0 or 1.

    Parameters
    ----------
    shape : tuple of int
        Shape of one step of one sample: (inputs,), or (channels, height, width) for a map.

    Raises
    ------
    TypeError
        If ``shape`` is not a tuple of at least one integer.
    ValueError
        If a size is less than 1.
    """

    shape: Shape
    kind: ClassVar[str] = "spikes"
    bits: ClassVar[int] = 1

    def __post_init__(self) -> None:
        put(self, shape=checked_shape("shape", self.shape))

    @property
    def size(self) -> int:
        """Number of inputs."""
        return prod(self.shape)


@dataclass(frozen=True)
class PixelInput:
    """An input of unsigned pixels, which act as the same current in every step.

    Samples are ``(batch, *shape)``, and every value is from 0 to ``2**bits - 1``.

    Parameters
    ----------
    shape : tuple of int
        Shape of one sample: (inputs,), or (channels, height, width) for a map.
    bits : int
        Width of a pixel, at most the longest window of an array (16).

    Raises
    ------
    TypeError
        If ``shape`` is not a tuple of at least one integer, or ``bits`` is not an integer.
    ValueError
        If a size or ``bits`` is out of range.
    """

    shape: Shape
    bits: int = 4
    kind: ClassVar[str] = "pixels"

    def __post_init__(self) -> None:
        # The bits of a pixel take the place of the steps of a window, so they have the same limit.
        put(
            self,
            shape=checked_shape("shape", self.shape),
            bits=exact_int("bits", self.bits, 1, LIMITS["window"][1]),
        )

    @property
    def size(self) -> int:
        """Number of pixels of a sample."""
        return prod(self.shape)
