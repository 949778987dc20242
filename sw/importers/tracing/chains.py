"""The chain of a torch module's layers, and how the module takes the steps of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import nn

from ...support.errors import NotExpressible
from ..framework import Framework
from ..operations import Shape
from .copies import parameter_dtype, tensors, undisturbed
from .recording import SAMPLE, Recorder

__all__ = ["Calls", "Recorded", "Uncallable", "check_returned", "record"]


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
    """

    recorder: Recorder
    order: list[str]
    calls: Calls

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
    readout: str | None,
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
    readout : str or None
        With "membrane" the module may return the last layer's membrane in place of its output.
    legal : callable
        Draws legal values of the input, of a shape.

    Raises
    ------
    NotExpressible
        If the layers are not one chain, or the module returns something else than the last one's
        output.
    Uncallable
        If it cannot be called.
    """
    leading = _leading(sample, shape)
    recorder = Recorder(module, framework.is_layer, framework.is_neuron, legal)
    try:
        with undisturbed():
            returned = recorder.called(module, (*leading, *shape), parameter_dtype(module))
    except NotExpressible:
        raise
    except Exception as error:  # whatever the model raises
        raise Uncallable(
            f"the module cannot be called with one sample of {(*leading, *shape)} "
            f"({type(error).__name__}: {error}); give sample=, what its forward takes: "
            "(1, *sample_shape), or (steps, 1, *sample_shape) if it loops over steps; snnTorch "
            "neurons in a Sequential need init_hidden=True"
        ) from error
    order = _order(recorder)
    check_returned(
        recorder.made, order[-1], recorder.kind(order[-1]), list(tensors(returned)), readout
    )
    _check_random(recorder, order)
    return Recorded(recorder, order, _calls(recorder, order, leading, framework))


def _leading(sample: Any, shape: Shape) -> Shape:
    """Return the axes of the module's argument in front of those of a sample: a batch of 1, with
    or without steps."""
    if sample is None:
        return (1,)
    # Only the shape matters, so the sample may be on any device.
    given = sample if isinstance(sample, torch.Tensor) else torch.as_tensor(sample)
    axes = given.ndim - len(shape)
    if axes < 0 or tuple(given.shape[axes:]) != shape:
        raise ValueError(
            f"sample must end with the axes of sample_shape {shape}, not {tuple(given.shape)}"
        )
    leading = tuple(given.shape[:axes])
    if axes == 1 and leading != (1,):
        raise ValueError(f"sample must be a batch of 1, not of {leading[0]}")
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
        own = framework.unfolded(child, torch.empty(given)).shape[0] if spiking else match.repeats
        steps += own
    if len(leading) < 2:
        return Calls(leading, 0 if leading else None, None, steps)
    time = leading.index(max(leading))
    return Calls(leading, 1 if time == 0 else 0, time, leading[time])


def _check_random(recorder: Recorder, order: Sequence[str]) -> None:
    for function, name in recorder.functions.drawn.items():
        if name in order:
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


def check_returned(
    made: Sequence[tuple[str, torch.Tensor]],
    last: str,
    kind: str,
    returned: Sequence[torch.Tensor],
    readout: str | None,
) -> None:
    """Refuse a module that does not return the last layer's output, as it is or over steps.

    Parameters
    ----------
    made : sequence of (str, tensor)
        What its layers gave, call by call.
    last : str
        The last layer.
    kind : str
        Its type.
    returned : sequence of tensor
        What the module returned.
    readout : str or None
        With "membrane" it may return a state of that layer.

    Raises
    ------
    NotExpressible
        Naming the last layer.
    """
    if _among(made, last, returned):
        return
    reason = "what the model returns is not its output: something is "
    reason += "computed behind it, or another layer's output is returned"
    nearest = "returning its output, or the stack, sum or mean of it where forward loops over steps"
    states = dict.fromkeys(name for name, _ in made if name.endswith(f" of {last}"))
    if any(_among(made, name, returned, states=True) for name in states):
        if readout == "membrane":
            return
        reason, nearest = "the model returns its state, not its spikes", "readout='membrane'"
    raise NotExpressible(last, kind, reason, nearest)


def _among(
    made: Sequence[tuple[str, torch.Tensor]],
    name: str,
    returned: Sequence[torch.Tensor],
    states: bool = False,
) -> bool:
    """Whether the module returned a layer's outputs from all of its calls, in any shape.

    The stack, sum and mean over the calls count. For states, the one of the last call counts too,
    but not the sum or mean.
    """
    calls = [value for maker, value in made if maker == name]
    if len({call.shape for call in calls}) != 1:
        return False
    values = calls[0] if len(calls) == 1 else torch.stack(calls)
    wanted = [values, values.movedim(0, -1), values.movedim(0, 1) if values.ndim > 1 else values]
    wanted += [calls[-1]] if states else [values.sum(0), values.mean(0)]
    # A tolerance is needed, because the model may compute its sums and means in a different order.
    return any(
        each.numel() == value.numel() and _close(each.reshape(-1), value.reshape(-1))
        for each in returned
        for value in wanted
    )


def _close(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    size = wanted.abs().max().item() if wanted.numel() else 0.0
    return torch.allclose(found.to(wanted.dtype), wanted, rtol=1e-4, atol=1e-6 * size)
