"""The inputs of a network: spikes, pixels that act as a constant current, or frames of values that
change from step to step."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from ..spec.array import LIMITS
from ..support.immutable import Shape, checked_shape, put
from ..support.values import exact_int

__all__ = ["FrameInput", "Input", "PixelInput", "SpikeInput"]


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
    zero: ClassVar[int] = 0

    def __post_init__(self) -> None:
        put(self, shape=checked_shape("shape", self.shape))

    @property
    def size(self) -> int:
        """Number of inputs."""
        return prod(self.shape)


@dataclass(frozen=True)
class _ValueInput:
    """An input of values of several bits, some of which may count from a zero of their own."""

    shape: Shape
    bits: int = 4
    zero: int = 0

    def __post_init__(self) -> None:
        # The bits of a value take the place of the steps of a window, so they have the same limit.
        bits = exact_int("bits", self.bits, 1, LIMITS["window"][1])
        put(
            self,
            shape=checked_shape("shape", self.shape),
            bits=bits,
            zero=exact_int("zero", self.zero, 0, (1 << bits) - 1),
        )

    @property
    def size(self) -> int:
        """Number of values of a sample, or of a step of it."""
        return prod(self.shape)


@dataclass(frozen=True)
class PixelInput(_ValueInput):
    """An input of unsigned pixels, which act as the same current in every step.

    Samples are ``(batch, *shape)``, and every value is from 0 to ``2**bits - 1``.

    Parameters
    ----------
    shape : tuple of int
        Shape of one sample: (inputs,), or (channels, height, width) for a map.
    bits : int
        Width of a pixel, at most the longest window of an array (16).
    zero : int
        The pixel that stands for 0, for signed values: ``p - zero`` takes the place of ``p``. It
        is folded into the biases of the first layer, and so refused in front of a padded
        convolution.

    Raises
    ------
    TypeError
        If ``shape`` is not a tuple of at least one integer, or a number is not an integer.
    ValueError
        If a size, ``bits`` or ``zero`` is out of range.
    """

    kind: ClassVar[str] = "pixels"


@dataclass(frozen=True)
class FrameInput(_ValueInput):
    """An input of unsigned values, new in every step: bands of audio, counts of events per frame,
    channels of EMG or ECG.

    Samples are ``(batch, steps, *shape)``, and every value is from 0 to ``2**bits - 1``.

    Parameters
    ----------
    shape : tuple of int
        Shape of one step of one sample: (inputs,), or (channels, height, width) for a map.
    bits : int
        Width of a value, at most the longest window of an array (16).
    zero : int
        The value that stands for 0, for signed signals: ``p - zero`` takes the place of ``p``. It
        is folded into the biases of the first layer, and so refused in front of a padded
        convolution.

    Raises
    ------
    TypeError
        If ``shape`` is not a tuple of at least one integer, or a number is not an integer.
    ValueError
        If a size, ``bits`` or ``zero`` is out of range.
    """

    kind: ClassVar[str] = "frames"


Input = SpikeInput | PixelInput | FrameInput
"""Any input of a network."""
