"""Runs the layers of a torch module one after another, each over all steps of a sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from ..framework import Framework
from ..graph import Run
from ..semantics import Floats
from .copies import parameter_dtype

__all__ = ["each_step", "run_sequences"]


def run_sequences(
    chain: Sequence[nn.Module], framework: Framework, inputs: Floats, summed: bool = False
) -> Run:
    """Run a module's own layers, for frameworks whose neurons take all steps in one call.

    Called step by step, some of them forget what they keep between the steps of one call.

    Parameters
    ----------
    chain : sequence of torch.nn.Module
        The layers.
    framework : Framework
        Their framework, which has a ``run``.
    inputs : ``(steps, batch, *shape)`` float64
        Inputs of the first layer.
    summed : bool
        Whether the last neurons are read by the sum of their membranes over the steps.
    """
    run = framework.run
    assert run is not None
    spikes: list[np.ndarray[tuple[int, ...], np.dtype[np.bool_]]] = []
    value = torch.tensor(inputs, dtype=parameter_dtype(nn.ModuleList(chain)))
    membrane = np.zeros(0)
    for child in chain:
        if not framework.is_layer(child):
            value = each_step(child, value)
            continue
        value, states = run(child, value)
        if framework.is_neuron(child):
            spikes.append((_flat(value) > 0) & (not framework.quiet(child)))
            membrane = _flat(states).sum(0) if summed else _flat(states)[-1]
    if not framework.is_neuron(chain[-1]):
        # The outputs of weights that no neurons follow are summed over the steps, as ``assemble``
        # does.
        membrane = _flat(value).sum(0)
        spikes.append(np.zeros((len(inputs), *membrane.shape), dtype=np.bool_))
    return Run(spikes, membrane)


def each_step(child: nn.Module, value: torch.Tensor) -> torch.Tensor:
    """Return the (steps, batch, ...) outputs of a layer that knows no steps."""
    joined = value.flatten(0, 1)
    if isinstance(child, (nn.Linear, nn.BatchNorm1d)):
        joined = joined.flatten(1)
    # rockpool's own call returns more than the output.
    output: torch.Tensor = nn.Module.__call__(child, joined)
    return output.reshape(*value.shape[:2], *output.shape[1:])


def _flat(value: torch.Tensor) -> Floats:
    """Return (steps, batch, values)."""
    result: Floats = value.detach().numpy().astype(np.float64)
    return result.reshape(*result.shape[:2], -1)
