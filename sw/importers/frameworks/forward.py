"""Runs the layers of a torch module step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from ..framework import Framework
from ..graph import Run
from ..semantics import Floats
from .recording import parameter_dtype

__all__ = ["run_chain", "single_step", "takes_all_steps"]


def takes_all_steps(child: nn.Module) -> bool:
    """Whether a module of SpikingJelly is only called with all steps at once."""
    modes = getattr(child, "supported_step_mode", None)
    return modes is not None and "s" not in modes()


@contextmanager
def single_step(children: Sequence[nn.Module]) -> Iterator[None]:
    """Put modules with a step mode (those of SpikingJelly) into the mode of one step per call."""
    modes = [
        (child, child.step_mode)
        for child in children
        if hasattr(child, "step_mode") and not takes_all_steps(child)
    ]
    for child, _ in modes:
        child.step_mode = "s"  # type: ignore[assignment]
    try:
        yield
    finally:
        for child, mode in modes:
            child.step_mode = mode


def run_chain(chain: Sequence[nn.Module], framework: Framework, inputs: Floats) -> Run:
    """Run the module's own layers step by step."""
    spiking = [child for child in chain if framework.is_neuron(child)]
    records: dict[nn.Module, list[np.ndarray[Any, np.dtype[np.bool_]]]] = {
        child: [] for child in spiking
    }
    # The outputs of weights that no neurons follow are summed over the steps, as ``assemble`` does.
    summed = not spiking or chain[-1] is not spiking[-1]
    membrane = np.zeros(0)
    weights = (child for child in chain if isinstance(child, (nn.Linear, nn.Conv1d, nn.Conv2d)))
    dtype = parameter_dtype(next(weights, chain[0]))
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
    if isinstance(child, nn.Linear) and value.shape[-1] != child.in_features:
        value = value.reshape(len(value), -1)
    if takes_all_steps(child):
        return child(value[None])[0]  # type: ignore[no-any-return]
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
