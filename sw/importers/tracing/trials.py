"""The inputs on which a torch module's own forward is compared with the chain that was read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from ..operations import Shape
from ..settings import Settings
from .copies import tensors

__all__ = ["Domain", "injected_into", "signed"]

_RATES = (0.3, 0.05, 0.6, 1.0, 0.15, 0.9, 0.0, 0.4)
_AMPLITUDES = (1.0, 0.25, 4.0, 16.0, 1.0, 64.0, 0.5, 2.0)
_FRACTION = 8


@dataclass(frozen=True)
class Domain:
    """The legal values of a network's input, as the model receives them.

    Attributes
    ----------
    bits : int
        Their bits: 1 for spikes.
    zero : int
        The value for which the model receives 0.
    factor : float
        What the model receives for an input of 1 more.
    dtype : torch.dtype
        The type in which it receives them.
    """

    bits: int
    zero: int
    factor: float
    dtype: torch.dtype

    @classmethod
    def of(cls, settings: Settings, dtype: torch.dtype) -> Domain:
        """Return the domain that an importer's options say."""
        source = settings.input
        bits, zero = (1, 0) if source is None else (source.bits, source.zero)
        return cls(bits, zero, settings.factor, dtype)

    @property
    def levels(self) -> int:
        """The number of values."""
        return 1 << self.bits

    @property
    def significant(self) -> int:
        """The bits that the values have in the model's units, if these are on a grid."""
        return self.bits + (self.factor.as_integer_ratio()[0] - 1).bit_length()

    def values(self, drawn: torch.Tensor) -> torch.Tensor:
        """Return float64 inputs of the model for whole numbers."""
        return ((drawn.double() - self.zero) * self.factor).to(self.dtype).double()

    def draw(self) -> Callable[[Shape], torch.Tensor]:
        """Return a function that draws legal values of a shape."""
        generator = torch.Generator().manual_seed(2)

        def drawn(shape: Shape) -> torch.Tensor:
            return self.values(torch.randint(0, self.levels, shape, generator=generator))

        return drawn

    def samples(self, shape: Shape, steps: int, batch: int, repeats: bool) -> torch.Tensor:
        """Return (steps, batch, *shape) legal inputs, from silent samples to full ones.

        Parameters
        ----------
        shape : tuple of int
            Shape of one sample.
        steps : int
            Steps.
        batch : int
            Samples.
        repeats : bool
            Whether all steps of a sample are the same.
        """
        rng = np.random.default_rng(3)
        rates = np.resize(_RATES, batch).reshape(1, batch, *[1] * len(shape))
        size = (1 if repeats else steps, batch, *shape)
        if self.levels == 2:
            drawn = rng.random(size) < rates
        else:
            drawn = np.floor(rng.random(size) ** (1 / (rates + 0.05) - 0.95) * self.levels)
        values = self.values(torch.from_numpy(drawn.astype(np.float64)))
        return values.expand(steps, batch, *shape).contiguous()


def signed(shape: Shape, steps: int, batch: int, repeats: bool) -> torch.Tensor:
    """Return (steps, batch, *shape) real numbers of both signs and several sizes."""
    rng = np.random.default_rng(4)
    size = (1 if repeats else steps, batch, *shape)
    amplitudes = np.resize(_AMPLITUDES, batch).reshape(1, batch, *[1] * len(shape))
    drawn = np.round(rng.normal(size=size) * amplitudes * _FRACTION) / _FRACTION
    return torch.from_numpy(drawn).expand(steps, batch, *shape).contiguous()


@contextmanager
def injected_into(
    first: nn.Module, inputs: torch.Tensor, injected: torch.Tensor | None
) -> Iterator[None]:
    """Replace what the first layer is given by other values, where it is given the inputs."""
    if injected is None:
        yield
        return
    at = 0

    def replaced(child: nn.Module, args: Any, kwargs: Any) -> Any:
        nonlocal at
        given = next(tensors([args, kwargs]))
        values = _laid_out(given, inputs, injected, at)
        at += given.numel() * len(inputs) // inputs.numel()

        def placed(value: Any) -> Any:
            return values if value is given else value

        return tuple(map(placed, args)), {key: placed(value) for key, value in kwargs.items()}

    # Before the hooks that note what a layer is given, if the first layer has neurons in it.
    hook = first.register_forward_pre_hook(replaced, with_kwargs=True, prepend=True)
    try:
        yield
    finally:
        hook.remove()


def _laid_out(
    given: torch.Tensor, inputs: torch.Tensor, place: torch.Tensor, at: int
) -> torch.Tensor:
    """Return the other values in the shape of what is given, where it is the inputs."""
    options: list[tuple[torch.Tensor, torch.Tensor]] = [(inputs, place)]
    options.append((inputs.swapaxes(0, 1), place.swapaxes(0, 1)))
    if at < len(inputs):
        options.append((inputs[at], place[at]))
    for wanted, other in options:
        if wanted.numel() == given.numel() and torch.equal(
            wanted.reshape(-1).to(given.dtype), given.reshape(-1)
        ):
            return other.reshape(given.shape)  # the layer converts it to its own type
    return given
