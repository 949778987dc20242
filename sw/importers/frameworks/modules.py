"""Turns torch modules into networks: finds the chain of their layers, and reads it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from ...network import Network, PixelInput
from ...support.errors import NotExpressible
from ...support.values import exact_int
from ..convert import convert
from ..framework import Framework
from ..graph import FloatNetwork, Run, assemble
from ..operations import Affine, Conv, Neurons, Operation, Reshape, Shape, Votes
from ..semantics import Floats
from ..settings import Settings
from ..tracing.chains import Recorded, Uncallable, record
from ..tracing.copies import copied, parameter_dtype, parts, reading_copy
from ..tracing.forward import run_chain
from ..tracing.functional import Reshaped
from ..tracing.recording import leaves, named_layers
from ..tracing.returned import read_over_steps
from ..tracing.trials import Domain
from ..tracing.verification import Read, Verification
from .layers import SILENT, check_module, operations

__all__ = ["check_step", "checked_module", "checked_shape", "convert_module"]


def checked_module(module: Any) -> nn.Module:
    """Return ``module``.

    Raises
    ------
    TypeError
        If it is not a torch module.
    """
    if isinstance(module, (str, os.PathLike)):
        raise TypeError(
            f"module must be a torch.nn.Module, not {os.fspath(module)!r}: make the module, and "
            "load its weights into it (module.load_state_dict(torch.load(path)))"
        )
    if isinstance(module, Mapping):
        raise TypeError(
            "module must be a torch.nn.Module, not a dictionary of its weights: make the module, "
            "and load them into it (module.load_state_dict(weights))"
        )
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
    own = reading_copy(module)
    framework.prepare(own)
    _check_modules(own, framework)
    domain = Domain.of(settings, parameter_dtype(module))
    errors: list[ValueError] = []
    for each in _samples(own, shape, sample, framework):
        try:
            network, options = _verified(own, shape, each, framework, settings, domain)
        except ValueError as error:
            errors.append(error)
            continue
        name = f"{framework.name} module {type(module).__name__}"
        return convert(replace(network, source=name), options)
    # Neurons that cannot be expressed are often called in a way of their own.
    for each, child in leaves(own, framework.is_layer):
        framework.check(each, child)
    raise next((error for error in errors if not isinstance(error, Uncallable)), errors[0])


def _samples(module: nn.Module, shape: Shape, sample: Any, framework: Framework) -> list[Any]:
    """Return what to call a module with: the sample given, or those that it may take."""
    if sample is not None:
        return [sample]
    # Several steps are used, so that a layer that mixes steps is noticed.
    steps = torch.zeros(3, 1, *shape)
    if any(
        getattr(each, "step_mode", "s") == "m" or isinstance(each, framework.whole)
        for each in parts(module)
    ):
        return [steps, None]
    return [None, steps]


def _verified(
    module: nn.Module,
    shape: Shape,
    sample: Any,
    framework: Framework,
    settings: Settings,
    domain: Domain,
) -> tuple[FloatNetwork, Settings]:
    """Read a module as it takes a sample, and compare it with its own forward."""
    framework.reset_all(module)
    # A call may change more than states, so the module is called in copies and read as it was. But
    # lazy layers get their values when they are first called.
    lazy = any(is_lazy(each) for each in module.parameters())
    called = module if lazy else copied(module, parameter_dtype(module))
    found = record(called, shape, sample, framework, domain.draw())
    framework.reset_all(module)
    settings = _with_steps(found, settings)
    ops, read = _read(module, found, shape, framework, settings.readout)
    layers = assemble(ops, shape, settings.readout)
    verification = Verification(read, layers, domain)
    assumed = (framework.assumed, *verification.run(settings.steps))
    return FloatNetwork("", shape, layers, assumed, _Reference(read, verification)), settings


def _check_modules(module: nn.Module, framework: Framework) -> None:
    """Check the modules that are no part of a layer of the framework."""
    inside: tuple[str, ...] = ()
    for name, child in module.named_modules():
        if name.startswith(inside):
            continue
        if framework.is_layer(child):
            inside += (f"{name}." if name else "",)
        check_module(name, child)


def _with_steps(found: Recorded, settings: Settings) -> Settings:
    """Return the options with the steps over which the module repeats its input, if it does."""
    if not found.calls.repeats:
        return settings
    steps, first = found.calls.steps, found.order[0]
    if not isinstance(settings.input, PixelInput):
        raise NotExpressible(
            first, found.recorder.kind(first), "forward repeats what it is called with over "
            f"{steps} steps (a repetition), which is not one step of spikes",
            "input=PixelInput(...) and input_scale=, which take one image for all steps; or the "
            "layers behind the repetition",
        )
    if settings.steps not in (None, steps):
        raise ValueError(
            f"steps must be {steps}, since forward repeats its input over {steps} steps, not "
            f"{settings.steps}"
        )
    return replace(settings, steps=steps)


class _Reference:
    """Runs the layers of a module; on the first inputs, its own forward too."""

    def __init__(self, read: Read, verification: Verification) -> None:
        self.read, self.verification, self.verified = read, verification, False

    def __call__(self, inputs: Floats) -> Run:
        if not self.verified:
            self.verification.on(inputs)
            self.verified = True
        with torch.no_grad():
            return run_chain(
                self.read.chain, self.read.framework, inputs, self.read.summed
            )


def _read(
    module: nn.Module, found: Recorded, shape: Shape, framework: Framework, readout: str | None
) -> tuple[list[Operation], Read]:
    """Return the operations of a module in order, and the chain of its layers.

    Raises
    ------
    NotExpressible, ValueError
        Naming the layer.
    """
    recorder = found.recorder
    layers = {name: child for child, name in named_layers(module, framework.is_layer).items()}
    ops: list[Operation] = []
    chain: list[nn.Module] = []
    names: list[str] = []
    current, work = shape, 0.0

    def add(name: str, child: nn.Module) -> None:
        names.append(name)
        chain.append(child)

    for name in found.order:
        child = layers.get(name) or recorder.layer(name)
        if isinstance(child, (*SILENT, *framework.silent)):
            continue
        axes = _map_axes(child)
        given, made = recorder.given[name][0][0], recorder.shape(name)
        sizes = given[len(given) - axes :] if axes else current
        if sizes != current and prod(sizes) == prod(current):
            ops.append(Reshape(f"what {name} is given", "reshape", sizes=sizes))
            add(f"what {name} is given", Reshaped(sizes))
            current = sizes
        leading = 1 if framework.run is None else len(given) - len(current)
        own = operations(name, child, framework, leading)
        ops += own
        if isinstance(own[0], Reshape):
            current = own[0].output_shape(current)
            if len(current) > 1:
                add(name, Reshaped(current))
            continue
        add(name, child)
        if axes:
            current = made[len(made) - axes :]
        for op in own:
            if isinstance(op, Affine) and not axes:
                current = (len(op.weight),)
            elif isinstance(op, Votes) and not axes:
                current = (*current[:-1], current[-1] // op.size)
            work += _work(op, current)
    ops[-1:], reading = read_over_steps(found, ops, readout)
    last = ops[-1] if ops else None
    summed = isinstance(last, Neurons) and last.cell.summed
    return ops, Read(
        module, chain, names, found.calls, framework, shape, reading, summed, work
    )


def _map_axes(child: nn.Module) -> int:
    """Return the axes of the maps that a layer takes; 0 if it takes samples of any shape."""
    name = type(child).__name__
    bases = [each.__name__ for each in type(child).__mro__]
    for axes in (1, 2):
        kinds = [
            f"{kind}{axes}d" for kind in (
                "Conv", "MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool", "ConstantPad",
                "LConv", "SumPool",  # of Norse and sinabs
            )
        ]
        if any(each in bases for each in kinds) or (axes == 2 and name == "BatchNorm2d"):
            return axes + 1
    return 0


def _work(op: Operation, outputs: Shape) -> float:
    """Return the multiplications of a layer, and those that take as long as its other work."""
    positions = prod(outputs[1:]) if isinstance(op, Conv) else 1
    weights = op.weight.size if isinstance(op, (Affine, Conv)) else 0
    return float(weights * positions + 64 * prod(outputs))
