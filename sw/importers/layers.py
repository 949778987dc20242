"""Layers of real numbers, as a model has them before quantization."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np
import numpy.typing as npt

from ..network import Conv2d, MaxPool2d, SumPool2d
from .operations import Shape
from .semantics import Cell, Floats

__all__ = ["FloatLayer"]

_AT_ONCE = 1 << 22  # numbers of receptive fields laid out side by side

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class FloatLayer:
    """A layer of real numbers.

    Attributes
    ----------
    name : of its neurons in the model, or of its weights where it has none there.
    weight, bias : (out, in after pooling) or (out, in, kh, kw), and (out,), the cell's bias in it.
    cell : its neurons; thresholds () or (out,).
    shape : of its input.
    pool : sum pooling in front.
    divisor : of the average it stands for; the layer's states are as many times the model's, since
        it is everything but the weights that is multiplied by it.
    conv : a convolution's place on its input, with ``pool`` and without weights; None: dense.
    pool_after : OR pooling of its spikes.
    """

    name: str
    weight: Floats
    bias: Floats
    cell: Cell
    shape: Shape
    pool: SumPool2d | None = None
    divisor: int = 1
    conv: Conv2d | None = None
    pool_after: MaxPool2d | None = None

    @property
    def matrix(self) -> Floats:
        """(out, weights of one output): those of its inputs, then those of its own spikes."""
        flat = self.weight.reshape(len(self.weight), -1)
        if self.cell.recurrent is None:
            return flat
        return np.concatenate([flat, self.cell.recurrent], axis=1)

    @property
    def neuron_shape(self) -> Shape:
        """Shape of its neurons."""
        return (len(self.weight),) if self.conv is None else self.conv.neuron_shape(self.shape)

    @property
    def output_shape(self) -> Shape:
        """Shape of its output."""
        shape = self.neuron_shape
        return shape if self.pool_after is None else self.pool_after.output_shape(shape)

    def pooled(self, inputs: Floats) -> Floats:
        """(values, in) or (values, in, height, width), after pooling, of (values, flat) inputs."""
        maps = inputs
        if self.pool is not None:
            channels, rows, columns = self.pool.output_shape(self.shape)
            size = self.pool.size
            kept = inputs.reshape(-1, *self.shape)[..., : rows * size, : columns * size]
            maps = kept.reshape(-1, channels, rows, size, columns, size).sum((3, 5))
        return maps.reshape(len(inputs), -1) if self.conv is None else self._map(maps)

    def _map(self, maps: Floats) -> Floats:
        shape = self.shape if self.pool is None else self.pool.output_shape(self.shape)
        return maps.reshape(-1, *shape)

    def receptive_fields(self, inputs: Floats) -> Floats:
        """(values, positions, weights of an output) that the weights meet of (values, flat)."""
        pooled = self.pooled(inputs)
        if self.conv is None:
            return pooled[:, None]
        down, across = self.conv.padding
        padded = np.pad(pooled, ((0, 0), (0, 0), (down, down), (across, across)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.conv.kernel, axis=(2, 3))
        placed = windows[:, :, :: self.conv.stride[0], :: self.conv.stride[1]]
        ordered = placed.transpose(0, 2, 3, 1, 4, 5)
        return ordered.reshape(len(inputs), -1, prod(self.weight.shape[1:]))

    def moments(self, inputs: Floats) -> Floats:
        """Mean products of what the weights meet, of (values, flat) inputs; of large maps a part.

        Own spikes are taken to be as frequent as the inputs, and independent.
        """
        size = prod(self.weight.shape[1:])
        positions = prod(self.neuron_shape[1:])
        step = 1 if self.conv is None else -(-len(inputs) * positions * size // _AT_ONCE)
        fields = self.receptive_fields(inputs[::step]).reshape(-1, size)
        moments: Floats = fields.T @ fields / len(fields)
        if self.cell.recurrent is None:
            return moments
        own = len(self.weight)
        joined = np.zeros((size + own, size + own))
        joined[:size, :size] = moments
        joined[size:, size:] = np.eye(own) * np.diag(moments).mean()
        return joined

    def current(self, inputs: Floats) -> Floats:
        """(..., neurons) currents of (..., *shape) inputs, without recurrence."""
        lead = inputs.shape[: inputs.ndim - len(self.shape)]
        flat = inputs.reshape(-1, prod(self.shape))
        weight = self.weight.reshape(len(self.weight), -1).T
        neurons = prod(self.neuron_shape)
        at_once = max(1, _AT_ONCE // (neurons // len(self.weight) * len(weight)))
        parts = [
            np.swapaxes(self.receptive_fields(flat[at : at + at_once]) @ weight + self.bias, 1, 2)
            for at in range(0, len(flat), at_once)
        ]
        return np.concatenate(parts).reshape(*lead, neurons)

    def run(self, inputs: Floats) -> tuple[Bools, Floats]:
        """Spikes and last membranes of (steps, batch, *shape) inputs.

        Returns
        -------
        (steps, batch, neurons) bool and (batch, neurons).
        """
        cell = self.cell
        if cell.threshold is not None and cell.threshold.ndim:
            positions = prod(self.neuron_shape[1:])
            cell = replace(cell, threshold=np.repeat(cell.threshold, positions))
        return cell.run(self.current(inputs))

    def output(self, spikes: Bools) -> Bools:
        """(..., outputs) of (..., neurons) spikes: their OR over a pool."""
        if self.pool_after is None:
            return spikes
        channels, rows, columns = self.output_shape
        size = self.pool_after.size
        maps = spikes.reshape(-1, *self.neuron_shape)[..., : rows * size, : columns * size]
        pooled = maps.reshape(-1, channels, rows, size, columns, size).any((3, 5))
        return pooled.reshape(*spikes.shape[:-1], -1)
