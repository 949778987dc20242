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
from .layers import SILENT, check_linear, check_module, operation
from .recording import record
from .torch_layers import has_parts

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
    operations, reference = as_operations(module, shape, sample, framework, settings.readout)
    layers = assemble(operations, shape, settings.readout)
    name = f"{framework.name} module {type(module).__name__}"
    network = FloatNetwork(name, shape, layers, (framework.assumed,), reference)
    return convert(network, settings)


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Put the module into evaluation mode, and restore the mode of every part afterwards."""
    training = {child: child.training for child in module.modules()}
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
    for name, child in module.named_modules():
        check_module(name, child)
    with _evaluating(module):
        framework.reset_all(module)
        recorder, order = record(
            module, shape, sample, lambda each: framework.is_layer(each) or has_parts(each), readout
        )
        framework.reset_all(module)
        by_name = {name: child for child, name in recorder.names.items()}
        operations: list[Operation] = []
        chain: list[nn.Module] = []
        for name in order:
            child = by_name[name]
            if isinstance(child, (*SILENT, *framework.silent)):
                continue
            op = operation(name, child, framework)
            operations.append(op)
            if isinstance(op, Reshape) and (op.start, op.end, op.sizes) == (0, -1, (-1,)):
                continue  # the layers of a chain flatten what they are given themselves
            if not isinstance(op, Neurons):
                check_linear(op, child)
            chain.append(child)

    def reference(inputs: Floats) -> Run:
        with _evaluating(module), torch.no_grad():
            return run_chain(chain, framework, inputs)

    return operations, reference
