"""Runs torch modules: the chain of their layers step by step, or as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from ..framework import Framework
from ..graph import Run
from ..semantics import Floats
from .chains import Calls
from .copies import parameter_dtype, tensors

__all__ = ["Trace", "run_chain", "run_module", "single_step", "watched"]


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
    """Put modules with a step mode (those of SpikingJelly) into the mode of one step per call."""
    modes = [(child, child.step_mode) for child in children if hasattr(child, "step_mode")]
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
        for step in framework.unfolded(child, given.detach().clone()):
            traces[child].shape = tuple(step.shape)
            traces[child].currents.append(step.reshape(len(step), -1) if step.ndim else step)

    def leave(child: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        first = next(tensors(output))
        steps = framework.unfolded(child, first.detach())
        trace = traces[child]
        trace.calls += 1
        trace.spikes += [step.reshape(len(step), -1) > 0 if step.ndim else step for step in steps]
        trace.states += [None] * (len(steps) - 1) + [_states(child)]

    hooks = [each.register_forward_pre_hook(enter, with_kwargs=True) for each in children]
    hooks += [each.register_forward_hook(leave, with_kwargs=True) for each in children]
    try:
        yield traces
    finally:
        for hook in hooks:
            hook.remove()


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


def run_chain(chain: Sequence[nn.Module], framework: Framework, inputs: Floats) -> Run:
    """Run the module's own layers step by step."""
    spiking = [child for child in chain if framework.is_neuron(child)]
    # The outputs of weights that no neurons follow are summed over the steps, as ``assemble`` does.
    summed = not spiking or chain[-1] is not spiking[-1]
    membrane = np.zeros(0)
    dtype = parameter_dtype(nn.ModuleList(chain))
    records: dict[nn.Module, list[np.ndarray[Any, np.dtype[np.bool_]]]] = {
        child: [] for child in spiking
    }
    with single_step(chain):
        for child in spiking:
            framework.reset(child)
        for step in inputs:
            value = torch.tensor(step, dtype=dtype)
            for child in chain:
                value = _called(child, value)
                if child in records:
                    records[child].append(value.numpy().reshape(len(value), -1) > 0)
            if summed:
                flat = value.numpy().reshape(len(value), -1).astype(np.float64)
                membrane = flat if not membrane.size else membrane + flat
        if not summed:
            membrane = _membrane(spiking[-1])
        for child in spiking:
            framework.reset(child)
    spikes = [np.stack(each) for each in records.values()]
    if summed:
        spikes.append(np.zeros((len(inputs), *membrane.shape), dtype=np.bool_))
    return Run(spikes, membrane)


def _called(child: nn.Module, value: torch.Tensor) -> torch.Tensor:
    """Return the output of a layer, without its state."""
    if isinstance(child, (nn.Linear, nn.BatchNorm1d)):
        value = value.reshape(len(value), -1)
    output = child(value)
    first: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return first


def _membrane(child: nn.Module) -> Floats:
    # snnTorch calls it mem, SpikingJelly v.
    value: Any = getattr(child, "mem", None)
    if value is None:
        value = child.v
    result: Floats = value.detach().numpy().reshape(len(value), -1).astype(np.float64)
    return result


def run_module(
    module: nn.Module, calls: Calls, steps: torch.Tensor
) -> list[torch.Tensor]:
    """Call a module as it is with ``(steps, batch, *shape)`` inputs, and return what it returns.

    Parameters
    ----------
    module : torch.nn.Module
        The module, from a reset.
    calls : Calls
        How it is called.
    steps : (steps, batch, *shape) tensor
        The inputs. If the module repeats its input, they are the same in all steps.

    Returns
    -------
    list of tensor
        The tensors that it returns; of calls that are a step each, those of all steps, stacked.
    """
    if calls.time is not None:
        leading = list(calls.leading)
        leading[calls.time], leading[calls.batch or 0] = steps.shape[0], steps.shape[1]
        first = steps if calls.time < (calls.batch or 0) else steps.swapaxes(0, 1)
        return list(tensors(module(first.reshape(*leading, *steps.shape[2:]).clone())))
    if calls.repeats:
        return list(tensors(module(_batch(calls, steps[0]))))
    each = [list(tensors(module(_batch(calls, step)))) for step in steps]
    return [torch.stack(values) for values in zip(*each, strict=True)]


def _batch(calls: Calls, step: torch.Tensor) -> torch.Tensor:
    return step.clone() if calls.batch is not None else step[0].clone()
