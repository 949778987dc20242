"""Recognises the writer of a NIR file by its numbers, and asks about it.

A file does not say who wrote it. Some writers mean other numbers than those that NIR's equations
say, so a file that looks like one of theirs is not read by the equations without a word. The
caller answers with ``writer=``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from ..operations import Neurons, Operation, Scaling
from ..semantics import Floats, finite
from .neurons import Pins
from .units import Unit
from .writers import PLAIN, WRITERS, implied_steps

__all__ = ["answers", "differ", "hint", "looks", "looks_like", "question"]

_CLOSE = 1e-3
_TINY = 1e-4  # seconds: time constants below it are those of Norse, a thousandth of what it means
_FX = re.compile(r"_\d+")  # torch.fx numbers the layers of a Sequential so


def looks_like(units: Sequence[Unit], names: Sequence[str], pins: Pins) -> list[tuple[str, str]]:
    """Return the writers that a file looks like, and by what.

    It may still mean the same by it: ``differ`` says so.

    Parameters
    ----------
    units : sequence of Unit
        Its layers of neurons.
    names : sequence of str
        The names of its nodes, without those of Input and Output.
    pins : Pins
        The semantics that the caller gives.
    """
    found = []
    for name, look in _LOOKS.items():
        kinds = {node.kind for unit in units for _, node in unit.nodes}
        if kinds and kinds <= set(WRITERS[name].kinds):
            why = look(units, names, pins)
            if why:
                found.append((name, why))
    return found


def hint(found: Sequence[tuple[str, str]]) -> str:
    """Return what to add to an error about a file that looks like one of a writer."""
    answers = " or ".join(
        f"writer={name!r} if {WRITERS[name].release} wrote it ({why})" for name, why in found
    )
    return f"or give {answers}"


def question(name: str, found: Sequence[tuple[str, str]]) -> str:
    """Return the question that a caller answers with ``writer=``."""
    return (
        f"{name} looks like a file of {looks(found)}, which runs its networks otherwise than NIR's "
        f"equations say: give {answers(found)} to read it so, or writer={PLAIN!r} for the "
        "equations as they are"
    )


def looks(found: Sequence[tuple[str, str]]) -> str:
    """Return the writers that a file looks like, and by what, in words."""
    return " or ".join(f"{WRITERS[each].release} ({why})" for each, why in found)


def answers(found: Sequence[tuple[str, str]]) -> str:
    """Return the arguments that name these writers."""
    return " or ".join(f"writer={each!r}" for each, _ in found)


def differ(ours: Sequence[Operation], others: Sequence[Operation]) -> bool:
    """Whether two readings of one file compute different things."""
    if [type(each) for each in ours] != [type(each) for each in others]:
        return True
    pairs = zip(ours, others, strict=True)
    return any(_differ(a, b) for a, b in pairs if isinstance(a, (Neurons, Scaling)))


def _differ(a: Operation, b: Operation) -> bool:
    if isinstance(a, Scaling) and isinstance(b, Scaling):
        return not _same(a.factor, b.factor)
    assert isinstance(a, Neurons)
    assert isinstance(b, Neurons)
    one, other = a.cell, b.cell
    names = ["compare", "reset"] if one.fires else []
    if one.reset == "subtract" and one.fires:
        names.append("reset_timing")
    if any(getattr(one, name) != getattr(other, name) for name in names):
        return True
    numbers = ("decay", "synapse_decay", "threshold", "bias", "v_init", "recurrent")
    return any(not _same(getattr(one, name), getattr(other, name)) for name in numbers)


def _same(one: Floats | float | None, other: Floats | float | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.shape(one) == np.shape(other) and bool(np.allclose(one, other, 1e-5, 1e-9))


def _parameters(units: Sequence[Unit], parameter: str) -> Floats:
    """Return all values of a parameter, wherever nodes have it."""
    arrays = [
        finite(name, node.kind, parameter, node.values[parameter]).reshape(-1)
        for unit in units for name, node in unit.nodes if node.get(parameter) is not None
    ]
    return np.concatenate(arrays) if arrays else np.zeros(0)


def _taus(units: Sequence[Unit]) -> Floats:
    return np.concatenate([_parameters(units, each) for each in ("tau", "tau_mem", "tau_syn")])


def _single(units: Sequence[Unit]) -> bool:
    """Whether the parameters of leaky neurons have no axes."""
    return all(
        np.ndim(unit.node.values[each]) == 0
        for unit in units for each in ("tau", "tau_mem") if unit.node.get(each) is not None
    )


def _one_step(writer: str, units: Sequence[Unit], pins: Pins) -> float | None:
    """Return the step that all parameters imply, if it is the one given, or no coincidence."""
    steps = implied_steps(WRITERS[writer], units)
    if not steps.size or not np.isfinite(steps).all() or steps.min() <= 0:
        return None
    if steps.max() / steps.min() - 1 > _CLOSE:
        return None
    step = float(steps[0])
    taus = np.concatenate([_parameters(units, each) for each in ("tau", "tau_mem")])
    usual = pins.dt if pins.dt is not None else WRITERS[writer].pins.dt
    assert usual is not None
    # One time constant implies some step in any case; several agree only if they were so made.
    several = bool(taus.size) and taus.max() / taus.min() - 1 > _CLOSE
    near = abs(step / usual - 1) < _CLOSE
    return step if near or several else None


def _rockpool(units: Sequence[Unit], names: Sequence[str], pins: Pins) -> str:
    step = _one_step("rockpool", units, pins)
    return "" if step is None else f"r = tau / dt exp(-dt / tau) with dt = {step:.4g}"


def _spyx(units: Sequence[Unit], names: Sequence[str], pins: Pins) -> str:
    step = _one_step("spyx", units, pins)
    r = np.concatenate([
        _parameters([unit], "r") for unit in units if unit.node.kind in ("LIF", "CubaLIF")
    ] or [np.zeros(0)])
    if step is None or not r.size or r.min() < 0 or r.max() >= 1:
        return ""
    return f"r = 1 - dt / tau with dt = {step:.4g}"


def _sinabs(units: Sequence[Unit], names: Sequence[str], pins: Pins) -> str:
    taus = _taus(units)
    steps = taus.size and taus.min() >= 1 and pins.dt in (None, 1)
    if pins.integration is not None or not steps or not _single(units):
        return ""
    plain = (_parameters(units, "r") == 1).all() and not _parameters(units, "v_leak").any()
    plain = plain and not _parameters(units, "v_reset").any()
    return f"single values of tau, in steps, from {taus.min():.4g}, and r = 1" if plain else ""


def _norse(units: Sequence[Unit], names: Sequence[str], pins: Pins) -> str:
    taus = _taus(units)
    ones = (_parameters(units, "r") == 1).all() and (_parameters(units, "w_in") == 1).all()
    if not taus.size or taus.min() <= 0 or taus.max() > _TINY or not ones or not _single(units):
        return ""
    return f"single values of tau, {taus.min():.4g} s at least, and r = 1"


def _snntorch(units: Sequence[Unit], names: Sequence[str], pins: Pins) -> str:
    # Made for steps of 1e-4 and a gain of 1.
    steps = implied_steps(WRITERS["snntorch"], units)
    if not steps.size or not (np.abs(steps / 1e-4 - 1) < _CLOSE).all():
        return ""
    plain = (_parameters(units, "r") == 1).all() or _parameters(units, "v_reset").any()
    return "" if plain else "r = tau / 1e-4"


def _spikingjelly(units: Sequence[Unit], names: Sequence[str], pins: Pins) -> str:
    leaks, resets = (
        np.concatenate([_parameters([unit], each) for unit in units if unit.node.kind == "LIF"]
                       or [np.zeros(0)])
        for each in ("v_leak", "v_reset")
    )
    steps = implied_steps(WRITERS["spikingjelly"], units)
    if steps.size and not (np.abs(steps / steps[0] - 1) < _CLOSE).all():
        return ""
    if leaks.any() and leaks.shape == resets.shape and (leaks == resets).all():
        return "v_leak = v_reset, and r = 1 or tau / dt"
    return "names such as _0, which torch.fx gives" if all(map(_FX.fullmatch, names)) else ""


_LOOKS: dict[str, Callable[[Sequence[Unit], Sequence[str], Pins], str]] = {
    "rockpool": _rockpool, "spyx": _spyx, "sinabs": _sinabs, "norse": _norse,
    "snntorch": _snntorch, "spikingjelly": _spikingjelly,
}
