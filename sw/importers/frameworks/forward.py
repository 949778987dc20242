"""Runs the layers of a torch module step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import nn

from ..framework import Framework
from ..graph import Run
from ..semantics import Floats
from .recording import parameter_dtype

__all__ = ["run_chain", "single_step"]


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
    spiking = [child for child in chain if framework.is_neuron(child)]
    notes = _Notes(framework, spiking, summed)
    weights = (child for child in chain if next(child.parameters(), None) is not None)
    dtype = parameter_dtype(next(weights, chain[0]))
    values: Sequence[torch.Tensor] = [torch.tensor(step, dtype=dtype) for step in inputs]
    with single_step([child for child in chain if not isinstance(child, framework.whole)]):
        for child in spiking:
            framework.reset(child)
        for whole, group in groupby(chain, lambda child: isinstance(child, framework.whole)):
            members = list(group)
            if whole:
                for child in members:
                    steps = torch.stack([_shaped(child, value, framework) for value in values])
                    values = notes.whole(child, child(steps))
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
            output = self.framework.step(child, _shaped(child, value, self.framework))
            value = output[0] if isinstance(output, tuple) else output
            if child in self.spikes:
                self._note(child, value)
                if child is self.last:
                    self._membrane(self.framework.state(child))
        return value

    def whole(self, child: nn.Module, output: Any) -> Sequence[torch.Tensor]:
        """Take what neurons returned for all steps: spikes, or spikes and membranes."""
        several = output if isinstance(output, tuple) else (output,)
        for value in several[0]:
            self._note(child, value)
        if child is self.last:
            for membrane in several[-1]:
                self._membrane(membrane)
        values: Sequence[torch.Tensor] = several[0].unbind(0)
        return values

    def _note(self, child: nn.Module, value: torch.Tensor) -> None:
        self.spikes[child].append(value.numpy().reshape(len(value), -1) > 0)

    def _membrane(self, value: torch.Tensor) -> None:
        self.membrane = _flat(value) + (self.membrane if self.summed else 0)


def _shaped(child: nn.Module, value: torch.Tensor, framework: Framework) -> torch.Tensor:
    """Return the input of a layer, flat where the layer wants it so."""
    if isinstance(child, (nn.Linear, nn.BatchNorm1d, *framework.flat)):
        return value.reshape(len(value), -1)
    return value


def _flat(value: torch.Tensor) -> Floats:
    result: Floats = value.detach().numpy().reshape(len(value), -1).astype(np.float64)
    return result
