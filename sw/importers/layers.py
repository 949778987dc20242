"""Layers of real numbers: a model before its weights are rounded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..network import Conv2d, MaxPool2d, SumPool2d
from ..support.errors import NotExpressible
from ..support.values import signed_range
from .operations import Shape
from .semantics import Cell, Floats

__all__ = ["FloatLayer", "trained_step"]

_STEP_ERROR = 2.0**-20  # of weights that are integers times a float32 step
_AT_ONCE = 1 << 22  # numbers of receptive fields in memory at a time, 32 MB

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class FloatLayer:
    """A layer of real numbers.

    Attributes
    ----------
    name : str
        Name of its neurons in the model, or of its weights where no neurons follow them.
    weight : (out, in) or (out, in, kh, kw) float64
        Weights on the pooled input.
    bias : (out,) float64
        Biases; that of the cell is included.
    cell : Cell
        The neurons, with () or (out,) thresholds and decays.
    shape : tuple of int
        Shape of the input, before pooling.
    pool : SumPool2d or None
        Sum pooling of the input.
    divisor : int
        Size of the cells of an average pool, for which ``pool`` stands; 1 for a sum pool. Dividing
        the weights by it would keep few of them exact. So everything else is multiplied by it, and
        the states of the layer are that many times those of the model.
    conv : Conv2d or None
        Geometry of a convolution, with ``pool`` and weights of 0; None for a dense layer.
    pool_after : MaxPool2d or None
        Max pooling of the spikes.
    pools_currents : bool
        Whether the model takes the maximum before its neurons, so that they are as many as
        ``pool_after`` leaves.
    inexact : NotExpressible or None
        Why that is not the same, with the nearest that is.
    step : () or (out,) float64, or None
        Size of the weight steps with which the model was trained, if its weights are integers times
        it.
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
    pools_currents: bool = False
    inexact: NotExpressible | None = None
    step: Floats | None = None

    @property
    def matrix(self) -> Floats:
        """(out, weights) of each output: those on the inputs, then those on the layer's own
        spikes."""
        flat = self.weight.reshape(len(self.weight), -1)
        if self.cell.recurrent is None:
            return flat
        return np.concatenate([flat, self.cell.recurrent], axis=1)

    @property
    def neuron_shape(self) -> Shape:
        """Shape of the neurons."""
        return (len(self.weight),) if self.conv is None else self.conv.neuron_shape(self.shape)

    @property
    def output_shape(self) -> Shape:
        """Shape of the output, after ``pool_after``."""
        shape = self.neuron_shape
        return shape if self.pool_after is None else self.pool_after.output_shape(shape)

    def input_range(self, lowest: float, largest: float) -> tuple[Floats, Floats]:
        """Return the (out,) lowest and (out,) highest input of a neuron in a step.

        Parameters
        ----------
        lowest : float
            The lowest input value, at most 0.
        largest : float
            The largest input value, at least 0.
        """
        count = 1 if self.pool is None else self.pool.size**2
        flat = self.weight.reshape(len(self.weight), -1)
        ends = [flat * (lowest * count), flat * (largest * count)]
        if self.cell.recurrent is not None:
            back = self.cell.recurrent
            ends = [np.concatenate([ends[0], 0 * back], 1), np.concatenate([ends[1], back], 1)]
        return np.minimum(*ends).sum(1) + self.bias, np.maximum(*ends).sum(1) + self.bias

    def is_exact_for(self, largest: float, lowest: float = 0.0) -> bool:
        """Whether its rule is that of the source, for inputs from ``lowest`` to ``largest``."""
        if not self.cell.inexact or self.cell.within is None:
            return not self.cell.inexact
        low, high = self.input_range(lowest, largest)
        return bool((low >= self.cell.within[0]).all() and (high <= self.cell.within[1]).all())

    def pooled(self, inputs: Floats) -> Floats:
        """Return the inputs after pooling.

        Parameters
        ----------
        inputs : (values, inputs) float64
            Inputs in C order.

        Returns
        -------
        (values, in) or (values, in, height, width) float64
        """
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
        """Return the values that the weights are multiplied by at each position of the kernel.

        Parameters
        ----------
        inputs : (values, inputs) float64
            Inputs in C order.

        Returns
        -------
        (values, positions, weights of an output) float64
        """
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
        """Return (weights, weights) mean products of the values that the weights are multiplied by.

        For large maps, a part of the inputs is enough. The layer's own spikes are assumed to be as
        frequent as its inputs, and independent of each other.

        Parameters
        ----------
        inputs : (values, inputs) float64
            Inputs in C order.
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
        """Return (..., neurons) currents of ``(..., *shape)`` inputs, without the layer's own
        spikes."""
        lead = inputs.shape[: inputs.ndim - len(self.shape)]
        flat = inputs.reshape(-1, prod(self.shape))
        weight = self.weight.reshape(len(self.weight), -1).T
        neurons = prod(self.neuron_shape)
        # This is done in pieces, since receptive fields repeat every input as often as the kernel
        # has weights.
        at_once = max(1, _AT_ONCE // (neurons // len(self.weight) * len(weight)))
        parts = [
            np.swapaxes(self.receptive_fields(flat[at : at + at_once]) @ weight + self.bias, 1, 2)
            for at in range(0, len(flat), at_once)
        ]
        return np.concatenate(parts).reshape(*lead, neurons)

    def run(self, inputs: Floats) -> tuple[Bools, Floats]:
        """Run the layer.

        Parameters
        ----------
        inputs : ``(steps, batch, *shape)`` float64
            Its inputs.

        Returns
        -------
        spikes : (steps, batch, neurons) bool
            Spikes of its neurons.
        membrane : (batch, neurons) float64
            Their membranes after the last step.
        """
        positions = prod(self.neuron_shape[1:])
        each: dict[str, Any] = {
            name: np.repeat(values, positions)
            for name in ("threshold", "decay", "synapse_decay")
            if np.ndim(values := getattr(self.cell, name))
        }
        return replace(self.cell, **each).run(self.current(inputs))

    def output(self, spikes: Bools) -> Bools:
        """Return (..., outputs) bool, the pooled spikes, of (..., neurons) spikes."""
        if self.pool_after is None:
            return spikes
        channels, rows, columns = self.output_shape
        size = self.pool_after.size
        maps = spikes.reshape(-1, *self.neuron_shape)[..., : rows * size, : columns * size]
        pooled = maps.reshape(-1, channels, rows, size, columns, size).any((3, 5))
        return pooled.reshape(*spikes.shape[:-1], -1)

    def handed_on(self, spikes: Bools) -> Bools:
        """Return (..., outputs) bool, what the layer emits where the model's neurons have these
        spikes."""
        return spikes if self.pools_currents else self.output(spikes)

    def as_in_model(self, spikes: Bools) -> Bools:
        """Return (..., spikes) bool, the spikes that the model's neurons have, of (..., neurons)
        spikes."""
        return self.output(spikes) if self.pools_currents else spikes


def trained_step(layer: FloatLayer, bits: int) -> Floats | None:
    """Return the size of the weight steps with which a layer was trained.

    Parameters
    ----------
    layer : FloatLayer
        The layer.
    bits : int
        Width of a weight.

    Returns
    -------
    () or (out,) float64, or None
        None if there are no such steps, or the weights are not integers of that width at them, or
        the layer needs one step, for its membranes to be compared, and has several.
    """
    step = layer.step
    if step is None or not (step > 0).all() or not np.isfinite(step).all():
        return None
    if not layer.cell.fires or layer.cell.v_init:
        if (step != step.reshape(-1)[0]).any():
            return None
        step = step.reshape(-1)[0].reshape(())
    ratio = layer.matrix / (step[:, None] if step.ndim else step)
    low, high = signed_range(bits)
    integers = np.round(ratio)
    close = np.abs(ratio - integers) <= _STEP_ERROR * np.maximum(np.abs(ratio), 1)
    fit = close.all() and low <= integers.min() and integers.max() <= high
    return step if fit else None
