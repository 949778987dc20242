"""Turns torch modules into networks: finds the chain of their layers, and reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ...network import Network
from ...support.errors import NotExpressible
from ...support.values import exact_int
from ..convert import convert
from ..framework import Framework
from ..graph import FloatNetwork, Run, assemble
from ..operations import Neurons, Operation, Reshape, Shape
from ..semantics import Floats
from ..settings import Settings
from .forward import run_chain
from .layers import SILENT, check_module, operations
from .recording import record, recorded_layers
from .returned import read_over_steps
from .sequences import run_sequences

__all__ = ["as_operations", "check_step", "checked_module", "checked_shape", "convert_module"]

def checked_module(module: Any) -> nn.Module:
    """Return ``module``.

    Raises
    ------
    TypeError
        If it is not a torch module.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a torch.nn.Module, not {module!r}")
    return module


def checked_shape(shape: Any) -> Shape:
    """Return the shape of one sample, without batch and steps.

    Raises
    ------
    TypeError
        If it is not a tuple of integers.
    ValueError
        If a size is out of range.
    """
    if not isinstance(shape, (tuple, list, torch.Size)) or not shape:
        raise TypeError(
            "sample_shape must be the shape of one sample, without batch and steps, such as "
            f"(784,), not {shape!r}"
        )
    return tuple(
        exact_int(f"sample_shape[{i}]", size, 1, 1 << 31) for i, size in enumerate(shape)
    )


def check_step(
    name: str,
    kind: str,
    setting: str,
    function: Callable[[torch.Tensor], torch.Tensor],
    rule: str,
    nearest: str,
) -> None:
    """Refuse a spike function that is not a step in the forward pass.

    Parameters
    ----------
    name : str
        Name of the neuron.
    kind : str
        Type of the neuron.
    setting : str
        What the framework calls the function.
    function : callable
        Distances of the membrane from the threshold to spikes.
    rule : str
        When the neuron fires, as a comparison with ``>=`` or ``>``.
    nearest : str
        What to use instead.

    Raises
    ------
    NotExpressible
        Naming the neuron.
    """
    with torch.no_grad():
        found = function(torch.tensor([-1.0, -0.25, 0.0, 0.25, 1.0])).tolist()
    if found != [0, 0, int(">=" in rule), 1, 1]:
        raise NotExpressible(
            name, kind, f"its {setting} is not the step of {rule} in the forward pass", nearest
        )


def convert_module(
    module: nn.Module, shape: Shape, sample: Any, framework: Framework, settings: Settings
) -> Network:
    """Import a torch module.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    shape : tuple of int
        Shape of one sample.
    sample : tensor or array_like or None
        What the module is called with; None for zeros of ``(1, *shape)``.
    framework : Framework
        What is known about its neurons.
    settings : Settings
        The importer's options.

    Returns
    -------
    Network
        With its report.

    Raises
    ------
    NotExpressible, TypeError, ValueError
        Naming the layer or the argument.
    """
    ops, reference = as_operations(module, shape, sample, framework, settings.readout)
    layers = assemble(ops, shape, settings.readout)
    name = f"{framework.name} module {type(module).__name__}"
    network = FloatNetwork(name, shape, layers, (framework.assumed,), reference)
    return convert(network, settings)


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Put the module into evaluation mode, and restore the mode of every part afterwards."""
    training = {child: child.training for _, child in module.named_modules()}
    module.eval()
    try:
        yield
    finally:
        for child, mode in training.items():
            child.training = mode


def as_operations(
    module: nn.Module, shape: Shape, sample: Any, framework: Framework, readout: str | None
) -> tuple[list[Operation], Callable[[Floats], Run]]:
    """Return the operations of a module in order, and a function that runs its own layers.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    shape : tuple of int
        Shape of one sample.
    sample : tensor or array_like or None
        What the module is called with; None for zeros of ``(1, *shape)``.
    framework : Framework
        What is known about its neurons.
    readout : str or None
        As asked for; the module may return a membrane if it is "membrane".

    Raises
    ------
    NotExpressible, ValueError
        Naming the layer.
    """
    _check_modules(module, framework)
    with _evaluating(module):
        framework.reset_all(module)
        try:
            recorder, order = record(
                module, shape, sample, framework.is_layer, framework.step_axis
            )
        except ValueError:
            # Neurons that cannot be expressed are often called in a way of their own.
            for name, child in recorded_layers(module, framework.is_layer):
                framework.check(name, child)
            raise
        framework.reset_all(module)
        recorder.returned = framework.output(recorder.returned)
        by_name = {name: child for child, name in recorder.names.items()}
        ops: list[Operation] = []
        current = shape
        chain: list[nn.Module] = []
        for name in order:
            child = by_name[name]
            if isinstance(child, (*SILENT, *framework.silent)):
                continue
            leading = 1 if framework.run is None else recorder.axes[name] - len(current)
            found = operations(name, child, framework, leading)
            ops += found
            if isinstance(found[0], Reshape):
                current = found[0].output_shape(current)
            else:
                chain.append(child)
        if ops:
            ops[-1] = read_over_steps(recorder, order[-1], ops[-1], readout)

    def reference(inputs: Floats) -> Run:
        summed = isinstance(ops[-1], Neurons) and ops[-1].cell.summed
        with _evaluating(module), torch.no_grad():
            if framework.run is not None:
                return run_sequences(chain, framework, inputs, summed)
            return run_chain(chain, framework, inputs, summed)

    return ops, reference


def _check_modules(module: nn.Module, framework: Framework) -> None:
    """Check the modules that are no part of a layer of the framework."""
    inside: tuple[str, ...] = ()
    for name, child in module.named_modules():
        if name.startswith(inside):
            continue
        if framework.is_layer(child):
            inside += (f"{name}." if name else "",)
        check_module(name, child)
