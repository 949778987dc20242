"""Reads the chain of a torch module's layers as operations."""

from __future__ import annotations

from math import prod

from torch import nn

from ..framework import Framework
from ..operations import (
    AdaptivePool,
    Affine,
    Conv,
    Neurons,
    Operation,
    Pad,
    Pool,
    Reshape,
    Shape,
    Votes,
)
from ..tracing.chains import Recorded
from ..tracing.functional import Reshaped
from ..tracing.layers import named_layers
from ..tracing.returned import read_over_steps
from ..tracing.verification import Read
from .layers import SILENT, operations

__all__ = ["read_chain"]


def read_chain(
    module: nn.Module, found: Recorded, shape: Shape, framework: Framework, readout: str | None
) -> tuple[list[Operation], Read]:
    """Return the operations of a module in order, and the chain of its layers.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    found : Recorded
        The recording of a call.
    shape : tuple of int
        Shape of one sample.
    framework : Framework
        What is known about its framework.
    readout : str or None
        With "membrane", the module may return membranes in place of spikes.

    Raises
    ------
    NotExpressible, ValueError
        Naming the layer.
    """
    recorder = found.recorder
    layers = {name: child for child, name in named_layers(module, framework.is_layer).items()}
    chain = _Chain(framework, shape)
    for name in found.order:
        child = layers.get(name) or recorder.layer(name)
        if not isinstance(child, (*SILENT, *framework.silent)):
            chain.add(name, child, recorder.given[name][0][0], recorder.shape(name))
    chain.ops[-1:], reading = read_over_steps(found, chain.ops, readout)
    last = chain.ops[-1] if chain.ops else None
    summed = isinstance(last, Neurons) and last.cell.summed
    return chain.ops, Read(
        module, chain.children, chain.names, found.calls, framework, shape, reading, summed,
        chain.work,
    )


class _Chain:
    """The layers so far.

    Parameters
    ----------
    framework : Framework
        What is known about their framework.
    shape : tuple of int
        Shape of one sample.

    Attributes
    ----------
    ops : list of Operation
        Their operations.
    children, names : list
        The layers, and their names.
    shape : tuple of int
        Shape of what the last of them gives.
    work : float
        Multiplications of one step of one sample.
    """

    def __init__(self, framework: Framework, shape: Shape) -> None:
        self.framework, self.shape = framework, shape
        self.ops: list[Operation] = []
        self.children: list[nn.Module] = []
        self.names: list[str] = []
        self.work = 0.0

    def add(self, name: str, child: nn.Module, given: Shape, made: Shape) -> None:
        """Add a layer that was given and gave tensors of these shapes."""
        leading = 1 if self.framework.run is None else len(given) - len(self.shape)
        own = operations(name, child, self.framework, leading)
        if isinstance(own[0], Reshape):
            self._reshape(own[0], name)
            return
        axes = _map_axes(own[0], child)
        sizes = given[len(given) - axes :] if axes else self.shape
        if sizes != self.shape and prod(sizes) == prod(self.shape):
            place = f"what {name} is given"
            self._reshape(Reshape(place, "reshape", sizes=sizes), place)
        self._put(name, child)
        self.ops += own
        if axes:
            self.shape = made[len(made) - axes :]
        for op in own:
            if isinstance(op, Affine) and not axes:
                self.shape = (len(op.weight),)
            elif isinstance(op, Votes) and not axes:
                self.shape = (*self.shape[:-1], self.shape[-1] // op.size)
            self.work += _work(op, self.shape)

    def _reshape(self, op: Reshape, name: str) -> None:
        self.ops.append(op)
        self.shape = op.output_shape(self.shape)
        if len(self.shape) > 1:  # layers that take flat samples flatten them
            self._put(name, Reshaped(self.shape))

    def _put(self, name: str, child: nn.Module) -> None:
        self.names.append(name)
        self.children.append(child)


def _map_axes(op: Operation, child: nn.Module) -> int:
    """Return the axes of the maps that a layer takes; 0 if it takes samples of any shape."""
    if isinstance(op, Conv):
        return op.weight.ndim - 1
    if isinstance(op, Pool):
        return 1 + len(op.size)
    if isinstance(op, AdaptivePool):
        return 1 + len(op.output)
    if isinstance(op, Pad):
        return 1 + len(op.sides)
    if isinstance(child, nn.BatchNorm2d):
        return 3
    return 2 if isinstance(child, nn.AvgPool1d) else 0


def _work(op: Operation, outputs: Shape) -> float:
    """Return the multiplications of a layer, and those that take as long as its other work."""
    positions = prod(outputs[1:]) if isinstance(op, Conv) else 1
    weights = op.weight.size if isinstance(op, (Affine, Conv)) else 0
    return float(weights * positions + 64 * prod(outputs))
