"""The golden model: the numerics in PyTorch, batched, with the same integers as the hardware."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..network import Network
from ..samples.encoding import SampleEncoder, check_encoded
from ..samples.samples import check_samples
from ..samples.words import pack_steps, predict
from ..spec.array import LIMITS, ArrayConfig
from ..support.values import exact_int, exact_integers
from .layer import GoldenLayer, GoldenState, LayerState, Totals, counted
from .products import channels_first, channels_last

__all__ = ["Golden", "GoldenResult", "GoldenState"]

Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class GoldenResult:
    """The results of a batch.

    Attributes
    ----------
    readout : array of int64
        (batch, outputs) counts or membranes, or (batch, outputs, windows) words.
    prediction : array of int64
        (batch,) the index of the highest output, the lowest index on a tie.
    readout_skeleton : array of int64 or None
        The readout of the last layer's run on the skeleton; None unless a layer has
        ``emit="both"``.
    agreement : array of bool or None
        (batch,) whether that run predicts the same; None unless a layer has ``emit="both"``.
    spikes : tuple of array of bool
        Per layer ``(batch, steps, *neurons)``, before emission, of the run on the spikes; empty
        without ``trace``.
    skeleton : tuple of array of bool
        The stable spikes, likewise.
    steps : int
        The steps of this run, those of its longest sample.
    """

    readout: Integers
    prediction: Integers
    readout_skeleton: Integers | None
    agreement: Bools | None
    spikes: tuple[Bools, ...]
    skeleton: tuple[Bools, ...]
    steps: int
    # Per chunk of samples, per layer:
    _left: tuple[list[LayerState], ...] = field(repr=False)
    _totals: tuple[list[Totals], ...] = field(repr=False)

    @property
    def spike_counts(self) -> Integers:
        """(batch, layers) spikes of all neurons and steps."""
        spikes, _ = self._counts
        return spikes

    @property
    def stable_counts(self) -> Integers:
        """(batch, layers) stable spikes of all neurons and steps."""
        _, stable = self._counts
        return stable

    @cached_property
    def _counts(self) -> tuple[Integers, Integers]:
        chunks = [torch.stack([each.read() for each in part], dim=2) for part in self._totals]
        spikes, stable = torch.cat(chunks, dim=1).numpy()
        return spikes, stable

    @cached_property
    def state(self) -> tuple[GoldenState, ...]:
        """Per layer the state after the last step, and with ``emit="both"`` one more for the last
        layer's run on the skeleton. It is put together when it is first read."""
        return tuple(LayerState.carried(entries) for entries in zip(*self._left, strict=True))

    @property
    def last_state(self) -> tuple[GoldenState, ...]:
        """The same of the last sample alone."""
        return tuple(LayerState.carried([entry.last]) for entry in self._left[-1])


class _Run:
    """The results that one pass over a chunk of samples collects for each run of a layer.

    ``counts`` are (batch, outputs) spikes that are read.
    """

    def __init__(self, count: int, traced: int, readout: str) -> None:
        self.traces: list[list[torch.Tensor]] = [[] for _ in range(count)]
        self.emitted: list[list[torch.Tensor]] = [[] for _ in range(count)]
        self.totals = [Totals() for _ in range(count)]
        self.counts: list[torch.Tensor | None] = [None] * count
        self.traced, self.readout = traced, readout

    def add(self, index: int, pair: torch.Tensor) -> None:
        """Collect (2, steps, batch, neurons) spikes and stable spikes."""
        self.totals[index].add(pair)
        if index < self.traced:
            self.traces[index].append(pair)

    def read(self, index: int, emitted: torch.Tensor) -> None:
        """Collect the contribution of a run of the last layer to the readout."""
        if self.readout == "counts":
            found, before = counted(emitted).to(torch.int64), self.counts[index]
            self.counts[index] = found if before is None else found.add_(before)
        elif self.readout == "words":
            self.emitted[index].append(emitted)


class Golden:
    """A network on the golden model.

    Parameters
    ----------
    network : Network
        The network.
    state_bits : int
        V, the width of membranes (``ArrayConfig.state_bits``).
    window : int
        T, the steps in a word of the "words" readout. Nothing else depends on it.

    Attributes
    ----------
    values_at_once : int
        The inputs that are multiplied at once. It bounds the memory that long or large batches
        need; results do not depend on it.
    steps_at_once : int
        The most steps that are computed at once, at most 255: the counts of a neuron in them fit a
        byte, which adds fastest.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, or a bias, threshold or ``v_init`` is wider than
        ``state_bits``.
    """

    values_at_once = 1 << 23
    steps_at_once = 255

    def __init__(
        self,
        network: Network,
        state_bits: int = ArrayConfig.state_bits,
        window: int = ArrayConfig.window,
    ) -> None:
        if not isinstance(network, Network):
            raise TypeError(f"network must be a Network, not {network!r}")
        self.network = network
        computed = network.without_zero
        self.state_bits = exact_int("state_bits", state_bits, *LIMITS["state_bits"])
        self.window = exact_int("window", window, *LIMITS["window"])
        self._layers = [
            GoldenLayer(
                computed, i, self.state_bits,
                (1 << network.input.bits) - 1 if i == 0 else 1,
            )
            for i in range(len(network.layers))
        ]
        # The layers in the order of their runs: with "both" the last one runs a second time, on
        # the skeleton.
        self._runs = self._layers + ([self._layers[-1]] if network.both else [])

    def run(
        self,
        samples: Any,
        steps: int | None = None,
        trace: bool = False,
        state: Sequence[GoldenState] | None = None,
        *,
        lengths: Any = None,
        encoded: bool = False,
    ) -> GoldenResult:
        """Run a batch of samples.

        Parameters
        ----------
        samples : array_like
            Spikes of shape ``(batch, steps, *shape)``, which are zeros and ones, or frames of that
            shape; or pixels of shape ``(batch, *shape)``. With a network that has an encoder, its
            raw signal; every sample is encoded from a fresh start.
        steps : int or None
            The steps of each sample; needed for pixels, and for signals without steps.
        trace : bool
            Keep the spikes and the skeleton of every layer.
        state : sequence of GoldenState or None
            The ``state`` of an earlier result to continue from. None starts afresh.
        lengths : (batch,) array_like or None
            The steps of each sample, if it ends before the last of ``steps``. What a sample has
            behind them has no effect: traces and words are 0 there, and membranes and state are
            those after its own last step.
        encoded : bool
            For a network with an encoder: the samples are what its input takes, not a raw signal.

        Raises
        ------
        TypeError, ValueError
            If samples or state do not fit the network. The message says what is allowed.
        """
        encoder = SampleEncoder(self.network)
        if not check_encoded(encoded, encoder.there) and encoder.there:
            samples, _ = encoder.encode(samples, steps)
        flat, steps = check_samples(self.network, samples, steps)
        batch = len(flat)
        if not batch:
            raise ValueError("samples must hold at least 1 sample, not 0")
        if state is not None:
            self._check_state(state, batch)
        own = None if lengths is None else _checked_lengths(lengths, batch, steps)
        # Run as many samples at once as fit, with all of their steps; fewer steps if one sample is
        # too long.
        widest = max(layer.width for layer in self._layers)
        per_chunk = max(1, self.values_at_once // widest)
        rows = max(1, per_chunk // steps)
        steps_at_once = min(self.steps_at_once, max(1, per_chunk // rows))
        with torch.inference_mode():
            parts = [
                self._run_chunk(
                    flat[at : at + rows], steps, steps_at_once, trace,
                    None if state is None else [_rows(entry, at, rows) for entry in state],
                    None if own is None else own[at : at + rows],
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
            if entry.v.shape != (batch, layer.neurons):
                raise ValueError(
                    f"state[{i}] must be of {batch} samples and {layer.neurons} neurons, "
                    f"not {entry.v.shape}"
                )
            if (entry.q is None) != (layer.neuron.synapse_leak is None):
                raise ValueError(
                    f"state[{i}] must have q exactly if the layer has a synapse_leak "
                    f"({layer.neuron.synapse_leak}): give the state of a result of this network"
                )

    def _run_chunk(
        self,
        flat: npt.NDArray[Any],
        steps: int,
        steps_at_once: int,
        trace: bool,
        carried: list[GoldenState] | None,
        lengths: Integers | None,
    ) -> GoldenResult:
        """Run some samples, piece after piece of their steps, and layer by layer in each piece.

        Samples that have ended are run on with the others; what they do then is not kept.
        """
        network, last, batch = self.network, len(self._layers) - 1, len(flat)
        state = [
            layer.start(batch, None if carried is None else carried[i])
            for i, layer in enumerate(self._runs)
        ]
        gathered = _Run(len(self._runs), last + 1 if trace else 0, network.readout)
        pixels = network.input.kind == "pixels"
        # Pixels are the same in every step, and so are the currents that they cause.
        constant = self._layers[0].current(self._inputs(flat)) if pixels else None

        left = [entry.copied() for entry in state] if lengths is not None else state
        for first, n in _pieces(steps, steps_at_once, lengths):
            # Every sample has all steps of a piece, or none of them.
            valid = None if lengths is None else torch.tensor(lengths > first)[None, :, None]
            inputs = skeleton_inputs = torch.empty(0)
            if constant is None:
                inputs = self._inputs(np.swapaxes(flat[:, first : first + n], 0, 1))
            for i, layer in enumerate(self._runs):
                source = skeleton_inputs if i > last else inputs
                currents = constant if i == 0 and constant is not None else layer.current(source)
                pair = layer.run(currents, n, state[i])
                if valid is not None:
                    pair &= valid
                gathered.add(i, pair)
                (spikes, stable), emit = pair, layer.layer.emit
                if i >= last:
                    gathered.read(i, layer.output(stable if emit == "skeleton" else spikes))
                    continue
                if emit != "spikes":
                    inputs = skeleton_inputs = layer.output(stable)
                if emit != "skeleton":
                    inputs = layer.output(spikes)
            if lengths is not None:
                ended = torch.tensor(np.flatnonzero(lengths == first + n))
                for kept, entry in zip(left, state, strict=True):
                    kept.take(entry, ended)
        return self._result(gathered, left, steps)

    def _inputs(self, flat: npt.NDArray[Any]) -> torch.Tensor:
        """Samples as layers take them, with their channels last."""
        return channels_last(_tensor(flat), self.network.input.shape)

    def _result(self, run: _Run, state: list[LayerState], steps: int) -> GoldenResult:
        network, last = self.network, len(self._layers) - 1
        shape = self._layers[-1].output_shape

        def readout(index: int) -> Integers:
            if network.readout == "membrane":
                return LayerState.carried([state[index]]).v
            if network.readout == "counts":
                read = run.counts[index]
                assert read is not None
                return channels_first(read, shape).numpy()
            emitted = _batch_first(run.emitted[index], shape)
            packed = pack_steps(emitted.reshape(*emitted.shape[:2], -1), self.window)
            return np.ascontiguousarray(np.swapaxes(packed, 1, 2), dtype=np.int64)

        def traces(kind: int) -> tuple[Bools, ...]:
            pairs = zip(run.traces[: run.traced], self._layers[: run.traced], strict=True)
            return tuple(
                _batch_first([pair[kind] for pair in pieces], layer.neuron_shape)
                for pieces, layer in pairs
            )

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
            spikes=traces(0),
            skeleton=traces(1),
            steps=steps,
            _left=(state,),
            _totals=(run.totals[: last + 1],),
        )


def _checked_lengths(lengths: Any, batch: int, steps: int) -> Integers | None:
    """The lengths of samples; None if they have all of the steps."""
    own = exact_integers("lengths", lengths, 1, steps)
    if own.shape != (batch,):
        raise ValueError(f"lengths must be ({batch},), one per sample, not {own.shape}")
    return None if (own == steps).all() else own


def _pieces(
    steps: int, at_once: int, lengths: Integers | None
) -> Iterator[tuple[int, int]]:
    """The first step and the number of steps of each piece, such that every sample ends with a
    piece."""
    ends = [steps] if lengths is None else np.unique(np.append(lengths, steps)).tolist()
    first = 0
    for end in ends:
        while first < end:
            count = min(at_once, end - first)
            yield first, count
            first += count


def _tensor(array: npt.NDArray[Any]) -> torch.Tensor:
    """A checked array as a tensor: a copy if torch has no such dtype or layout."""
    odd = array.dtype.itemsize > (1 if array.dtype.kind == "u" else 8) or not array.dtype.isnative
    if odd:
        array = array.astype(np.int64)
    elif not array.flags.writeable or min(array.strides) < 0:
        array = array.copy()
    return torch.from_numpy(array)


def _batch_first(pieces: list[torch.Tensor], shape: tuple[int, ...]) -> Bools:
    """Pieces of shape (steps, batch, flat), channels last, as one array of shape
    ``(batch, steps, *shape)``."""
    values = channels_first(torch.cat(pieces).transpose(0, 1), shape)
    joined: Bools = values.contiguous().numpy()
    return joined.reshape(*joined.shape[:2], *shape)


def _rows(entry: GoldenState, at: int, count: int) -> GoldenState:
    part = slice(at, at + count)
    return GoldenState(entry.v[part], entry.r[part], None if entry.q is None else entry.q[part])


def _joined(parts: list[GoldenResult]) -> GoldenResult:
    """The results of consecutive samples as one result."""

    def join(*arrays: Any) -> Any:
        if isinstance(arrays[0], np.ndarray):
            return np.concatenate(arrays)
        if isinstance(arrays[0], tuple):
            return tuple(join(*entries) for entries in zip(*arrays, strict=True))
        return arrays[0]

    joined = {
        name: join(*(getattr(part, name) for part in parts))
        for name in GoldenResult.__dataclass_fields__ if name[0] != "_"
    }
    return GoldenResult(
        **joined,
        _left=tuple(left for part in parts for left in part._left),
        _totals=tuple(totals for part in parts for totals in part._totals),
    )
