"""The chain of a torch module's layers, and how the module takes the steps of a sample."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import nn

from ...support.errors import NotExpressible
from ..framework import Framework
from ..operations import Shape
from .copies import parameter_dtype, undisturbed
from .layers import EACH_STEP, NORMS
from .recording import SAMPLE, Recorder

__all__ = ["Calls", "Recorded", "Uncallable", "record"]

_TAKEN = (
    "(1, *sample_shape), or (steps, 1, *sample_shape) if it loops over steps",
    "(1, steps, *sample_shape), or (steps, *sample_shape) if it folds the steps into the batch",
)


_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Uncallable(ValueError):  # noqa: N818 (what the module is)
    """A module cannot be called with the sample that was tried."""


@dataclass(frozen=True)
class Calls:
    """How a module is called with a sample.

    Attributes
    ----------
    leading : tuple of int
        The axes in front of those of a sample, with a batch of 1.
    batch : int or None
        The one of them that is the batch; None if there is none.
    time : int or None
        The one of them that is the steps; None if a call is one step, or repeats its input.
    steps : int
        Steps in a call.
    """

    leading: Shape
    batch: int | None
    time: int | None
    steps: int

    @property
    def repeats(self) -> bool:
        """Whether a call repeats its input over several steps."""
        return self.time is None and self.steps > 1


@dataclass(frozen=True, eq=False)
class Recorded:
    """What was recorded of a module.

    Attributes
    ----------
    recorder : Recorder
        The calls of its layers.
    order : list of str
        The names of its layers in order.
    calls : Calls
        How it was called.
    returned : object
        What it returned.
    """

    recorder: Recorder
    order: list[str]
    calls: Calls
    returned: Any

    @property
    def again(self) -> bool:
        """Whether a sample of several steps was itself repeated."""
        first = self.recorder.given[self.order[0]]
        return self.calls.time is not None and any(match.repeats > 1 for _, match in first)


def record(
    module: nn.Module,
    shape: Shape,
    sample: Any,
    framework: Framework,
    legal: Any,
) -> Recorded:
    """Call a module once, and return the chain of its layers.

    Parameters
    ----------
    module : torch.nn.Module
        The module, which is called in a copy.
    shape : tuple of int
        Shape of one sample.
    sample : tensor or array_like or None
        What the module is called with; None for zeros of ``(1, *shape)``. Its values do not
        matter.
    framework : Framework
        What is known about its neurons.
    legal : callable
        Draws legal values of the input, of a shape.

    Raises
    ------
    NotExpressible
        If the layers are not one chain.
    Uncallable
        If it cannot be called.
    """
    leading = _leading(sample, shape, framework.step_axis)
    recorder, returned = _called(module, (*leading, *shape), framework, legal)
    order = _order(recorder)
    _check_random(recorder, order, framework)
    calls = _calls(recorder, order, leading, framework)
    return Recorded(recorder, order, calls, framework.output(returned))


def _called(
    module: nn.Module, shape: Shape, framework: Framework, legal: Any
) -> tuple[Recorder, Any]:
    """Call a module with random numbers; with legal values of the input, if it takes no others."""
    errors: list[Exception] = []
    for drawn in (False, True):
        recorder = Recorder(module, framework.is_layer, framework.fires, legal)
        try:
            with undisturbed():
                dtype = parameter_dtype(module)
                values = legal(shape).to(dtype) if drawn else None
                return recorder, recorder.called(module, shape, dtype, values)
        except NotExpressible:
            raise
        except Exception as error:  # whatever the model raises
            errors.append(error)
            framework.reset_all(module)
    last = errors[-1]
    raise Uncallable(
        f"the module cannot be called with one sample of {shape} ({_text(last)}); "
        f"{_next_step(module, last, framework)}"
    ) from last


def _text(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _next_step(module: nn.Module, error: Exception, framework: Framework) -> str:
    """Return what helps where a module cannot be called."""
    kind = type(module)
    if kind.forward is nn.Module.forward and "forward" not in vars(module):
        return "it has no forward: put its layers into a torch.nn.Sequential, or write one"
    try:
        needed = [
            each.name for each in inspect.signature(module.forward).parameters.values()
            if each.default is each.empty and each.kind in _BY_PLACE
        ]
    except (TypeError, ValueError):  # it has no signature
        needed = []
    if len(needed) > 1:
        return (
            f"its forward needs {', '.join(needed[1:])} besides {needed[0]}: give them defaults, "
            "or a module whose forward takes the sample alone and calls this one"
        )
    hint = (
        "check sample_shape, the shape of one sample without batch and steps, or give sample=, "
        f"what its forward takes: {_TAKEN[framework.step_axis]}"
    )
    if "tuple" in str(error) and framework.name == "snnTorch":
        hint += (
            "; snnTorch neurons in a Sequential need init_hidden=True, and output=True in the last "
            "only"
        )
    return hint


def _leading(sample: Any, shape: Shape, step_axis: int) -> Shape:
    """Return the axes of the module's argument in front of those of a sample: a batch of 1, with
    or without steps."""
    if sample is None:
        return (1,)
    # Only the shape matters, so the sample may be on any device.
    try:
        given = sample if isinstance(sample, torch.Tensor) else torch.as_tensor(sample)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"sample must be a tensor or an array, {_TAKEN[step_axis]}, not a "
            f"{type(sample).__name__}"
        ) from error
    axes = given.ndim - len(shape)
    if axes < 0 or tuple(given.shape[axes:]) != shape:
        raise ValueError(
            f"sample must end with the axes of sample_shape {shape}, not {tuple(given.shape)}"
        )
    leading = tuple(given.shape[:axes])
    if axes == 1 and leading != (1,) and not step_axis:
        raise ValueError(f"sample must be a batch of 1, not of {leading[0]}")
    if axes == 2 and step_axis and leading[0] != 1:
        raise ValueError(
            f"sample must be (1, steps, *sample_shape), a batch of 1, not {tuple(given.shape)}"
        )
    if axes > 1 and prod(leading) != max(leading):
        raise ValueError(
            "sample must be (steps, 1, *sample_shape), or (1, steps, *sample_shape) if its forward "
            f"takes the batch first: a batch of 1, not {tuple(given.shape)}"
        )
    return leading


def _calls(recorder: Recorder, order: Sequence[str], leading: Shape, framework: Framework) -> Calls:
    """Return how the module was called, by the calls of its first layer of neurons."""
    spiking = [name for name in order if framework.is_neuron(recorder.layer(name))]
    name = (spiking or order)[0]
    child = recorder.layer(name)
    steps = 0
    for given, match in recorder.given[name]:
        own = framework.steps_of(child, torch.empty(given)).shape[0] if spiking else match.repeats
        steps += own
    if len(leading) == 1 and framework.step_axis:
        return Calls(leading, None, 0, leading[0])  # the steps are folded into the batch
    if len(leading) < 2:
        return Calls(leading, 0 if leading else None, None, steps)
    time = leading.index(max(leading))
    return Calls(leading, 1 if time == 0 else 0, time, leading[time])


def _check_random(recorder: Recorder, order: Sequence[str], framework: Framework) -> None:
    for function, name in recorder.functions.drawn.items():
        if name in order and not isinstance(recorder.layer(name), framework.unmoved):
            raise NotExpressible(
                name, recorder.kind(name), f"it draws random numbers in evaluation mode "
                f"({function}), so no two runs are equal", "the layers without it",
            )


def _order(recorder: Recorder) -> list[str]:
    """Return the names of the layers from the sample on; refused unless they are one chain."""
    if not recorder.sources:
        raise ValueError("the module calls no layers")
    following: dict[str, list[str]] = {}
    for name, sources in recorder.sources.items():
        if len(sources) > 1 and all(_is_norm(recorder, each) for each in sources):
            raise NotExpressible(" and ".join(sources), recorder.kind(sources[0]), *EACH_STEP)
        if len(sources) > 1:
            raise NotExpressible(
                name, recorder.kind(name), f"it is given what {' and what '.join(sources)} made: "
                "it is shared between places, or recurrent",
                "a layer of its own for each place, in one chain",
            )
        if sources[0].startswith("output "):
            raise NotExpressible(
                name, recorder.kind(name), f"it is given {sources[0]}, not its spikes",
                "layers on spikes",
            )
        following.setdefault(sources[0], []).append(name)
    for name, others in following.items():
        if len(others) > 1:
            kind = "input" if name == SAMPLE else recorder.kind(name)
            raise NotExpressible(
                name, kind, f"the model branches: it feeds {' and '.join(others)}",
                "layers in one chain",
            )
    order, at = [], SAMPLE
    while at in following:
        at = following[at][0]
        order.append(at)
        if len(order) > len(recorder.sources):
            raise NotExpressible(at, recorder.kind(at), "it is recurrent", "one chain")
    missed = [name for name in recorder.sources if name not in order]
    if missed:
        raise NotExpressible(
            missed[0], recorder.kind(missed[0]), "it is not reached from the sample: recurrent",
            "layers in one chain",
        )
    return order


def _is_norm(recorder: Recorder, name: str) -> bool:
    """Whether a layer of that name is a batch normalisation."""
    norms = [m for m, each in recorder.names.items() if each == name]
    return any(isinstance(each, NORMS) for each in norms)
