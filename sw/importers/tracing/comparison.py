"""Compares what a torch module's layers of neurons did in its own forward with the chain read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from ...support.errors import NotExpressible
from .forward import Trace

__all__ = ["Layer", "OtherSteps", "compare"]

_NEAREST = "a forward that gives each layer what the one before made, once per step, in order"
_KEEPING = (
    "a forward that loops over the steps itself, or one that keeps its states from call to call "
    "(init_hidden=True in snnTorch, and nothing in forward that sets them back)"
)
_SET_BACK = "is back at the start in every step"


class OtherSteps(NotExpressible):
    """A module takes the axes of what it was called with for others: samples for steps."""


@dataclass(frozen=True)
class Layer:
    """A layer of neurons that is compared.

    Attributes
    ----------
    name : str
        Its name in the model.
    kind : str
        Its type.
    tolerance : float
        Relative error of sums that counts as rounding; 0 where nothing is rounded.
    again : callable
        Runs the neurons from a reset on the inputs of a trace, and returns their spikes.
    """

    name: str
    kind: str
    tolerance: float
    again: Callable[[Trace], list[torch.Tensor]]


def compare(
    layers: Sequence[Layer], forward: Sequence[Trace], chain: Sequence[Trace], hint: str = ""
) -> torch.Tensor:
    """Compare traces of the forward with those of the chain.

    Parameters
    ----------
    layers : sequence of Layer
        The layers of neurons in order.
    forward : sequence of Trace
        Their traces in the module's own forward.
    chain : sequence of Trace
        Their traces in the chain, for the same samples.
    hint : str
        What else may help, for messages.

    Returns
    -------
    (batch,) bool tensor
        The samples that were compared to the end. In the others a membrane meets its threshold
        within rounding, so that either may be right.

    Raises
    ------
    NotExpressible
        Naming the first layer, step, sample and neuron, and what was found there.
    """
    alive = torch.ones(len(chain[0].spikes[0]) if chain else 0, dtype=torch.bool)
    for layer, ours, theirs in zip(layers, chain, forward, strict=True):
        found = _calls(ours, theirs) or _sizes(ours, theirs)
        for step in range(0 if found else len(ours.spikes)):
            found = _step(layer, ours, theirs, step, alive)
            if found is not None:
                order = _order(ours, theirs, layer.tolerance)
                found = f"{order}: {found}" if order else found
                break
        if found is not None:
            kind: type[NotExpressible] = NotExpressible
            if len(theirs.spikes) != len(ours.spikes):
                kind = OtherSteps
            raise kind(
                layer.name, layer.kind,
                f"the module's own forward differs from its layers: {found}",
                (_KEEPING if _SET_BACK in found else _NEAREST) + hint,
            )
    return alive


def _calls(ours: Trace, theirs: Trace) -> str | None:
    steps, given = len(ours.spikes), len(theirs.spikes)
    if given == steps:
        return None
    text = f"forward gives it {given} step(s) in {theirs.calls} call(s) for the {steps} of a sample"
    if given == steps * len(ours.spikes[0]):
        return text + ": it takes the samples of a batch for steps"
    if given % steps == 0 and given > steps:
        return text + f": each frame {'twice' if given == 2 * steps else f'{given // steps} times'}"
    order = _order(ours, theirs, 1e-6)
    return f"{text}: {order}" if order else text


def _sizes(ours: Trace, theirs: Trace) -> str | None:
    for name in ("currents", "spikes"):
        wanted, given = (getattr(each, name)[0].shape for each in (ours, theirs))
        if wanted != given:
            return (
                f"forward has {name} of {tuple(given)} there for a batch, its layers of "
                f"{tuple(wanted)}"
            )
    return None


def _order(ours: Trace, theirs: Trace, tolerance: float) -> str | None:
    """Return which steps forward takes, if they are those of the chain in another order."""
    found: list[int] = []
    for given in theirs.currents:
        equal = [
            step for step, wanted in enumerate(ours.currents)
            if given.shape == wanted.shape and not _apart(given, wanted, tolerance).any()
        ]
        if not equal:
            return None
        following = [each for each in equal if not found or each >= found[-1]]
        found.append((following or equal)[0] if len(found) not in equal else len(found))
    if found == list(range(len(ours.currents))) or len(set(found)) < 2:
        return None
    return f"forward takes the steps in the order {', '.join(map(str, found))}"


def _apart(given: torch.Tensor, wanted: torch.Tensor, tolerance: float) -> torch.Tensor:
    """Return where values differ by more than rounding."""
    size = wanted.abs().max() if wanted.numel() else torch.zeros(())
    error = (given.double() - wanted.double()).abs()
    return ~(error <= tolerance * size)  # what is not a number differs too


def _step(
    layer: Layer, ours: Trace, theirs: Trace, step: int, alive: torch.Tensor
) -> str | None:
    """Return what differs in a step; samples that meet a threshold within rounding are left out."""
    given, wanted = theirs.currents[step], ours.currents[step]
    place = _first(_apart(given, wanted, layer.tolerance), alive)
    if place is not None:
        return (
            f"at step {step} of sample {place[0]}, it gives neuron {place[1]} a current of "
            f"{given[place].item():.6g}, its layers {wanted[place].item():.6g}"
        )
    parameters = _parameters(ours, theirs, step)
    if parameters is not None:
        return parameters
    fired, own = theirs.spikes[step], ours.spikes[step]
    place = _first(fired != own, alive)
    if place is not None:
        # A membrane that meets its threshold within rounding may fire or not. But then the neurons
        # do as in forward if they are given the inputs that they have there.
        if layer.tolerance and _first(layer.again(theirs)[step] != fired, alive) is None:
            alive &= ~(fired != own).any(1)
            return None
        where = ("in forward, not in its layers", "in its layers, not in forward")
        return (
            f"neuron {place[1]} of sample {place[0]} fires at step {step} "
            f"{where[int(own[place])]}{_why(ours, theirs, step)}"
        )
    return _state(layer, ours, theirs, step, alive)


def _first(apart: torch.Tensor, alive: torch.Tensor) -> tuple[int, int] | None:
    places = (apart & alive[:, None]).nonzero()
    if not len(places):
        return None
    return int(places[0, 0]), int(places[0, 1])


def _parameters(ours: Trace, theirs: Trace, step: int) -> str | None:
    """Return which parameter or buffer of a neuron forward has changed."""
    # Within a call of several steps, the values are those after it.
    pairs = zip(ours.states[step:], theirs.states[step:], strict=True)
    own, given = next(((a, b) for a, b in pairs if a is not None and b is not None), ({}, {}))
    samples = len(ours.spikes[0])
    for name, value in own.items():
        constant = all(each is None or torch.equal(each[name], value) for each in ours.states)
        state = value.ndim > 1 and len(value) == samples
        if not constant or state or name not in given or given[name].shape != value.shape:
            continue
        if not torch.equal(given[name], value):
            return (
                f"it changes its {name} from {value.reshape(-1)[0].item():.6g} to "
                f"{given[name].reshape(-1)[0].item():.6g}"
            )
    return None


def _state(
    layer: Layer, ours: Trace, theirs: Trace, step: int, alive: torch.Tensor
) -> str | None:
    own, given = ours.states[step], theirs.states[step]
    if own is None or given is None:
        return None
    size = max((float(each.abs().max()) for each in own.values() if each.numel()), default=0.0)
    size = max(size, float(ours.currents[step].abs().max()))
    for name, value in own.items():
        if name not in given or value.numel() != ours.spikes[step].numel():
            continue
        wanted = value.reshape(len(alive), -1)
        if given[name].numel() != value.numel():
            return f"its {name} has the shape {tuple(given[name].shape)} in forward"
        found = given[name].reshape(len(alive), -1)
        place = _first(~((found - wanted).abs() <= layer.tolerance * size), alive)
        if place is not None:
            text = (
                f"after step {step} of sample {place[0]}, the {name} of neuron {place[1]} is "
                f"{found[place].item():.6g} in forward, {wanted[place].item():.6g} by its rule"
            )
            return text + _why(ours, theirs, step)
    return None


def _why(ours: Trace, theirs: Trace, step: int) -> str:
    """Return what forward does with the states, as far as it can be told."""
    own, given = ours.states[step], theirs.states[step]
    if own is None or given is None:
        return ""
    if not step:
        return "; forward gives it other states to start from"
    # What most neurons keep is their input and what was left of the step before: 0 at the start.
    current = theirs.currents[step]
    for name, value in given.items():
        if value.numel() == current.numel() and name in own and not torch.equal(value, own[name]):
            fresh = (value.reshape(current.shape) - current).abs() <= 1e-6 * current.abs().max()
            if (fresh | theirs.spikes[step]).all():
                return f"; its {name} {_SET_BACK}"
            return f"; forward changes its {name} between the steps"
    return ""
