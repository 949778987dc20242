"""What a network is given: spikes, or pixels as a constant current."""

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
    """Spikes as input: samples are (batch, steps, *shape), every value 0 or 1."""

    shape: Shape
    kind: ClassVar[str] = "spikes"
    bits: ClassVar[int] = 1

    def __post_init__(self) -> None:
        put(self, shape=checked_shape("shape", self.shape))

    @property
    def size(self) -> int:
        """Input neurons."""
        return prod(self.shape)


@dataclass(frozen=True)
class PixelInput:
    """Unsigned pixels of ``bits`` bits as a constant input current: samples are (batch, *shape)."""

    shape: Shape
    bits: int = 4
    kind: ClassVar[str] = "pixels"

    def __post_init__(self) -> None:
        put(
            self,
            shape=checked_shape("shape", self.shape),
            bits=exact_int("bits", self.bits, 1, LIMITS["window"][1]),
        )

    @property
    def size(self) -> int:
        """Pixels of a sample."""
        return prod(self.shape)
