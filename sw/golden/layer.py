"""One layer of the golden model: its currents, its neurons, and its output."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt
import torch

from ..network import Conv2d, Layer, Leak, Network

__all__ = ["GoldenLayer", "GoldenState", "LayerState", "exact_dtype", "skeleton"]

_INT32_ROOM = (1 << 31) - 1

Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]
Terms = tuple[tuple[int, int], ...]
_ByLeak = list[tuple[Terms, torch.Tensor | None]]
"""The terms of leaks, each with its neurons; None for all of them."""


@dataclass(frozen=True)
class GoldenState:
    """The state of one layer, from which a later run continues.

    Maps are in C order (channel, height, width).

    Attributes
    ----------
    v : array of int64
        (batch, neurons) membranes.
    r : array of bool
        (batch, neurons) whether each neuron spiked in the last step.
    q : array of int64 or None
        (batch, neurons) synapses; None if the neurons have none.
    """

    v: Integers
    r: Bools
    q: Integers | None


def exact_dtype(bound: int) -> torch.dtype:
    """The fastest dtype in which a matrix product is exact if no partial sum exceeds ``bound``.

    Floating point holds every integer below 2**24 (float32) or 2**53 (float64), and is much faster
    than integers.
    """
    if bound < 1 << 24:
        return torch.float32
    return torch.float64 if bound < 1 << 53 else torch.int64


@dataclass
class LayerState:
    """The state of a layer while it runs; see ``GoldenState``."""

    v: torch.Tensor
    r: torch.Tensor
    q: torch.Tensor | None

    def carried(self) -> GoldenState:
        """A copy in numpy arrays, as results have it."""
        q = None if self.q is None else self.q.to(torch.int64).numpy()
        return GoldenState(self.v.to(torch.int64).numpy(), self.r.numpy().copy(), q)

    def copied(self) -> LayerState:
        """A copy."""
        q = None if self.q is None else self.q.clone()
        return LayerState(self.v.clone(), self.r.clone(), q)

    def take(self, other: LayerState, samples: torch.Tensor) -> None:
        """Take the state of some samples from another one."""
        self.v[samples], self.r[samples] = other.v[samples], other.r[samples]
        if self.q is not None and other.q is not None:
            self.q[samples] = other.q[samples]


class GoldenLayer:
    """The constants of a layer as tensors, and its computation for a number of steps.

    Parameters
    ----------
    network : Network
        The network.
    index : int
        The number of the layer.
    state_bits : int
        V, the width of membranes.
    input_high : int
        The highest value of an input.

    Attributes
    ----------
    neuron_shape : tuple of int
        The shape of its neurons.
    neurons : int
        Their number.
    width : int
        The largest number of values that one step of a sample has here, for the size of pieces.

    Raises
    ------
    ValueError
        If a bias, a threshold or ``v_init`` is wider than ``state_bits``.
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
        # The largest term is b + 2**F A + d, where |d| <= 3 * 2**V, and the reset subtracts a
        # threshold as well.
        widest = (bound << self.fraction_bits) + (8 << state_bits)
        self.integer = torch.int32 if widest <= _INT32_ROOM else torch.int64
        positions = self.neurons // layer.channels
        self.bias = torch.tensor(layer.bias.repeat(positions), dtype=self.integer)
        self.threshold = torch.tensor(layer.threshold.repeat(positions), dtype=self.integer)
        self.leaks, self.synapse_leaks = _neurons_by_leak(layer, positions)
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
        """Refuse values that membranes of that width cannot hold."""
        checked = {"bias": self.layer.bias, "v_init": np.array(self.neuron.v_init)}
        if self.neuron.fires:  # else the threshold is never compared
            checked["threshold"] = self.layer.threshold
        for name, values in checked.items():
            if values.max() > self.high or values.min() < self.low:
                worst = int(values.max() if values.max() > self.high else values.min())
                raise ValueError(
                    f"layers[{index}] {name} must be from {self.low} to {self.high} "
                    f"(state_bits {state_bits}), not {worst}: use more state_bits"
                )

    def current(self, inputs: torch.Tensor) -> torch.Tensor:
        """(..., neurons) currents for (..., inputs) inputs, without recurrence."""
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
        """The convolution as a matrix product over receptive fields: torch's own may use transforms
        that round, such as Winograd's."""
        maps = values.reshape(-1, *self.pooled)
        down, across = layer.padding
        padded = torch.nn.functional.pad(maps, (across, across, down, down))
        fields = padded
        for axis, (size, stride) in enumerate(zip(layer.kernel, layer.stride, strict=True)):
            fields = fields.unfold(2 + axis, size, stride)
        # (maps, channels, rows, columns, kh, kw) in the order of the weights of an output, then
        # the positions.
        columns = fields.permute(0, 1, 4, 5, 2, 3).reshape(len(maps), self.weight.shape[1], -1)
        return torch.matmul(self.weight, columns).reshape(*values.shape[:-1], self.neurons)

    def start(self, batch: int, carried: GoldenState | None) -> LayerState:
        """The state at the start of a sample, or the carried one."""
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
        """The spikes of some steps. ``state`` is updated.

        Parameters
        ----------
        currents : tensor
            (steps, batch, neurons), or (batch, neurons) for the same currents in every step.
        steps : int
            The number of steps.
        state : LayerState
            The state before the first step; it is updated to the state after the last one.

        Returns
        -------
        tensor of bool
            (steps, batch, neurons).
        """
        neuron, constant = self.neuron, currents.ndim == 2
        v, r, q = state.v, state.r, state.q
        spikes = torch.zeros((steps, *v.shape), dtype=torch.bool)
        subtract, zero = neuron.reset == "subtract", neuron.reset == "zero"
        delayed = subtract and neuron.reset_timing == "next_step"
        fire = torch.ge if neuron.compare == "ge" else torch.gt
        # A comparison into the dtype of the membranes takes a third of the time of one into bool.
        scratch, fired = torch.empty_like(v), r.to(self.integer)
        for t in range(steps):
            i = currents if constant else currents[t]
            if self.recurrent is not None:
                back = torch.matmul(fired.to(self.multiply), self.recurrent).to(self.integer)
                i = back.bitwise_left_shift_(self.fraction_bits).add_(i)
            if q is not None:
                i = _leaks_(q, self.synapse_leaks, scratch).add_(i).clamp_(self.low, self.high)
            _leaks_(v, self.leaks, scratch)
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

    def output(self, spikes: torch.Tensor) -> torch.Tensor:
        """(..., outputs) for (..., neurons) spikes or stable spikes: the OR over a pool, if any."""
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
    """(..., flat) maps as (..., channels, rows, size, columns, size). Edges that do not fill a cell
    are dropped."""
    channels, height, width = shape
    rows, columns = height // size, width // size
    maps = values.reshape(*values.shape[:-1], *shape)[..., : rows * size, : columns * size]
    return maps.reshape(*maps.shape[:-3], channels, rows, size, columns, size)


def _neurons_by_leak(layer: Layer, positions: int) -> tuple[_ByLeak, _ByLeak]:
    """The leaks of membranes and of synaptic currents, each with its neurons in C order."""
    kinds, kind = layer.neuron.kinds(layer.channels)
    found: tuple[_ByLeak, _ByLeak] = ([], [])
    for number, neuron in enumerate(kinds):
        neurons = torch.tensor(np.flatnonzero((kind == number).repeat(positions)))
        for each, leak in zip(found, (neuron.leak, neuron.synapse_leak), strict=True):
            if isinstance(leak, Leak):
                each.append((leak.terms, None if len(kinds) == 1 else neurons))
    return found


def _leaks_(value: torch.Tensor, leaks: _ByLeak, scratch: torch.Tensor) -> torch.Tensor:
    """(batch, neurons) states behind the leaks of their neurons, in place."""
    for terms, neurons in leaks:
        if neurons is None:
            return _leak_(value, terms, scratch)
        part = value[:, neurons]
        value[:, neurons] = _leak_(part, terms, torch.empty_like(part))
    return value


def _leak_(value: torch.Tensor, terms: Terms, scratch: torch.Tensor) -> torch.Tensor:
    """``value - (value >> a) - (value >> c)``, in place; with ``add``, the second term is added."""
    # The terms are of the value before; the last one may be written over.
    shifted = [value >> shift for _, shift in terms[:-1]]
    shifted += [torch.bitwise_right_shift(value, s, out=scratch) for _, s in terms[-1:]]
    for (sign, _), term in zip(terms, shifted, strict=True):
        value.add_(term, alpha=sign)
    return value


def skeleton(spikes: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """The stable spikes of (steps, batch, neurons) spikes.

    ``before`` has the (batch, neurons) spikes of the step before the first.
    """
    stable = spikes.clone()
    stable[0] &= before
    stable[1:] &= spikes[:-1]
    return stable
