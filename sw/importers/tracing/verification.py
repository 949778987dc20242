"""Runs a torch module's own forward beside the chain of layers that was read of it.

The module is called as it is: with its own states, in its own order, from a reset. Its inputs are
legal ones of several rates, alone and in a batch, and some of the caller's samples. In another run,
real numbers of both signs and several sizes take the place of what its first layer is given. Every
layer's input, spikes and states must be those of the chain in every step, and so must what forward
returns. The chain itself is compared with the layers of real numbers that are made of it.

A function that changes the input, but no legal value of it, is no difference, such as a clamp of
spikes to 0 .. 1: what the module is called with is always legal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from ...support.errors import NotExpressible
from ..framework import Framework
from ..layers import FloatLayer
from ..operations import Shape
from ..semantics import Floats
from .chains import Calls
from .comparison import Layer, compare
from .copies import copied, fit, parts, undisturbed
from .counters import numbers, set_numbers
from .folded import INPUT_BITS, check_folded, sums_exactly
from .forward import Trace, fired, run_chain, run_module, single_step, watched
from .functional import Reshaped
from .functions import Watch
from .layers import NORMS
from .returned import Reading, check_returned
from .trials import Domain, injected_into, signed

__all__ = ["Read", "Verification"]

_STEPS, _BATCH = 7, 10
_FEWEST = 2  # samples, however large the module is
_WORK = 2e8  # multiplications of a run, beyond which there are fewer samples
_GRID = 1 << 20
_ROUNDING, _ROUNDING_OF_FLOATS = 1e-6, 1e-4
_MANY = 1e6  # calls
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
    reading : Reading
        What the module returns of its last layer.
    summed : bool
        Whether that is the sum of membranes over the steps.
    work : float
        Multiplications of one step of one sample.
    """

    module: nn.Module
    chain: list[nn.Module]
    names: list[str]
    calls: Calls
    framework: Framework
    shape: Shape
    reading: Reading
    summed: bool
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
    """

    def __init__(self, read: Read, layers: Sequence[FloatLayer], domain: Domain) -> None:
        self.read, self.layers, self.domain = read, layers, domain
        self.narrowed = False
        self.drawn: dict[str, str] = {}
        self.samples = self.steps = self.left_out = 0
        self._pair = read, read
        self._alone = False
        self.dtype = torch.float64

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
        # A module so large that a run takes long is run twice: on a batch, and one sample alone.
        large = self.read.work * steps > _WORK
        inputs = self.domain.samples(self.read.shape, steps, self._batch(steps), calls.repeats)
        batch = self._first(inputs)
        alone = inputs[:, :1]
        if not large:
            before = self._numbers()
            self._compared(alone, seed=1)
            self._counting(before, alone)
        if self._entry() is not None:
            count = 1 if large else batch
            self._compared(
                inputs[:, :count], signed(self.read.shape, steps, count, calls.repeats), seed=2
            )
        elif large:
            self._compared(alone, seed=1)
        if calls.time is not None and not large and self._runs_for(fixed + 3):
            count = 1 if self._alone else batch + 1
            self._compared(self.domain.samples(self.read.shape, fixed + 3, count, False), seed=3)
        return (self._described(),)

    def on(self, inputs: Floats) -> None:
        """Compare on some of the caller's (steps, batch, *shape) samples.

        Raises
        ------
        NotExpressible
            As ``run``.
        """
        calls = self.read.calls
        fixed = calls.steps if calls.time is not None or calls.repeats else len(inputs)
        if len(inputs) != fixed and (calls.repeats or not self._runs_for(len(inputs))):
            return
        large = self.read.work * len(inputs) > _WORK
        count = 1 if self._alone or large else min(inputs.shape[1], self._batch(len(inputs)))
        some = torch.from_numpy(np.ascontiguousarray(inputs[:, :count], dtype=np.float64))
        self._compared(some.to(self.domain.dtype).double(), seed=5)

    def _counting(self, before: dict[str, float], inputs: torch.Tensor) -> None:
        """Compare once more after very many calls, if the module counts something."""
        read = self._pair[0]
        counted = {
            name: value for name, value in self._numbers().items()
            if before.get(name, value) != value
        }
        if not counted:
            return
        set_numbers(
            read.module, read.framework, {name: value + _MANY for name, value in counted.items()}
        )
        try:
            self._compared(inputs, seed=1)
        except NotExpressible as error:
            raise NotExpressible(
                error.node, error.kind, f"forward changes {', '.join(counted)}, which no reset "
                f"sets back, and depends on it: {error.reason}", error.nearest,
            ) from None
        set_numbers(read.module, read.framework, counted)

    def _numbers(self) -> dict[str, float]:
        return numbers(self._pair[0].module, self._pair[0].framework)

    def _entry(self) -> int | None:
        """Return which layer of the chain is given the input; None if it is no module of it."""
        index = next((i for i, e in enumerate(self.read.chain) if not isinstance(e, Reshaped)), 0)
        own = self.read.chain[index] in parts(self.read.module)
        return index if own else None

    def _batch(self, steps: int) -> int:
        if self.read.calls.batch is None:
            return 1
        batch = int(max(_FEWEST, min(_BATCH, _WORK / max(self.read.work * steps, 1))))
        # Of another size than the steps, so that the two axes are not mistaken for each other.
        return batch if batch != steps else batch + 1

    def _first(self, inputs: torch.Tensor) -> int:
        """Compare in the type and on the size of a batch with which the module can be run.

        It is run in float64, where sums are exact, if its forward allows that.
        """
        errors: list[Exception] = []
        free = not self._computes_weights()
        own = self.domain.dtype if self.domain.dtype == torch.float64 else torch.float32
        widest = own if self.read.framework.derives else torch.float64
        for batch in dict.fromkeys((inputs.shape[1], 1)):
            for dtype in dict.fromkeys(((widest,) if free else ()) + (own,)):
                self.dtype = dtype
                self._pair = self.read.converted(dtype), self.read.converted(dtype)
                some = inputs[:, :batch]
                try:
                    run = self._forward(self._pair[0], some, None, 0)
                except Exception as error:  # whatever the model raises
                    errors.append(error)
                    continue
                self._alone = batch == 1
                self._judged(*run, some, None)
                return batch
        first = errors[0]
        raise ValueError(
            f"the module's own forward cannot be run on a batch of {inputs.shape[1]}, nor of 1 "
            f"({type(first).__name__}: {first}); without that, what was read of it is not verified"
        ) from first

    def _computes_weights(self) -> bool:
        """Whether weights are computed when they are used, which another type may round otherwise:
        by a parametrization, a quantizer or a hook."""
        return any(
            any(True for _ in child.children())
            or any(each is not fit for each in child._forward_pre_hooks.values())
            for child in self.read.chain if not self.read.framework.is_neuron(child)
        )

    def _runs_for(self, steps: int) -> bool:
        """Whether forward takes another number of steps than that of the sample."""
        inputs = self.domain.samples(self.read.shape, steps, 1, False)
        try:
            traces, _ = self._forward(self._pair[0], inputs, None, 0)
        except Exception:  # whatever the model raises
            return False
        return all(len(trace.spikes) == steps for trace in traces)

    def _forward(
        self, read: Read, inputs: torch.Tensor, injected: torch.Tensor | None, seed: int
    ) -> tuple[list[Trace], Any]:
        """Run the module from a reset, and return the traces of its neurons and its output."""
        values = inputs.to(self.dtype)
        functions = Watch()
        with undisturbed(seed), watched(read.spiking, read.framework) as traces:
            read.framework.reset_all(read.module)
            with functions, injected_into(read.chain[self._entry() or 0], values, injected):
                returned = run_module(read.module, read.calls, read.framework, values)
            read.framework.reset_all(read.module)
        self.drawn |= functions.drawn
        self.narrowed |= functions.narrowed
        found = list(traces.values())
        if read.calls.batch is None:
            for trace in found:
                trace.currents = [each.reshape(1, -1) for each in trace.currents]
                trace.spikes = [each.reshape(1, -1) for each in trace.spikes]
        return found, returned

    def _compared(
        self, inputs: torch.Tensor, injected: torch.Tensor | None = None, seed: int = 0
    ) -> None:
        try:
            run = self._forward(self._pair[0], inputs, injected, seed)
        except Exception as error:  # whatever the model raises
            raise ValueError(
                "the module's own forward cannot be run a second time on other inputs "
                f"({type(error).__name__}: {error}); without that, what was read of it is not "
                "verified"
            ) from error
        self._judged(*run, inputs, injected)

    def _judged(
        self,
        theirs: list[Trace],
        returned: list[torch.Tensor],
        inputs: torch.Tensor,
        injected: torch.Tensor | None,
    ) -> None:
        """Compare a run of the module with one of the chain."""
        ours, made = self._chain(self._pair[1], inputs, injected)
        try:
            alive = compare(
                self._described_layers(), theirs, ours,
                "" if self.read.calls.time is not None or self.read.calls.repeats else _LOOPS,
            )
            if alive.all():
                kind = type(self.read.chain[-1]).__name__
                check_returned(
                    self._steps_first(made, len(inputs)), self.read.names[-1], kind, returned,
                    self.read.reading,
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

    def _steps_first(
        self, made: list[tuple[str, torch.Tensor]], steps: int
    ) -> list[tuple[str, torch.Tensor]]:
        """Return what a layer gave with the steps in front of the batch, where it took them in one
        call."""
        framework, last = self.read.framework, self.read.chain[-1]
        if framework.run is None:
            return made
        if not framework.is_layer(last):
            return [(name, value.reshape(steps, -1, *value.shape[1:])) for name, value in made]
        if not framework.step_axis:
            return made
        return [(name, framework.steps_of(last, value)) for name, value in made]

    def _chain(
        self, read: Read, inputs: torch.Tensor, injected: torch.Tensor | None
    ) -> tuple[list[Trace], list[tuple[str, torch.Tensor]]]:
        """Run the chain, and keep what its last layer gave, call by call."""
        last = self.read.names[-1]
        made: list[tuple[str, torch.Tensor]] = []

        def keep(child: nn.Module, args: Any, output: Any) -> None:
            values = output if isinstance(output, (tuple, list)) else (output,)
            for i, value in enumerate(values):
                own = i == 0 or isinstance(output, list)  # a list has one output per step
                name = last if own else f"output {i} (a state) of {last}"
                if isinstance(value, torch.Tensor):
                    made.append((name, value.detach().clone()))

        hook = read.chain[-1].register_forward_hook(keep)
        values = inputs if injected is None else injected
        try:
            with undisturbed(), watched(read.spiking, read.framework) as traces:
                run_chain(read.chain, read.framework, values.numpy(), read.summed)
        finally:
            hook.remove()
        return list(traces.values()), made

    def _described_layers(self) -> list[Layer]:
        plain = not any(isinstance(each, NORMS) for each in self.read.chain)
        rounding = _ROUNDING if self.dtype == torch.float64 else _ROUNDING_OF_FLOATS
        if self.narrowed:  # its forward rounds to the type of its own
            rounding = max(rounding, 8 * torch.finfo(self.domain.dtype).eps)
        bits = 52 if self.dtype == torch.float64 else 23
        result = []
        for index, child in enumerate(self.read.spiking):
            legal = index > 0 or self._on_grid_input()
            exact = plain and legal and sums_exactly(
                self.layers[index], bits, bits=self._input_bits(index)
            )
            result.append(Layer(
                self.read.name(child), type(child).__name__, 0.0 if exact else rounding,
                partial(self._neurons, index),
            ))
        return result

    def _neurons(self, index: int, trace: Trace) -> list[torch.Tensor]:
        """Run a layer of neurons of the chain on the inputs of a trace."""
        read = self._pair[1]
        child, framework = read.spiking[index], read.framework
        if framework.run is not None:
            given = torch.stack([current.reshape(trace.shape) for current in trace.currents])
            with undisturbed():
                output, _ = framework.run(child, given)
            return [step.reshape(len(step), -1) > 0 for step in output]
        whole = isinstance(child, read.framework.whole)
        calls = [current.reshape(trace.shape) for current in trace.currents]
        calls = [torch.stack(calls)] if whole else calls
        spikes = []
        with undisturbed(), single_step([] if whole else [child]):
            read.framework.reset(child)
            for given in calls:
                spikes += fired(child, given, child(given), read.framework)
            read.framework.reset(child)
        return spikes

    def _input_bits(self, index: int) -> int:
        """Return the bits that the inputs of a layer have at most."""
        return INPUT_BITS if index else max(INPUT_BITS, self.domain.significant)

    def _on_grid_input(self) -> bool:
        scaled = self.domain.factor * _GRID
        return bool(scaled == round(scaled))

    def _folded(self, inputs: torch.Tensor, traces: Sequence[Trace]) -> None:
        """Compare the layers of real numbers with the chain's, each on the chain's spikes."""
        # What folding does wrong shows in every step, so that a few are enough of a large module.
        few = self.read.work * inputs.shape[0] * inputs.shape[1] > _WORK
        steps, batch = (2, 1) if few else inputs.shape[:2]
        given = inputs[:steps, :batch].numpy()
        described = self._described_layers()
        for index, (layer, each, trace) in enumerate(
            zip(self.layers, described, traces, strict=False)
        ):
            spikes = torch.stack(trace.spikes[:steps])[:, :batch].numpy()
            if layer.cell.inexact or layer.inexact is not None:
                return  # what is behind it may be given other spikes
            if layer.cell.fires:
                shaped = given.reshape(*given.shape[:2], *layer.shape)
                check_folded(layer, each, shaped, spikes, self._input_bits(index))
            given = layer.handed_on(spikes).astype(np.float64)

    def _described(self) -> str:
        text = f"the module's own forward was run on {self.samples} samples of up to {self.steps} "
        text += "steps: every layer's input, spikes and states were equal"
        if self.left_out:
            text += f" ({self.left_out} samples within rounding of a threshold left out)"
        if self._alone:
            text += "; one sample at a time, since it takes no batch"
        return text
