"""One layer of the golden model: its currents, its neurons, and its output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..network import Layer, Leak, Network
from .products import Products, channels_first, channels_last, exact_dtype, tiles

__all__ = ["GoldenLayer", "GoldenState", "LayerState", "Totals", "counted"]

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


@dataclass
class LayerState:
    """The state of a layer while it runs; see ``GoldenState``. Maps are channels last here.

    ``shape`` is that of the neurons. ``at_rest`` says that all of the state is 0, whatever ``v``
    and ``q`` hold.
    """

    v: torch.Tensor
    r: torch.Tensor
    q: torch.Tensor | None
    shape: tuple[int, ...]
    at_rest: bool = False

    @staticmethod
    def carried(entries: Sequence[LayerState]) -> GoldenState:
        """The states of consecutive samples as one copy in numpy arrays, as results have it."""

        def joined(name: str, dtype: torch.dtype) -> npt.NDArray[Any]:
            values = torch.cat([getattr(entry, name) for entry in entries])
            return channels_first(values, entries[0].shape).to(dtype).contiguous().numpy()

        v, r = joined("v", torch.int64), joined("r", torch.bool)
        return GoldenState(v, r, None if entries[0].q is None else joined("q", torch.int64))

    @property
    def last(self) -> LayerState:
        """The state of the last sample."""
        q = None if self.q is None else self.q[-1:]
        return LayerState(self.v[-1:], self.r[-1:], q, self.shape)

    def copied(self) -> LayerState:
        """A copy."""
        q = None if self.q is None else self.q.clone()
        return LayerState(self.v.clone(), self.r.clone(), q, self.shape)

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
    output_shape : tuple of int
        The shape of its output, behind its pool.
    width : int
        The largest number of values that one step of a sample has here, for the size of pieces.
    current : Products
        (..., neurons) currents for (..., inputs) inputs, without recurrence. Maps are channels
        last.

    Raises
    ------
    ValueError
        If a bias, a threshold or ``v_init`` is wider than ``state_bits``.
    """

    def __init__(self, network: Network, index: int, state_bits: int, input_high: int) -> None:
        layer, self.shape = network.layers[index], network.input_shapes[index]
        self.layer, self.neuron = layer, layer.neuron
        self.neuron_shape = network.neuron_shapes[index]
        self.output_shape = layer.output_shape(self.shape)
        self.neurons, self.fraction_bits = prod(self.neuron_shape), network.fraction_bits
        self.low, self.high = -(1 << (state_bits - 1)), (1 << (state_bits - 1)) - 1
        self._check(index, state_bits)
        lowest, highest = layer.sum_bounds(self.shape)
        bound = int((highest - lowest).max()) * input_high
        # The largest term is b + 2**F A + d, where |d| <= 3 * 2**V, and the reset subtracts a
        # threshold as well.
        self.dtype = exact_dtype((bound << self.fraction_bits) + (8 << state_bits))
        self.current = Products(layer, self.shape, input_high, self.fraction_bits, self.dtype)
        self.width = max(prod(self.shape), self.neurons, self.current.width)
        positions = self.neurons // layer.channels
        self.threshold = torch.tensor(np.tile(layer.threshold, positions), dtype=self.dtype)
        self.delayed = self.neuron.reset == "subtract" and self.neuron.reset_timing == "next_step"
        self.leaks, self.synapse_leaks = _neurons_by_leak(layer, positions)
        self.recurrent: torch.Tensor | None = None
        if layer.recurrent is not None:
            self.recurrent = self.current.scaled(torch.tensor(layer.recurrent))

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

    def start(self, batch: int, carried: GoldenState | None) -> LayerState:
        """The state at the start of a sample, or the carried one."""
        shape = (batch, self.neurons)
        synapse = self.neuron.synapse_leak is not None
        if carried is None:
            r, rest = torch.zeros(shape, dtype=torch.bool), not self.neuron.v_init
            v = torch.empty(shape, dtype=self.dtype)
            q = torch.zeros_like(v) if synapse else None
            if not rest:
                v.fill_(self.neuron.v_init)
            return LayerState(v, r, q, self.neuron_shape, rest)

        def own(values: npt.NDArray[Any], dtype: torch.dtype) -> torch.Tensor:
            return channels_last(torch.tensor(values, dtype=dtype), self.neuron_shape)

        q = None if carried.q is None else own(carried.q, self.dtype)
        v, r = own(carried.v, self.dtype), own(carried.r, torch.bool)
        return LayerState(v, r, q, self.neuron_shape)

    def run(self, currents: torch.Tensor, steps: int, state: LayerState) -> torch.Tensor:
        """The spikes of some steps, and their skeleton. ``state`` is updated.

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
            (2, steps, batch, neurons): spikes, and stable spikes.
        """
        neuron, constant = self.neuron, currents.ndim == 2
        # The spikes of the step before are in front, so that one AND makes the skeleton.
        pair = torch.empty((2, steps + 1, *state.v.shape), dtype=torch.bool)
        pair[0, 0] = state.r
        zero = neuron.reset == "zero"
        at_once = neuron.reset == "subtract" and not self.delayed
        fire = torch.ge if neuron.compare == "ge" else torch.gt
        # A comparison into the dtype of the membranes takes a third of the time of one into bool.
        v, fired = state.v, state.r.view(torch.uint8).to(self.dtype)
        scratch = torch.empty_like(v)
        for t, spikes in enumerate(pair[0, 1:].unbind()):
            self._charge(state, currents if constant else currents[t], fired, scratch)
            if not neuron.fires:
                continue
            fire(v, self.threshold, out=fired)
            spikes.copy_(fired)
            if zero:
                v.masked_fill_(spikes, 0)
            elif at_once:
                v.addcmul_(fired, self.threshold, value=-1)
        if not neuron.fires:
            return pair[:, 1:].zero_()
        words = _words(pair)
        torch.bitwise_and(words[0, 1:], words[0, :-1], out=words[1, 1:])
        state.r = pair[0, -1].clone()
        return pair[:, 1:]

    def _charge(
        self, state: LayerState, i: torch.Tensor, fired: torch.Tensor, scratch: torch.Tensor
    ) -> None:
        """Leaks, currents and a delayed reset: the membranes before they fire, in place."""
        v, q = state.v, state.q
        if state.at_rest:
            state.at_rest = False
            if q is not None:
                i = torch.clamp(i, self.low, self.high, out=q)
            torch.clamp(i, self.low, self.high, out=v)
            return
        if self.recurrent is not None:
            back = torch.matmul(fired.to(self.current.multiply), self.recurrent)
            i = back.to(self.dtype).add_(i)
        if q is not None:
            i = _leaks_(q, self.synapse_leaks, scratch).add_(i).clamp_(self.low, self.high)
        _leaks_(v, self.leaks, scratch)
        if self.delayed:
            v.addcmul_(fired, self.threshold, value=-1)
        v.add_(i).clamp_(self.low, self.high)

    def output(self, spikes: torch.Tensor) -> torch.Tensor:
        """(..., outputs) for (..., neurons) spikes or stable spikes: the OR over a pool, if any."""
        pool = self.layer.pool_after
        if pool is None:
            return spikes
        cells = _words(tiles(spikes, self.neuron_shape, pool.size))
        pooled = cells[..., 0, :, 0, :].clone()
        for row in range(pool.size):  # some ten times as fast as a maximum over two axes
            for column in range(pool.size):
                pooled |= cells[..., row, :, column, :]
        return pooled.view(torch.bool).flatten(-3)


def _neurons_by_leak(layer: Layer, positions: int) -> tuple[_ByLeak, _ByLeak]:
    """The leaks of membranes and of synaptic currents, each with its neurons."""
    kinds, kind = layer.neuron.kinds(layer.channels)
    found: tuple[_ByLeak, _ByLeak] = ([], [])
    for number, neuron in enumerate(kinds):
        neurons = torch.tensor(np.flatnonzero(np.tile(kind == number, positions)))
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
    if terms == ((-1, 1),) and value.is_floating_point():
        return value.mul_(0.5).ceil_()  # what is left of a half that is rounded down
    # The terms are of the value before; the last one may be written over.
    shifted = [_shifted(value, shift, torch.empty_like(value)) for _, shift in terms[:-1]]
    shifted += [_shifted(value, shift, scratch) for _, shift in terms[-1:]]
    for (sign, _), term in zip(terms, shifted, strict=True):
        value.add_(term, alpha=sign)
    return value


def _shifted(value: torch.Tensor, shift: int, out: torch.Tensor) -> torch.Tensor:
    """``value >> shift``, the floor, of whole numbers in any dtype."""
    if value.is_floating_point():
        return torch.mul(value, 2.0**-shift, out=out).floor_()
    return torch.bitwise_right_shift(value, shift, out=out)


def _words(spikes: torch.Tensor) -> torch.Tensor:
    """Spikes as integers of eight or of one, each in a byte."""
    return spikes.view(torch.uint8 if spikes.shape[-1] % 8 else torch.int64)


def counted(spikes: torch.Tensor) -> torch.Tensor:
    """(..., batch, neurons): the number of spikes of (..., steps, batch, neurons), in bytes: of at
    most 255 steps."""
    words = _words(spikes)
    return words.sum(dim=-3, dtype=words.dtype).view(torch.uint8)


class Totals:
    """(2, batch) spikes and stable spikes of a layer's neurons.

    They are added up when they are read, because of a small batch that takes a tenth of the time;
    but at once if many spikes wait.
    """

    waiting_bytes = 1 << 20

    def __init__(self) -> None:
        self._sums: torch.Tensor | None = None
        self._waiting: list[torch.Tensor] = []

    def add(self, pair: torch.Tensor) -> None:
        """Add (2, steps, batch, neurons) spikes and stable spikes of at most 255 steps."""
        self._waiting.append(pair)
        if sum(each.numel() for each in self._waiting) > self.waiting_bytes:
            self.read()

    def read(self) -> torch.Tensor:
        """The sums, in int64."""
        for pair in self._waiting:
            found = counted(pair).sum(dim=2, dtype=torch.int32).to(torch.int64)
            self._sums = found if self._sums is None else self._sums + found
        self._waiting.clear()
        assert self._sums is not None
        return self._sums
