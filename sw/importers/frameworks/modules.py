"""Turns torch modules into networks: finds the chain of their layers, reads it, and verifies it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from ...network import Network, PixelInput
from ...support.errors import NotExpressible
from ..convert import convert
from ..framework import Framework, check_home
from ..graph import FloatNetwork, Run, assemble
from ..operations import Shape
from ..semantics import Floats
from ..settings import Settings
from ..tracing.chains import Recorded, Uncallable, record
from ..tracing.comparison import OtherSteps
from ..tracing.copies import copied, parameter_dtype, parts, reading_copy, uncompiled
from ..tracing.forward import run_chain
from ..tracing.layers import leaves
from ..tracing.trials import Domain
from ..tracing.verification import Read, Verification
from .layers import check_module
from .reading import read_chain

__all__ = ["convert_module"]


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
    with uncompiled():
        return _converted(reading_copy(module), module, shape, sample, framework, settings)


def _converted(
    own: nn.Module,
    module: nn.Module,
    shape: Shape,
    sample: Any,
    framework: Framework,
    settings: Settings,
) -> Network:
    """Import a copy of a module."""
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
        name = f"{framework.name} module {type(own).__name__}"
        return convert(replace(network, source=name), options)
    # Neurons that cannot be expressed are often called in a way of their own.
    for each, child in leaves(own, framework.is_layer):
        framework.check(each or type(child).__name__, child)
    check_home(own, framework.name)
    # The error of the call that came closest to what the module takes says most.
    raise min(errors, key=lambda each: (isinstance(each, Uncallable), isinstance(each, OtherSteps)))


def _samples(module: nn.Module, shape: Shape, sample: Any, framework: Framework) -> list[Any]:
    """Return what to call a module with: the sample given, or those that it may take."""
    if sample is not None:
        return [sample]
    # Several steps are used, so that a layer that mixes steps is noticed.
    steps, batch_first = torch.zeros(3, 1, *shape), torch.zeros(1, 3, *shape)
    if any(
        getattr(each, "step_mode", "s") == "m" or isinstance(each, framework.whole)
        for each in parts(module)
    ):
        return [steps, None, batch_first]
    return [None, steps, batch_first]


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
    lazy = any(is_lazy(each) for _, each in module.named_parameters())
    called = module if lazy else copied(module, parameter_dtype(module))
    found = record(called, shape, sample, framework, domain.draw())
    framework.reset_all(module)
    settings = _with_steps(found, settings)
    ops, read = read_chain(module, found, shape, framework, settings.readout)
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
            f"{steps} steps (a repetition), which is not one step of "
            f"{'spikes' if settings.input is None else settings.input.kind}",
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
