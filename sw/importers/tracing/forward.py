"""Runs torch modules: the chain of their layers step by step, or as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import nn

from ..framework import Framework
from ..graph import Run
from ..semantics import Floats
from .chains import Calls
from .copies import parameter_dtype, tensors
from .sequences import run_sequences

__all__ = ["Trace", "fired", "in_one_step", "run_chain", "run_module", "single_step", "watched"]


@dataclass(eq=False)
class Trace:
    """What a layer of neurons was given and gave, step by step.

    Attributes
    ----------
    currents : list of (batch, neurons) tensor
        Its inputs.
    spikes : list of (batch, neurons) bool tensor
        Its spikes.
    states : list of (dict of str to tensor, or None)
        Its states, parameters and buffers after each step; None within a call of several steps.
    calls : int
        How often it was called.
    shape : tuple of int
        The shape of its input in one step, with the batch.
    """

    currents: list[torch.Tensor] = field(default_factory=list)
    spikes: list[torch.Tensor] = field(default_factory=list)
    states: list[dict[str, torch.Tensor] | None] = field(default_factory=list)
    calls: int = 0
    shape: tuple[int, ...] = ()


@contextmanager
def single_step(children: Sequence[nn.Module]) -> Iterator[None]:
    """Put modules with a step mode (those of SpikingJelly) into the mode of one step per call, if
    they have it."""
    modes = [
        (child, child.step_mode) for child in children
        if "s" in getattr(child, "supported_step_mode", tuple)()
    ]
    for child, _ in modes:
        child.step_mode = "s"  # type: ignore[assignment]
    try:
        yield
    finally:
        for child, mode in modes:
            child.step_mode = mode


@contextmanager
def watched(
    children: Sequence[nn.Module], framework: Framework
) -> Iterator[dict[nn.Module, Trace]]:
    """Trace layers of neurons while they are called, by hooks."""
    traces = {child: Trace() for child in children}

    def enter(child: nn.Module, args: Any, kwargs: Any) -> None:
        given = next(tensors([args, kwargs]))
        for step in framework.steps_of(child, given.detach().clone()):
            traces[child].shape = tuple(step.shape)
            traces[child].currents.append(step.reshape(len(step), -1) if step.ndim else step)

    def leave(child: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        trace = traces[child]
        trace.calls += 1
        spikes = fired(child, next(tensors([args, kwargs])), output, framework)
        trace.spikes += spikes
        trace.states += [None] * (len(spikes) - 1) + [_states(child)]

    hooks = [each.register_forward_pre_hook(enter, with_kwargs=True) for each in children]
    hooks += [each.register_forward_hook(leave, with_kwargs=True) for each in children]
    try:
        yield traces
    finally:
        for hook in hooks:
            hook.remove()


def fired(
    child: nn.Module, given: torch.Tensor, output: Any, framework: Framework
) -> list[torch.Tensor]:
    """Return (batch, neurons) spikes of each step of a call of neurons.

    What never fires has none: its inputs stand for them in shape.
    """
    quiet = framework.quiet(child)
    first = given if quiet else next(tensors(output))
    steps = framework.steps_of(child, first.detach())
    return [
        (step.reshape(len(step), -1) > 0) & (not quiet) if step.ndim else step for step in steps
    ]


def _states(child: nn.Module) -> dict[str, torch.Tensor]:
    """Return the states, parameters and buffers of a neuron."""
    # SpikingJelly keeps states among its own _memories, snnTorch among the buffers.
    named: dict[str, Any] = {
        name: value for name, value in vars(child).items()
        if isinstance(value, float) and not name.startswith("_")
    }
    named |= {**child._parameters, **child._buffers}
    named |= getattr(child, "_memories", {})
    kept = {}
    for name, value in named.items():
        if isinstance(value, (torch.Tensor, float, int)):
            kept[name] = torch.as_tensor(value).detach().to("cpu", torch.float64, copy=True)
    return kept


def run_chain(
    chain: Sequence[nn.Module], framework: Framework, inputs: Floats, summed: bool = False
) -> Run:
    """Run the module's own layers step by step.

    Parameters
    ----------
    chain : sequence of torch.nn.Module
        The layers in order.
    framework : Framework
        What is known about its neurons.
    inputs : ``(steps, batch, *shape)`` float64
        The samples.
    summed : bool
        Whether the last neurons are read by the sum of their membranes over the steps.
    """
    if framework.run is not None:
        return run_sequences(chain, framework, inputs, summed)
    spiking = [child for child in chain if framework.is_neuron(child)]
    notes = _Notes(framework, spiking, summed)
    dtype = parameter_dtype(nn.ModuleList(chain))
    values: Sequence[torch.Tensor] = [torch.tensor(step, dtype=dtype) for step in inputs]
    with single_step([child for child in chain if not isinstance(child, framework.whole)]):
        for child in spiking:
            framework.reset(child)
        for whole, group in groupby(chain, lambda child: isinstance(child, framework.whole)):
            members = list(group)
            if whole:
                for child in members:
                    values = notes.whole(child, values)
            else:
                values = [notes.step(members, value) for value in values]
        for child in spiking:
            framework.reset(child)
    spikes = [np.stack(each) for each in notes.spikes.values()]
    if spiking and chain[-1] is spiking[-1]:
        return Run(spikes, notes.membrane)
    # The outputs of weights that no neurons follow are summed over the steps, as ``assemble`` does.
    membrane = np.sum([_flat(value) for value in values], axis=0)
    spikes.append(np.zeros((len(inputs), *membrane.shape), dtype=np.bool_))
    return Run(spikes, membrane)


class _Notes:
    """The spikes of all neurons and the membranes of the last ones, while a chain runs.

    Parameters
    ----------
    framework : Framework
        What is known about the neurons.
    spiking : sequence of torch.nn.Module
        The neurons in order.
    summed : bool
        Whether membranes are summed over the steps.
    """

    def __init__(
        self, framework: Framework, spiking: Sequence[nn.Module], summed: bool
    ) -> None:
        self.framework, self.summed = framework, summed
        self.last = spiking[-1] if spiking else None
        self.membrane: Floats = np.zeros(())
        self.spikes: dict[nn.Module, list[np.ndarray[Any, np.dtype[np.bool_]]]] = {
            child: [] for child in spiking
        }

    def step(self, members: Sequence[nn.Module], value: torch.Tensor) -> torch.Tensor:
        """Run layers for one step."""
        for child in members:
            output = in_one_step(child, _shaped(child, value, self.framework))
            value = output[0] if isinstance(output, tuple) else output
            if child in self.spikes:
                self._note(child, value)
                if child is self.last:
                    self._membrane(self.framework.state(child))
        return value

    def whole(self, child: nn.Module, values: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
        """Run neurons that take all steps in one call."""
        steps = torch.stack([_shaped(child, value, self.framework) for value in values])
        output = child(steps)
        several = output if isinstance(output, tuple) else (output,)
        given, membranes = several[0], several[-1]
        if isinstance(given, torch.Tensor) and given.ndim < steps.ndim:
            # One membrane, the last or the mean over the steps; the sum is read for the mean.
            given = membranes = [given * (len(values) if self.summed else 1)]
        for value in given:
            self._note(child, value)
        self.spikes[child] *= len(values) // len(given)
        if child is self.last:
            for membrane in membranes:
                self._membrane(membrane)
        return list(given)

    def _note(self, child: nn.Module, value: torch.Tensor) -> None:
        fired = value.numpy().reshape(len(value), -1) > 0
        self.spikes[child].append(fired & (not self.framework.quiet(child)))

    def _membrane(self, value: torch.Tensor) -> None:
        self.membrane = _flat(value) + (self.membrane if self.summed else 0)


def _shaped(child: nn.Module, value: torch.Tensor, framework: Framework) -> torch.Tensor:
    """Return the input of a layer, flat where the layer wants it so."""
    joined = value.reshape(len(value), -1)
    if isinstance(child, nn.Linear):
        return value if value.shape[-1] == child.in_features else joined
    if isinstance(child, nn.BatchNorm1d):
        return value if value.ndim == 3 and value.shape[1] == child.num_features else joined
    return joined if isinstance(child, framework.flat) else value


def in_one_step(child: nn.Module, value: torch.Tensor) -> Any:
    """Return what a module gives for one step, also if it is only called with all steps."""
    modes = getattr(child, "supported_step_mode", None)
    if modes is None or "s" in modes():
        return nn.Module.__call__(child, value)  # rockpool's own call returns more
    return nn.Module.__call__(child, value[None])[0]


def _flat(value: torch.Tensor) -> Floats:
    result: Floats = value.detach().numpy().reshape(len(value), -1).astype(np.float64)
    return result


def run_module(
    module: nn.Module, calls: Calls, framework: Framework, steps: torch.Tensor
) -> Any:
    """Call a module as it is with ``(steps, batch, *shape)`` inputs, and return its output.

    Parameters
    ----------
    module : torch.nn.Module
        The module, from a reset.
    calls : Calls
        How it is called.
    framework : Framework
        What is known about its framework.
    steps : (steps, batch, *shape) tensor
        The inputs. If the module repeats its input, they are the same in all steps.

    Returns
    -------
    object
        What it returns; of calls that are a step each, a list of tensors of all steps, stacked.
    """
    if calls.time is not None:
        if calls.batch is None:
            return framework.output(module(steps[:, 0].clone()))
        leading = list(calls.leading)
        leading[calls.time], leading[calls.batch] = steps.shape[0], steps.shape[1]
        first = steps if calls.time < calls.batch else steps.swapaxes(0, 1)
        return framework.output(module(first.reshape(*leading, *steps.shape[2:]).clone()))
    if calls.repeats:
        return framework.output(module(_batch(calls, steps[0])))
    each = list(_step_by_step(module, calls, framework, steps))
    return [torch.stack(values) for values in zip(*each, strict=True)]


def _step_by_step(
    module: nn.Module, calls: Calls, framework: Framework, steps: torch.Tensor
) -> Iterator[list[torch.Tensor]]:
    """Call a module once per step, with its states if it takes them."""
    if not framework.takes_state(module):
        for step in steps:
            yield list(tensors(framework.output(module(_batch(calls, step)))))
        return
    state = None
    for step in steps:
        returned, state = module(_batch(calls, step), state)
        yield list(tensors(framework.output(returned)))


def _batch(calls: Calls, step: torch.Tensor) -> torch.Tensor:
    return step.clone() if calls.batch is not None else step[0].clone()
