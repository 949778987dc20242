"""A firing layer during training: dense, or a convolution with its pools.

Maps are (..., height, width, channels) here, so that the thresholds and biases of channels belong
to the last axis. The network has its maps in its own order.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
import torch
import torch.nn.functional as nnf

from ..golden.in_bytes import bytes_are_exact
from ..network import Conv2d, Dense, MaxPool2d, SumPool2d
from .convolutions import Convolution
from .exact import ExactNeuron, straight_through
from .operations.spread import spread
from .operations.whole_conv2d import whole_conv2d
from .recipe import Recipe
from .weights import Weights, make_weights

__all__ = ["Hidden", "exact_conv2d"]

MOMENTUM = 0.1
"""Share of a batch in the running mean and spread, as in torch's batch normalisation."""
SMALLEST_SPREAD = 0.5
"""Smallest spread of a neuron's current, in weight steps, that ``norm`` divides by."""


class Hidden(torch.nn.Module):
    """Latent weights, thresholds and biases of one layer.

    Parameters
    ----------
    plan : Recipe
        The recipe.
    kind : Convolution or int
        The convolution, or the number of neurons that read everything.
    shape : tuple of int
        (channels, height, width) of the input, or (inputs,).
    generator : torch.Generator
        Source of the first weights.
    mean : (inputs,) tensor
        Mean of the input, around which biases are learned without ``plan.norm``.
    first : bool
        Whether the input is the network's. Then the value that stands for 0 has been taken from the
        inputs here, and is folded into the biases of the array. Other inputs are spikes.
    """

    mean: torch.Tensor
    center: torch.Tensor
    spread: torch.Tensor

    def __init__(
        self,
        plan: Recipe,
        kind: Convolution | int,
        shape: tuple[int, ...],
        generator: torch.Generator,
        mean: torch.Tensor,
        *,
        first: bool,
    ) -> None:
        super().__init__()
        convolution = None if isinstance(kind, int) else kind
        self.plan, self.convolution, self.shape = plan, convolution, shape
        self.zero = plan.zero if first else 0
        self.one = 2.0**plan.fraction_bits
        self.top = 2.0 ** (plan.state_bits - 1) - 1
        self.neuron = ExactNeuron(
            leak=plan.leak, reset=plan.reset, reset_timing=plan.reset_timing,
            compare=plan.compare, synapse_leak=plan.synapse_leak, state_bits=plan.state_bits,
            width=plan.width,
        )
        if isinstance(kind, int):
            out, inputs = kind, prod(shape)
        else:
            out, inputs = kind.channels, shape[0] * kind.kernel**2
        latent = 2.0 * torch.randn(out, inputs, generator=generator)
        self.weights = make_weights(plan.quantizer, latent, plan.weight_bits, per_neuron=True)
        self.recurrent: Weights | None = None
        if plan.recurrent and convolution is None:
            small = torch.randn(out, out, generator=generator)
            self.recurrent = make_weights(plan.quantizer, small, plan.weight_bits)
        self.log_theta = torch.nn.Parameter(torch.zeros(out))
        self.bias = torch.nn.Parameter(torch.full((out,), 0.25))
        self.input_high = (1 << plan.pixel_bits) - 1 if first and not plan.binary else 1
        self.input_high *= self._copies
        self.register_buffer("mean", mean)
        self.register_buffer("center", torch.zeros(out))
        self.register_buffer("spread", torch.ones(out))

    def start(self, inputs: torch.Tensor) -> None:
        """Set the first thresholds, to the spread of the currents over some inputs."""
        with torch.no_grad():
            weight, scale = self.weights()
            if self.plan.norm:
                current = self._sums(inputs, weight).flatten(0, -2)
                self.center.copy_(current.mean(0))
                self.spread.copy_(current.std(0).clamp(min=SMALLEST_SPREAD))
            else:
                current = ((inputs - self.mean) @ weight.T).flatten(0, -2)
                spread = current.std(0).clamp(min=1 / self.one)
                self.log_theta.copy_((spread * scale.flatten()).log())

    def bound(self) -> None:
        """Move latent weights back to where they are legal and fit the accumulators."""
        self.weights.bound(self.plan.acc_bits, self._copies, self.recurrent)
        if self.zero:
            self.weights.bound_sums(self.top / (self.one * self.zero * self._copies))

    @property
    def latent(self) -> list[torch.Tensor]:
        """Latent weights."""
        parts = [self.weights] if self.recurrent is None else [self.weights, self.recurrent]
        return [each.latent for each in parts]

    @property
    def _copies(self) -> int:
        """How often a sum contains each weight."""
        return 1 if self.convolution is None else self.convolution.sum_pool**2

    def integers(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the whole numbers of the array: (out, inputs) weights, biases, thresholds."""
        weight, scale = self.weights()
        return (weight, *self._fixed(weight, scale))

    def forward(self, inputs: torch.Tensor, steps: int | None) -> torch.Tensor:
        """Run the layer.

        Parameters
        ----------
        inputs : (steps, batch, ...) or (batch, ...) tensor
            Whole numbers. Without an axis of steps they are the same in each of ``steps`` steps.
        steps : int or None
            Number of steps, only without an axis of steps.

        Returns
        -------
        tensor
            Spikes (steps, batch, neurons), or (steps, batch, height, width, channels).
        """
        weight, scale = self.weights()
        sums = self._sums(inputs, weight)
        if self.plan.norm and self.training:
            bias, theta = self._normed(sums, weight)
        else:
            bias, theta = self._fixed(weight, scale)
        current = torch.add(bias, sums, alpha=self.one)
        if self.convolution is None:
            recurrent = None if self.recurrent is None else self.one * self.recurrent()[0]
            return self.neuron(current, theta, steps, recurrent)[0]
        sides = current.shape[-3:]
        # Channels are the innermost axis of a flat map, so their thresholds repeat.
        theta = theta.repeat(sides[0] * sides[1])
        spikes, _ = self.neuron(current.flatten(-3), theta, steps)
        spikes = spikes.reshape(*spikes.shape[:2], *sides)
        size = self.convolution.max_pool
        return spikes if size == 1 else _mapped(spikes, lambda maps: nnf.max_pool2d(maps, size))

    def layer(self) -> Conv2d | Dense:
        """Return the layer of the network."""
        with torch.no_grad():
            parameters = self.integers()
            weight, bias, theta = (each.cpu().numpy().astype(np.int64) for each in parameters)
            recurrent = None
            if self.recurrent is not None:
                recurrent = self.recurrent()[0].cpu().numpy().astype(np.int64)
        neuron, made = self.neuron.neuron(theta), self.convolution
        if made is None:
            return Dense(weight=weight, bias=bias, neuron=neuron, recurrent=recurrent)
        return Conv2d(
            weight=weight.reshape(len(weight), -1, made.kernel, made.kernel), bias=bias,
            stride=made.stride, padding=made.padding, neuron=neuron,
            pool_before=SumPool2d(made.sum_pool) if made.sum_pool > 1 else None,
            pool_after=MaxPool2d(made.max_pool) if made.max_pool > 1 else None,
        )

    def _sums(self, inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        made = self.convolution
        if made is None:
            return inputs @ weight.T
        kernels = weight.reshape(-1, self.shape[0], made.kernel, made.kernel)
        size = made.sum_pool

        def convolved(maps: torch.Tensor) -> torch.Tensor:
            if size > 1:
                maps = nnf.avg_pool2d(maps, size, divisor_override=1)
            if maps.is_cuda:
                return exact_conv2d(maps, kernels, made.stride, made.padding)
            # oneDNN's gradient of a 1 x 1 kernel with a stride writes out of bounds.
            if made.kernel == 1:
                return nnf.conv2d(maps[..., :: made.stride, :: made.stride], kernels)
            weight_high = 1 << self.plan.weight_bits - 1
            if not self.zero and bytes_are_exact(self.input_high, weight_high):
                return whole_conv2d(maps, kernels, made.stride, made.padding, self.input_high)
            return nnf.conv2d(maps, kernels, None, made.stride, made.padding)

        return _mapped(inputs, convolved)

    def _fixed(
        self, weight: torch.Tensor, scale: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return biases and thresholds of the network."""
        if self.plan.norm:
            return self._folded(self.center, self.spread, weight)
        theta = self.log_theta.exp() / scale.flatten()
        # Learning biases around the mean input conditions the problem; the array sees their sum.
        return self._rounded(self.bias * theta - weight @ self.mean, theta, weight)

    def _folded(
        self, center: torch.Tensor, spread: torch.Tensor, weight: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return biases and thresholds with the normalisation folded into them.

        It is ``(I - center) / (spread e**log_theta) + bias`` against a threshold of 1.
        """
        theta = self.log_theta.exp() * spread
        return self._rounded(self.bias * theta - center, theta, weight)

    def _normed(
        self, sums: torch.Tensor, weight: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the same for the mean and spread of a batch, which the running ones follow."""
        # Maps have many positions, so every fourth sample is enough, in a quarter of the time.
        flat = (sums if self.convolution is None else sums[..., ::4, :, :, :]).flatten(0, -2)
        center = flat.mean(0)
        width = spread(flat, center).clamp(min=SMALLEST_SPREAD)
        with torch.no_grad():
            self.center.lerp_(center, MOMENTUM)
            self.spread.lerp_(width, MOMENTUM)
        return self._folded(center, width, weight)

    def _rounded(
        self, bias: torch.Tensor, theta: torch.Tensor, weight: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return biases and thresholds in weight steps as integers of the state's resolution."""
        low, high = torch.full_like(theta, -self.top - 1), torch.full_like(theta, self.top)
        if self.zero:
            # Biases fit the array both as they are and with the zero point folded into them.
            folded = self.one * self.zero * self._copies * weight.detach().sum(1)
            low, high = torch.maximum(low, low + folded), torch.minimum(high, high + folded)
        return (
            straight_through(bias * self.one, lambda v: v.round().clamp(low, high)),
            straight_through(theta * self.one, lambda v: v.round().clamp(1.0, self.top)),
        )


def exact_conv2d(
    maps: torch.Tensor, kernels: torch.Tensor, stride: int, padding: int
) -> torch.Tensor:
    """Return a convolution, computed as one product of matrices, exact for whole numbers.

    cuDNN may use transforms (Winograd, FFT) or fewer bits (TF32), which are not exact.

    Parameters
    ----------
    maps : (batch, in, height, width) tensor
        Whole numbers.
    kernels : (out, in, size, size) tensor
        Whole numbers.
    stride : int
        Distance between two positions of the kernel.
    padding : int
        Zeros on each side of the map.

    Returns
    -------
    (batch, out, height, width) tensor
    """
    size = kernels.shape[-1]
    padded = nnf.pad(maps, (padding,) * 4).permute(0, 2, 3, 1)
    fields = padded.unfold(1, size, stride).unfold(2, size, stride)
    # Channels are innermost, as they are in memory, which saves a copy.
    rows = fields.permute(0, 1, 2, 4, 5, 3).flatten(3)
    return (rows @ kernels.permute(0, 2, 3, 1).flatten(1).T).permute(0, 3, 1, 2)


def _mapped(
    maps: torch.Tensor, function: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Apply a function of (n, channels, height, width) maps to (..., height, width, channels)."""
    done = function(maps.flatten(0, -4).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    return done.reshape(*maps.shape[:-3], *done.shape[1:])
