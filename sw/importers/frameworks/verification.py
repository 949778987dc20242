"""Runs a torch module's own forward beside the chain of layers that was read of it.

The module is called as it is: with its own states, in its own order, from a reset. Its inputs are
legal ones of several rates, and in a second run real numbers of both signs and several sizes, which
take the place of what its first layer is given. Every layer's input, spikes and states must be those
of the chain in every step, and so must what forward returns. The chain itself is compared with the
layers of real numbers that are made of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from ...support.errors import NotExpressible
from ..framework import Framework
from ..layers import FloatLayer
from ..operations import Shape
from ..semantics import Floats
from .chains import Calls, check_returned
from .comparison import Layer, compare
from .copies import copied, tensors, undisturbed
from .forward import Trace, run_chain, run_module, single_step, watched
from .functional import Reshaped
from .functions import Watch
from .trials import Domain, signed

__all__ = ["Read", "Verification"]

_STEPS, _BATCH = 7, 10
_FEWEST = 2  # samples, however large the module is
_WORK = 2e8  # multiplications of a run, beyond which there are fewer samples
_GRID_BITS, _EXACT_BITS = 20, 50
_ROUNDING = 1e-6
_TIE = 2.0**-18
_LOOPS = "; sample=torch.zeros(steps, 1, *sample_shape) if its forward loops over steps"


@dataclass(frozen=True, eq=False)
class Read:
    """A module and the chain that was read of it.

    Attributes
    ----------
    module : torch.nn.Module
        A copy of the module.
    chain : list of torch.nn.Module
        Its layers in order, those that do nothing left out.
    names : list of str
        Their names in the model.
    calls : Calls
        How the module is called.
    framework : Framework
        What is known about its neurons.
    shape : tuple of int
        Shape of one sample.
    readout : str or None
        As asked for.
    work : float
        Multiplications of one step of one sample.
    """

    module: nn.Module
    chain: list[nn.Module]
    names: list[str]
    calls: Calls
    framework: Framework
    shape: Shape
    readout: str | None
    work: float

    @property
    def spiking(self) -> list[nn.Module]:
        """The layers of neurons."""
        return [child for child in self.chain if self.framework.is_neuron(child)]

    def name(self, child: nn.Module) -> str:
        """Return the name of a layer of the chain."""
        return self.names[self.chain.index(child)]

    def converted(self, dtype: torch.dtype) -> Read:
        """Return a copy with all real numbers in one type."""
        holder = nn.Module()
        # One copy of both, so that the layers of the chain stay those of the module.
        holder.whole, holder.parts = self.module, nn.ModuleList(self.chain)
        both = copied(holder, dtype)
        return replace(self, module=both.whole, chain=list(both.parts))  # type: ignore[arg-type]


class Verification:
    """Compares a module's own forward with its chain.

    Parameters
    ----------
    read : Read
        The module and its chain.
    layers : sequence of FloatLayer
        The layers made of it.
    domain : Domain
        The legal inputs.
    original : torch.dtype
        The type of the module before it was copied.
    """

    def __init__(
        self, read: Read, layers: Sequence[FloatLayer], domain: Domain, original: torch.dtype
    ) -> None:
        self.read, self.layers, self.domain = read, layers, domain
        self.rounding = max(_ROUNDING, 8 * torch.finfo(original).eps)
        self.drawn: dict[str, str] = {}
        self.samples = self.steps = self.left_out = 0
        self._pairs: list[tuple[Read, Read]] = []

    def run(self, asked: int | None = None) -> tuple[str, ...]:
        """Compare on inputs of the verification's own; return what was verified, for reports.

        Parameters
        ----------
        asked : int or None
            Steps that the caller gave.

        Raises
        ------
        NotExpressible
            Naming the first layer, step, sample and neuron that differ, and what was found there.
        ValueError
            If the module cannot be run.
        """
        calls = self.read.calls
        fixed = calls.steps if calls.time is not None or calls.repeats else 0
        # A forward that is a whole sample of one step may set its states back in every call.
        steps = fixed or (1 if asked == 1 else _STEPS)
        batch = self._batch(steps)
        inputs = self.domain.samples(self.read.shape, steps, batch, calls.repeats)
        batch = self._first(inputs)
        inputs = inputs[:, :batch]
        self._compared(inputs, seed=1)
        if batch > 1:
            self._compared(inputs[:, :1], seed=2)
        if self._entry() is not None:
            self._compared(inputs, signed(self.read.shape, steps, batch, calls.repeats), seed=3)
        other = fixed + 3
        if calls.time is not None and self._runs_for(other):
            longer = self.domain.samples(self.read.shape, other, batch + 1, False)
            self._compared(longer, seed=4)
        return (self._described(),)

    def on(self, inputs: Floats) -> None:
        """Compare on some of the caller's (steps, batch, *shape) samples.

        Raises
        ------
        NotExpressible
            As ``run``.
        """
        calls = self.read.calls
        if (calls.time is not None or calls.repeats) and len(inputs) != calls.steps:
            if not (calls.time is not None and self._runs_for(len(inputs))):
                return
        count = min(inputs.shape[1], self._batch(len(inputs)))
        if self._alone:
            count = min(count, 1)
        some = torch.from_numpy(np.ascontiguousarray(inputs[:, :count], dtype=np.float64))
        self._compared(some.to(self.domain.dtype).double(), seed=5)

    def _entry(self) -> int | None:
        """Return which layer of the chain is given the input; None if it is no module of it."""
        index = next((i for i, e in enumerate(self.read.chain) if not isinstance(e, Reshaped)), 0)
        own = self.read.chain[index] in set(self.read.module.modules())
        return index if own else None

    def _batch(self, steps: int) -> int:
        if self.read.calls.batch is None:
            return 1
        batch = int(max(_FEWEST, min(_BATCH, _WORK / max(self.read.work * steps, 1))))
        # Of another size than the steps, so that the two axes are not mistaken for each other.
        return batch if batch != steps else batch + 1

    def _first(self, inputs: torch.Tensor) -> int:
        """Find the type and the size of a batch with which the module can be run.

        It is run in float64, where sums are exact, if its forward allows that.
        """
        self._alone = False
        errors: list[Exception] = []
        own = self.domain.dtype if self.domain.dtype == torch.float64 else torch.float32
        for batch in dict.fromkeys((inputs.shape[1], 1)):
            for dtype in dict.fromkeys((torch.float64, own)):
                self.dtype = dtype
                self._pairs = [(self.read.converted(dtype), self.read.converted(dtype))]
                try:
                    self._forward(self._pairs[0][0], inputs[:, :batch], None, 0)
                except NotExpressible:
                    raise
                except Exception as error:  # whatever the model raises
                    errors.append(error)
                    continue
                self._alone = batch == 1
                return batch
        error = errors[0]
        raise ValueError(
            f"the module's own forward cannot be run on a batch of {inputs.shape[1]}, nor of 1 "
            f"({type(error).__name__}: {error}); without that, what was read of it is not verified"
        ) from error

    def _runs_for(self, steps: int) -> bool:
        """Whether forward takes another number of steps than that of the sample."""
        inputs = self.domain.samples(self.read.shape, steps, 1, False)
        try:
            traces, _ = self._forward(self._pairs[0][0], inputs, None, 0)
        except Exception:  # whatever the model raises
            return False
        return all(len(trace.spikes) == steps for trace in traces)

    def _forward(
        self, read: Read, inputs: torch.Tensor, injected: torch.Tensor | None, seed: int
    ) -> tuple[list[Trace], list[torch.Tensor]]:
        """Run the module from a reset."""
        values = inputs.to(self.dtype)
        functions = Watch()
        with undisturbed(seed), watched(read.spiking, read.framework) as traces:
            read.framework.reset_all(read.module)
            with functions, _injected(read.chain[self._entry() or 0], values, injected):
                returned = run_module(read.module, read.calls, values)
            read.framework.reset_all(read.module)
        self.drawn |= functions.drawn
        found = list(traces.values())
        if read.calls.batch is None:
            for trace in found:
                trace.currents = [each.reshape(1, -1) for each in trace.currents]
                trace.spikes = [each.reshape(1, -1) for each in trace.spikes]
        return found, returned

    def _compared(
        self, inputs: torch.Tensor, injected: torch.Tensor | None = None, seed: int = 0
    ) -> None:
        forward, chain = self._pairs[0]
        theirs, returned = self._forward(forward, inputs, injected, seed)
        ours, made = self._chain(chain, inputs, injected)
        try:
            alive = compare(
                self._described_layers(), theirs, ours,
                "" if self.read.calls.time is not None or self.read.calls.repeats else _LOOPS,
            ).alive
            if alive.all():
                last = self.read.names[-1]
                check_returned(
                    made, last, type(self.read.chain[-1]).__name__, returned, self.read.readout
                )
        except NotExpressible as error:
            if not self.drawn:
                raise
            raise NotExpressible(
                error.node, error.kind,
                f"forward draws random numbers ({', '.join(self.drawn)}): {error.reason}",
                error.nearest,
            ) from None
        if not alive.any() and len(alive):
            raise ValueError("every sample meets a threshold within rounding: nothing is verified")
        self._folded(inputs if injected is None else injected, ours)
        self.samples += len(alive) or inputs.shape[1]
        self.left_out += int((~alive).sum())
        self.steps = max(self.steps, len(inputs))

    def _chain(
        self, read: Read, inputs: torch.Tensor, injected: torch.Tensor | None
    ) -> tuple[list[Trace], list[tuple[str, torch.Tensor]]]:
        """Run the chain, and keep what its last layer gave, call by call."""
        last = self.read.names[-1]
        made: list[tuple[str, torch.Tensor]] = []

        def keep(child: nn.Module, args: Any, output: Any) -> None:
            values = output if isinstance(output, tuple) else (output,)
            for i, value in enumerate(values):
                name = last if i == 0 else f"output {i} (a state) of {last}"
                made.append((name, value.detach().clone()))

        hook = read.chain[-1].register_forward_hook(keep)
        values = inputs if injected is None else injected
        try:
            with undisturbed(), watched(read.spiking, read.framework) as traces:
                run_chain(read.chain, read.framework, values.numpy())
        finally:
            hook.remove()
        return list(traces.values()), made

    def _described_layers(self) -> list[Layer]:
        plain = not any(isinstance(each, nn.modules.batchnorm._BatchNorm) for each in self.read.chain)
        result = []
        for index, child in enumerate(self.read.spiking):
            layer = self.layers[index]
            exact = plain and (index > 0 or self._on_grid_input()) and _on_grid(layer)
            tolerance = 0.0 if exact else self.rounding
            if self.dtype != torch.float64:
                tolerance = 1e-4 if not exact else 0.0
            result.append(Layer(self.read.name(child), type(child).__name__, tolerance))
        return result

    def _on_grid_input(self) -> bool:
        scaled = self.domain.factor * 2**_GRID_BITS
        return scaled == round(scaled)

    def _folded(self, inputs: torch.Tensor, traces: Sequence[Trace]) -> None:
        """Compare the layers of real numbers with those of the chain, each on the chain's spikes."""
        given = inputs.numpy()
        for layer, each, trace in zip(
            self.layers, self._described_layers(), traces, strict=False
        ):
            spikes = torch.stack(trace.spikes).numpy()
            if not layer.cell.inexact and layer.cell.fires:
                _check_folded(layer, each, given.reshape(*given.shape[:2], *layer.shape), spikes)
            given = layer.output(spikes).astype(np.float64)

    def _described(self) -> str:
        text = f"the module's own forward was run on {self.samples} samples of up to {self.steps} "
        text += "steps: every layer's input, spikes and states were equal"
        if self.left_out:
            text += f" ({self.left_out} samples within rounding of a threshold left out)"
        if self._alone:
            text += "; one sample at a time, since it takes no batch"
        return text


def _check_folded(layer: FloatLayer, each: Layer, given: Floats, spikes: Any) -> None:
    found, _ = layer.run(given)
    apart = found != spikes
    if each.tolerance and apart.any():
        # A neuron whose membrane meets its threshold within rounding may fire or not.
        threshold = layer.cell.threshold
        for factor in (1 - _TIE, 1 + _TIE):
            other = replace(layer, cell=replace(layer.cell, threshold=threshold * factor))
            apart &= other.run(given)[0] != spikes
    if apart.any():
        step, sample, neuron = (int(i) for i in np.argwhere(apart)[0])
        raise NotExpressible(
            each.name, each.kind,
            f"what was made of it differs from it: neuron {neuron} of sample {sample} fires at "
            f"step {step} in {'the array' if found[step, sample, neuron] else 'the model'} only, "
            "which is a fault of this importer", "the layers in another form; please report it",
        )


def _on_grid(layer: FloatLayer) -> bool:
    """Whether float64 rounds nothing that the layer computes."""
    cell = layer.cell
    values = [layer.matrix, layer.bias, np.asarray(cell.v_init)]
    values += [] if cell.threshold is None else [cell.threshold]
    scaled = np.concatenate([np.ravel(each) for each in values]) * 2.0**_GRID_BITS
    if (scaled != np.round(scaled)).any() or layer.divisor & (layer.divisor - 1):
        return False
    lost = 0
    for decay in (cell.decay, cell.synapse_decay):
        bits = 0
        while decay is not None and decay * 2**bits != round(decay * 2**bits) and bits < _EXACT_BITS:
            bits += 1
        lost += bits
    terms = np.abs(scaled).max(initial=1.0) * layer.matrix.shape[1]
    return bool(np.log2(terms) + lost * _STEPS <= _EXACT_BITS)


@contextmanager
def _injected(
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

    hook = first.register_forward_pre_hook(replaced, with_kwargs=True)
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
            return other.reshape(given.shape).to(given.dtype)
    return given
