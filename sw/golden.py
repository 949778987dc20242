"""The golden model: the numerics in PyTorch, batched, the same integers as the hardware's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from .network import Dense, Network
from .samples import check_samples
from .spec.array import LIMITS, ArrayConfig
from .values import exact_int
from .words import pack_steps, predict

__all__ = ["Golden", "GoldenResult", "GoldenState"]

_CHUNK_VALUES = 1 << 23  # inputs multiplied at once; bounds the memory of long or large batches
_STEPS_AT_ONCE = 255  # per-neuron counts of a piece fit a byte, which adds fastest
_INT32_ROOM = (1 << 31) - 1

Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class GoldenState:
    """What one layer carries on: v, r and q, each (batch, neurons); q is None without a synapse."""

    v: Integers
    r: Bools
    q: Integers | None


@dataclass(frozen=True)
class GoldenResult:
    """Results of a batch.

    Attributes
    ----------
    readout : (batch, outputs) counts or membranes, or (batch, outputs, windows) words.
    prediction : (batch,).
    readout_skeleton, agreement : of the last layer's run on the skeleton, and (batch,) whether it
        predicts the same; None unless a layer has ``emit="both"``.
    spike_counts, stable_counts : (batch, layers) bits set in s and k of all neurons and steps.
    spikes, skeleton : per layer (batch, steps, *neurons), s and k before emission, of the run on
        the spikes; empty without ``trace``.
    state : per layer, and with ``emit="both"`` once more for the last layer's run on the skeleton.
    steps : steps of this run.
    """

    readout: Integers
    prediction: Integers
    readout_skeleton: Integers | None
    agreement: Bools | None
    spike_counts: Integers
    stable_counts: Integers
    spikes: tuple[Bools, ...]
    skeleton: tuple[Bools, ...]
    state: tuple[GoldenState, ...]
    steps: int


def exact_dtype(bound: int) -> torch.dtype:
    """What a matrix product is exact in, when no partial sum of it is beyond ``bound``.

    Floating point holds every integer below 2**24 (float32) or 2**53 (float64), and is much the
    fastest.
    """
    if bound < 1 << 24:
        return torch.float32
    return torch.float64 if bound < 1 << 53 else torch.int64


@dataclass
class _State:
    """v, r and q of a layer while it runs, each (batch, neurons)."""

    v: torch.Tensor
    r: torch.Tensor
    q: torch.Tensor | None

    def carried(self) -> GoldenState:
        q = None if self.q is None else self.q.to(torch.int64).numpy()
        return GoldenState(self.v.to(torch.int64).numpy(), self.r.numpy().copy(), q)


class _Layer:
    """One layer ready to run: exact weights, wide enough integers."""

    def __init__(self, network: Network, index: int, state_bits: int, input_high: int) -> None:
        layer: Dense = network.layers[index]
        weight = network.folded_weight(index)
        self.neuron, self.emit = layer.neuron, layer.emit
        self.outputs, self.fraction_bits = weight.shape[0], network.fraction_bits
        self.low, self.high = -(1 << (state_bits - 1)), (1 << (state_bits - 1)) - 1
        for name, values in (
            ("bias", layer.bias), ("threshold", layer.threshold),
            ("v_init", np.array(layer.neuron.v_init)),
        ):
            if values.max() > self.high or values.min() < self.low:
                worst = int(values.max() if values.max() > self.high else values.min())
                raise ValueError(
                    f"layers[{index}] {name} must be from {self.low} to {self.high} "
                    f"(state_bits {state_bits}), not {worst}"
                )
        bound = int(np.abs(weight).sum(axis=1).max()) * input_high
        self.multiply = exact_dtype(bound)
        # b + 2**F A + d, where |d| <= 3 * 2**V and the reset takes a threshold more.
        widest = (bound << self.fraction_bits) + (8 << state_bits)
        self.integer = torch.int32 if widest <= _INT32_ROOM else torch.int64
        self.weight = torch.tensor(weight, dtype=self.multiply).t().contiguous()
        self.bias = torch.tensor(layer.bias, dtype=self.integer)
        self.threshold = torch.tensor(layer.threshold, dtype=self.integer)

    def current(self, inputs: torch.Tensor) -> torch.Tensor:
        """(..., out) currents of (..., in) inputs."""
        if inputs.dtype == torch.bool:
            inputs = inputs.view(torch.uint8)  # converts several times as fast
        product = torch.matmul(inputs.to(self.multiply), self.weight).to(self.integer)
        return product.bitwise_left_shift_(self.fraction_bits).add_(self.bias)

    def start(self, batch: int, carried: GoldenState | None) -> _State:
        """State at the start of a sample, or the one carried."""
        shape = (batch, self.outputs)
        synapse = self.neuron.synapse_leak is not None
        if carried is None:
            q = torch.zeros(shape, dtype=self.integer) if synapse else None
            v = torch.full(shape, self.neuron.v_init, dtype=self.integer)
            return _State(v, torch.zeros(shape, dtype=torch.bool), q)
        q = torch.tensor(carried.q, dtype=self.integer) if synapse else None
        return _State(torch.tensor(carried.v, dtype=self.integer), torch.tensor(carried.r), q)

    def run(self, currents: torch.Tensor, steps: int, state: _State) -> torch.Tensor:
        """(steps, batch, out) bool spikes; ``state`` is updated.

        ``currents`` is (steps, batch, out), or (batch, out) for the same in every step.
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


def _skeleton(spikes: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """k of (steps, batch, out) spikes; ``before`` is the spike of the step before the first."""
    stable = spikes.clone()
    stable[0] &= before
    stable[1:] &= spikes[:-1]
    return stable


class _Run:
    """What one pass over a chunk of samples gathers, for each layer that runs."""

    def __init__(self, count: int, last: int, keep: set[int]) -> None:
        self.spikes: list[list[torch.Tensor]] = [[] for _ in range(count)]
        self.skeleton: list[list[torch.Tensor]] = [[] for _ in range(count)]
        self.spike_counts: list[torch.Tensor | int] = [0] * count
        self.stable_counts: list[torch.Tensor | int] = [0] * count
        self.emitted_counts: list[torch.Tensor | int] = [0] * count
        self.last, self.keep = last, keep

    def add(self, index: int, emit: str, spikes: torch.Tensor, stable: torch.Tensor) -> None:
        fired, stayed = (
            each.view(torch.uint8).sum(dim=0, dtype=torch.uint8) for each in (spikes, stable)
        )
        self.spike_counts[index] = self.spike_counts[index] + fired.sum(dim=1)
        self.stable_counts[index] = self.stable_counts[index] + stayed.sum(dim=1)
        if index >= self.last:
            emitted = stayed if emit == "skeleton" else fired
            self.emitted_counts[index] = self.emitted_counts[index] + emitted.to(torch.int64)
        if index in self.keep:
            self.spikes[index].append(spikes)
            self.skeleton[index].append(stable)


class Golden:
    """A network on the golden model.

    Parameters
    ----------
    network : the network.
    state_bits : V, the width of membranes (``ArrayConfig.state_bits``).
    window : T, the steps in a word of the "words" readout; nothing else depends on it.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, or a bias, threshold or ``v_init`` is wider than
        ``state_bits``.
    """

    def __init__(
        self,
        network: Network,
        state_bits: int = ArrayConfig.state_bits,
        window: int = ArrayConfig.window,
    ) -> None:
        if not isinstance(network, Network):
            raise TypeError(f"network must be a Network, not {network!r}")
        self.network = network
        self.state_bits = exact_int("state_bits", state_bits, *LIMITS["state_bits"])
        self.window = exact_int("window", window, *LIMITS["window"])
        self._layers = [
            _Layer(
                network, i, self.state_bits,
                (1 << network.input.bits) - 1 if i == 0 else 1,
            )
            for i in range(len(network.layers))
        ]
        # The layers that run: with "both" the last one twice, the second time on the skeleton.
        self._runs = self._layers + ([self._layers[-1]] if network.both else [])

    def run(
        self,
        samples: Any,
        steps: int | None = None,
        trace: bool = False,
        state: Sequence[GoldenState] | None = None,
    ) -> GoldenResult:
        """Run a batch of samples.

        Parameters
        ----------
        samples : (batch, steps, *shape) zeros and ones, or (batch, *shape) pixels.
        steps : steps per sample; needed for pixels.
        trace : keep the spikes and the skeleton of every layer.
        state : ``state`` of an earlier result, to go on from it; None starts afresh.

        Raises
        ------
        TypeError, ValueError
            If samples or state do not fit the network; the message says what is allowed.
        """
        flat, steps = check_samples(self.network, samples, steps)
        batch = len(flat)
        if not batch:
            raise ValueError("samples must hold at least 1 sample, not 0")
        if state is not None:
            self._check_state(state, batch)
        widest = max(self.network.input.size, *(layer.outputs for layer in self._layers))
        per_chunk = max(1, _CHUNK_VALUES // widest)
        rows = max(1, per_chunk // steps)
        steps_at_once = min(_STEPS_AT_ONCE, max(1, per_chunk // rows))
        with torch.inference_mode():
            parts = [
                self._run_chunk(
                    flat[at : at + rows], steps, steps_at_once, trace,
                    None if state is None else [_rows(entry, at, rows) for entry in state],
                )
                for at in range(0, batch, rows)
            ]
        return parts[0] if len(parts) == 1 else _joined(parts)

    def _check_state(self, state: Sequence[GoldenState], batch: int) -> None:
        if len(state) != len(self._runs):
            raise ValueError(f"state must have {len(self._runs)} layers, not {len(state)}")
        for i, (layer, entry) in enumerate(zip(self._runs, state, strict=True)):
            if not isinstance(entry, GoldenState):
                raise TypeError(f"state[{i}] must be a GoldenState, not {entry!r}")
            if entry.v.shape != (batch, layer.outputs):
                raise ValueError(
                    f"state[{i}] must be of {batch} samples and {layer.outputs} neurons, "
                    f"not {entry.v.shape}"
                )
            if (entry.q is None) != (layer.neuron.synapse_leak is None):
                raise ValueError(
                    f"state[{i}] must have q exactly where the layer has a synapse_leak "
                    f"({layer.neuron.synapse_leak}): it is of another network"
                )

    def _run_chunk(
        self,
        flat: npt.NDArray[Any],
        steps: int,
        steps_at_once: int,
        trace: bool,
        carried: list[GoldenState] | None,
    ) -> GoldenResult:
        """Some samples, a piece of their steps after the other, layer by layer."""
        network, last, batch = self.network, len(self._layers) - 1, len(flat)
        words = network.readout == "words"
        state = [
            layer.start(batch, None if carried is None else carried[i])
            for i, layer in enumerate(self._runs)
        ]
        keep = set(range(last + 1)) if trace else set()
        if words:
            keep |= {last, len(self._runs) - 1}
        gathered = _Run(len(self._runs), last, keep)
        pixels = network.input.kind == "pixels"
        constant = self._layers[0].current(_tensor(flat)) if pixels else None

        for first in range(0, steps, steps_at_once):
            n = min(steps_at_once, steps - first)
            inputs = skeleton_inputs = torch.empty(0)
            if constant is None:
                inputs = _tensor(np.swapaxes(flat[:, first : first + n], 0, 1))
            for i, layer in enumerate(self._runs):
                source = skeleton_inputs if i > last else inputs
                currents = constant if i == 0 and constant is not None else layer.current(source)
                previous = state[i].r
                spikes = layer.run(currents, n, state[i])
                stable = _skeleton(spikes, previous)
                gathered.add(i, layer.emit, spikes, stable)
                if i < last:
                    inputs = stable if layer.emit == "skeleton" else spikes
                    skeleton_inputs = stable
        return self._result(gathered, state, steps, trace)

    def _result(
        self, run: _Run, state: list[_State], steps: int, trace: bool
    ) -> GoldenResult:
        network, last = self.network, len(self._layers) - 1
        carried = tuple(entry.carried() for entry in state)

        def readout(index: int) -> Integers:
            if network.readout == "membrane":
                return carried[index].v.copy()
            if network.readout == "counts":
                return np.asarray(run.emitted_counts[index], dtype=np.int64)
            kept = run.skeleton if network.layers[last].emit == "skeleton" else run.spikes
            packed = pack_steps(_batch_first(kept[index]), self.window)
            return np.ascontiguousarray(np.swapaxes(packed, 1, 2), dtype=np.int64)

        def counts(each: list[torch.Tensor | int]) -> Integers:
            return np.stack([np.asarray(c, dtype=np.int64) for c in each[: last + 1]], axis=1)

        def traces(kept: list[list[torch.Tensor]]) -> tuple[Bools, ...]:
            return tuple(_batch_first(each) for each in kept[: last + 1]) if trace else ()

        read = readout(last)
        prediction = predict(read, network.readout)
        read_skeleton = readout(last + 1) if network.both else None
        agreement = None
        if read_skeleton is not None:
            agreement = prediction == predict(read_skeleton, network.readout)
        return GoldenResult(
            readout=read,
            prediction=prediction,
            readout_skeleton=read_skeleton,
            agreement=agreement,
            spike_counts=counts(run.spike_counts),
            stable_counts=counts(run.stable_counts),
            spikes=traces(run.spikes),
            skeleton=traces(run.skeleton),
            state=carried,
            steps=steps,
        )


def _tensor(array: npt.NDArray[Any]) -> torch.Tensor:
    """A tensor of a checked array, a copy where torch has no such dtype or layout."""
    odd = array.dtype.itemsize > (1 if array.dtype.kind == "u" else 8) or not array.dtype.isnative
    if odd:
        array = array.astype(np.int64)
    elif not array.flags.writeable or min(array.strides) < 0:
        array = array.copy()
    return torch.from_numpy(array)


def _batch_first(pieces: list[torch.Tensor]) -> Bools:
    """(batch, steps, out) of pieces of (steps, batch, out)."""
    whole: Bools = torch.cat(pieces).transpose(0, 1).contiguous().numpy()
    return whole


def _rows(entry: GoldenState, at: int, count: int) -> GoldenState:
    part = slice(at, at + count)
    return GoldenState(entry.v[part], entry.r[part], None if entry.q is None else entry.q[part])


def _joined(parts: list[GoldenResult]) -> GoldenResult:
    """One result of the results of consecutive samples."""

    def join(*arrays: Any) -> Any:
        if isinstance(arrays[0], np.ndarray):
            return np.concatenate(arrays)
        if isinstance(arrays[0], tuple):
            return tuple(join(*entries) for entries in zip(*arrays, strict=True))
        if isinstance(arrays[0], GoldenState):
            return GoldenState(*(join(*each) for each in zip(*map(_fields, arrays), strict=True)))
        return arrays[0]

    return GoldenResult(**{
        name: join(*(getattr(part, name) for part in parts))
        for name in GoldenResult.__dataclass_fields__
    })


def _fields(entry: GoldenState) -> tuple[Integers, Bools, Integers | None]:
    return entry.v, entry.r, entry.q
