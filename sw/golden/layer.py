"""One layer of the golden model: its currents, its neurons, what it hands on."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt
import torch

from ..network import Conv2d, Network

__all__ = ["GoldenLayer", "GoldenState", "LayerState", "exact_dtype", "skeleton"]

_INT32_ROOM = (1 << 31) - 1

Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class GoldenState:
    """What one layer carries on: v, r and q, each (batch, neurons), maps in C order (channel,
    height, width); q is None without a synapse."""

    v: Integers
    r: Bools
    q: Integers | None


def exact_dtype(bound: int) -> torch.dtype:
    """What a matrix product is exact in, when no partial sum of it is beyond ``bound``.

    Floating point holds every integer below 2**24 (float32) or 2**53 (float64), and is much the
    fastest.
    """
    if bound < 1 << 24:
        return torch.float32
    return torch.float64 if bound < 1 << 53 else torch.int64


@dataclass
class LayerState:
    """v, r and q of a layer while it runs, each (batch, neurons)."""

    v: torch.Tensor
    r: torch.Tensor
    q: torch.Tensor | None

    def carried(self) -> GoldenState:
        """As it is handed out."""
        q = None if self.q is None else self.q.to(torch.int64).numpy()
        return GoldenState(self.v.to(torch.int64).numpy(), self.r.numpy().copy(), q)


class GoldenLayer:
    """A layer's constants as tensors, and one pass over a piece of steps.

    Attributes
    ----------
    neuron_shape, neurons : shape and number of its neurons.
    width : values of a sample that a step of it takes at once, for the size of pieces.
    """

    def __init__(self, network: Network, index: int, state_bits: int, input_high: int) -> None:
        layer, self.shape = network.layers[index], network.input_shapes[index]
        self.layer, self.neuron = layer, layer.neuron
        self.neuron_shape = network.neuron_shapes[index]
        self.neurons, self.fraction_bits = prod(self.neuron_shape), network.fraction_bits
        self.low, self.high = -(1 << (state_bits - 1)), (1 << (state_bits - 1)) - 1
        self._check(index, state_bits)
        pool = layer.pool_before
        self.pooled = self.shape if pool is None else pool.output_shape(self.shape)
        lowest, highest = layer.sum_bounds(self.shape)
        bound = int((highest - lowest).max()) * input_high
        self.multiply = exact_dtype(bound)
        # b + 2**F A + d, where |d| <= 3 * 2**V and the reset takes a threshold more.
        widest = (bound << self.fraction_bits) + (8 << state_bits)
        self.integer = torch.int32 if widest <= _INT32_ROOM else torch.int64
        positions = self.neurons // layer.channels
        self.bias = torch.tensor(layer.bias.repeat(positions), dtype=self.integer)
        self.threshold = torch.tensor(layer.threshold.repeat(positions), dtype=self.integer)
        flat = layer.weight.reshape(layer.channels, -1)
        self.width = max(prod(self.shape), self.neurons)
        self.recurrent: torch.Tensor | None = None
        if isinstance(layer, Conv2d):
            self.weight = torch.tensor(flat, dtype=self.multiply)
            self.width = max(self.width, flat.shape[1] * positions)
        else:
            self.weight = torch.tensor(flat, dtype=self.multiply).t().contiguous()
            if layer.recurrent is not None:
                back = torch.tensor(layer.recurrent, dtype=self.multiply)
                self.recurrent = back.t().contiguous()

    def _check(self, index: int, state_bits: int) -> None:
        """Refuse what membranes of that width cannot hold."""
        for name, values in (
            ("bias", self.layer.bias), ("threshold", self.layer.threshold),
            ("v_init", np.array(self.neuron.v_init)),
        ):
            if values.max() > self.high or values.min() < self.low:
                worst = int(values.max() if values.max() > self.high else values.min())
                raise ValueError(
                    f"layers[{index}] {name} must be from {self.low} to {self.high} "
                    f"(state_bits {state_bits}), not {worst}"
                )

    def current(self, inputs: torch.Tensor) -> torch.Tensor:
        """(..., neurons) currents of (..., inputs) inputs, without recurrence."""
        if inputs.dtype == torch.bool:
            inputs = inputs.view(torch.uint8)  # converts several times as fast
        values = inputs.to(self.multiply)
        if self.layer.pool_before is not None:
            tiles = _tiles(values, self.shape, self.layer.pool_before.size)
            values = tiles.sum((-3, -1)).reshape(*values.shape[:-1], -1)
        if isinstance(self.layer, Conv2d):
            product = self._convolved(values, self.layer)
        else:
            product = torch.matmul(values, self.weight)
        return product.to(self.integer).bitwise_left_shift_(self.fraction_bits).add_(self.bias)

    def _convolved(self, values: torch.Tensor, layer: Conv2d) -> torch.Tensor:
        """A matrix product over receptive fields: torch's own convolutions may take transforms that
        round (Winograd's)."""
        maps = values.reshape(-1, *self.pooled)
        down, across = layer.padding
        padded = torch.nn.functional.pad(maps, (across, across, down, down))
        fields = padded
        for axis, (size, stride) in enumerate(zip(layer.kernel, layer.stride, strict=True)):
            fields = fields.unfold(2 + axis, size, stride)
        # (maps, channels, rows, columns, kh, kw): an output's weights, then the positions.
        columns = fields.permute(0, 1, 4, 5, 2, 3).reshape(len(maps), self.weight.shape[1], -1)
        return torch.matmul(self.weight, columns).reshape(*values.shape[:-1], self.neurons)

    def start(self, batch: int, carried: GoldenState | None) -> LayerState:
        """State at the start of a sample, or the one carried."""
        shape = (batch, self.neurons)
        synapse = self.neuron.synapse_leak is not None
        if carried is None:
            q = torch.zeros(shape, dtype=self.integer) if synapse else None
            v = torch.full(shape, self.neuron.v_init, dtype=self.integer)
            return LayerState(v, torch.zeros(shape, dtype=torch.bool), q)
        q = torch.tensor(carried.q, dtype=self.integer) if synapse else None
        v = torch.tensor(carried.v, dtype=self.integer)
        return LayerState(v, torch.tensor(carried.r), q)

    def run(self, currents: torch.Tensor, steps: int, state: LayerState) -> torch.Tensor:
        """(steps, batch, neurons) bool spikes; ``state`` is updated.

        ``currents`` is (steps, batch, neurons), or (batch, neurons) for the same in every step.
        """
        neuron, constant = self.neuron, currents.ndim == 2
        v, r, q = state.v, state.r, state.q
        spikes = torch.zeros((steps, *v.shape), dtype=torch.bool)
        subtract, zero = neuron.reset == "subtract", neuron.reset == "zero"
        delayed = subtract and neuron.reset_timing == "next_step"
        fire = torch.ge if neuron.compare == "ge" else torch.gt
        # Comparing into the membranes' dtype takes a third of the time of comparing into bool.
        scratch, fired = torch.empty_like(v), r.to(self.integer)
        for t in range(steps):
            i = currents if constant else currents[t]
            if self.recurrent is not None:
                back = torch.matmul(fired.to(self.multiply), self.recurrent).to(self.integer)
                i = back.bitwise_left_shift_(self.fraction_bits).add_(i)
            if q is not None and neuron.synapse_leak is not None:
                i = _leak_(q, neuron.synapse_leak, scratch).add_(i).clamp_(self.low, self.high)
            _leak_(v, neuron.leak, scratch)
            if delayed:
                v.sub_(torch.mul(fired, self.threshold, out=scratch))
            v.add_(i).clamp_(self.low, self.high)
            if not neuron.fires:
                continue
            fire(v, self.threshold, out=fired)
            spikes[t] = fired
            if zero:
                v.masked_fill_(spikes[t], 0)
            elif subtract and not delayed:
                v.sub_(torch.mul(fired, self.threshold, out=scratch))
        state.r = spikes[-1]
        return spikes

    def handed_on(self, spikes: torch.Tensor) -> torch.Tensor:
        """(..., outputs) of (..., neurons) bool spikes or stable spikes: their OR over a pool."""
        pool = self.layer.pool_after
        if pool is None:
            return spikes
        tiles = _tiles(spikes, self.neuron_shape, pool.size)
        pooled = torch.zeros(tiles.shape[:-3] + tiles.shape[-2:-1], dtype=torch.bool)
        for row in range(pool.size):  # some ten times as fast as a maximum over two axes
            for column in range(pool.size):
                pooled |= tiles[..., row, :, column]
        return pooled.reshape(*spikes.shape[:-1], -1)


def _tiles(values: torch.Tensor, shape: tuple[int, ...], size: int) -> torch.Tensor:
    """(..., channels, rows, size, columns, size) of (..., flat) maps; odd edges are dropped."""
    channels, height, width = shape
    rows, columns = height // size, width // size
    maps = values.reshape(*values.shape[:-1], *shape)[..., : rows * size, : columns * size]
    return maps.reshape(*maps.shape[:-3], channels, rows, size, columns, size)


def _leak_(
    value: torch.Tensor, leak: tuple[int | None, int | None], scratch: torch.Tensor
) -> torch.Tensor:
    """``value - (value >> a) - (value >> c)``, in place."""
    a, c = leak
    if a is not None and c is not None:
        second = value >> c
        return value.sub_(torch.bitwise_right_shift(value, a, out=scratch)).sub_(second)
    shift = a if a is not None else c
    if shift is None:
        return value
    return value.sub_(torch.bitwise_right_shift(value, shift, out=scratch))


def skeleton(spikes: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """k of (steps, batch, neurons) spikes; ``before`` is the spike of the step before the first."""
    stable = spikes.clone()
    stable[0] &= before
    stable[1:] &= spikes[:-1]
    return stable
