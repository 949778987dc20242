"""What the programs that write NIR files mean by the numbers in them.

A ``Writer`` is the record of one release. Its file becomes one that NIR's equations describe: the
parameters are put right, and what the file does not say is set as the framework has it. Each record
was read off the writer's source, and compared with the framework's own run in
``benchmarks/writers.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...support.errors import NotExpressible
from ...support.values import positive
from ..semantics import Floats, finite
from .files import Graph, Node
from .graph import FIRING
from .neurons import Pins
from .spyx import spyx_chain, spyx_graph
from .units import Unit

__all__ = ["PLAIN", "WRITERS", "Writer", "Writing"]

PLAIN = "plain"
"""The name of no writer: NIR's equations as they are."""

Chain = Sequence[tuple[str, Node]]

_STEPS_LOW = 0.05  # steps; 2e-9 of a membrane is left after one
_CLOSE = 1e-3  # relative: 1 - beta has lost digits in float32


@dataclass(frozen=True)
class Writer:
    """A release of a program that writes NIR files.

    Attributes
    ----------
    name : str
        Its name in ``writer=``.
    release : str
        The release that was seen.
    kinds : tuple of str
        The nodes of neurons that it writes.
    pins : Pins
        Its semantics.
    free : tuple of str
        Those that the file does not say and a model may have otherwise, so the caller may too.
    implied : callable
        Returns the length of a step that a node's parameters imply, in an array of any shape;
        None if they imply none.
    corrected : callable
        Returns a node with parameters by which NIR's equations do what the framework does.
    assumed : tuple of str
        What the file does not say and is taken for granted, for reports.
    rules : mapping of str
        By type of node, semantics other than ``pins``.
    late : tuple of str
        Types of nodes whose spikes come one step later than here.
    graph, chain : callable
        Put right what is wrong between nodes.
    """

    name: str
    release: str
    kinds: tuple[str, ...]
    pins: Pins
    free: tuple[str, ...]
    implied: Callable[[str, Node], Floats | None]
    corrected: Callable[[str, Node, float], Node]
    assumed: tuple[str, ...]
    rules: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    late: tuple[str, ...] = ()
    graph: Callable[[Graph], Graph] = lambda graph: graph
    chain: Callable[[Chain], Chain] = lambda chain: chain


class Writing:
    """One file of a writer.

    Parameters
    ----------
    writer : Writer
        Its writer.
    units : sequence of Unit
        Its layers of neurons.
    given : Pins
        The semantics that the caller gives.
    instead : mapping of str
        Semantics in place of the writer's own, by name, whatever it does.

    Attributes
    ----------
    dt : float
        Length of a step.

    Raises
    ------
    NotExpressible
        If the writer does not write such nodes.
    ValueError
        If the caller, or a parameter, contradicts what the writer does.
    """

    def __init__(
        self, writer: Writer, units: Sequence[Unit], given: Pins,
        instead: Mapping[str, Any] | None = None,
    ) -> None:
        self.writer, self._instead = writer, dict(instead or {})
        self._given = {name: value for name, value in vars(given).items() if value is not None}
        for unit in units:
            self._check_kinds(unit)
        self.dt = self._step(units, self._given.pop("dt", None))
        self._check_given(units)

    def _check_kinds(self, unit: Unit) -> None:
        for name, node in unit.nodes:
            if node.kind not in self.writer.kinds:
                raise NotExpressible(
                    name, node.kind, f"{self.writer.release} does not write it",
                    f"{', '.join(self.writer.kinds)}, or another writer=",
                )

    def _check_given(self, units: Sequence[Unit]) -> None:
        own = vars(self.writer.pins)
        for name, value in self._given.items():
            usual = None if name in self.writer.free else own[name]
            said = {
                self.writer.rules.get(unit.node.kind, {}).get(name, usual) for unit in units
            }
            if name == "integration" and usual is None:
                said = {"euler"}
            if said and None not in said and value not in said:
                raise ValueError(
                    f"{name} must not be {value!r}: writer={self.writer.name!r} has "
                    f"{' and '.join(sorted(map(repr, said)))}"
                )

    def _step(self, units: Sequence[Unit], given: float | None) -> float:
        """Return the length of a step, which some writers leave in their parameters."""
        writer, own = self.writer, self.writer.pins.dt
        assert own is not None
        asked = own if given is None else positive("dt", given)
        if given is not None and "dt" not in writer.free and abs(given / own - 1) > _CLOSE:
            raise ValueError(f"dt must be {own:g} for writer={writer.name!r}, not {given:g}")
        implied = implied_steps(writer, units)
        if not implied.size:
            return asked
        low, high = float(implied.min()), float(implied.max())
        if not (low > 0 and high / low - 1 < _CLOSE):
            raise ValueError(
                f"writer={writer.name!r} does not fit: the parameters of its neurons imply steps "
                f"from {low:g} to {high:g}, and {writer.release} writes with one dt; "
                f"writer={PLAIN!r} takes them as they are"
            )
        if abs(low / asked - 1) < _CLOSE:
            return asked
        if "dt" not in writer.free:
            raise ValueError(
                f"writer={writer.name!r} does not fit: the parameters of its neurons imply a step "
                f"of {low:.6g}, and {writer.release} writes with {own:g}; writer={PLAIN!r} takes "
                "them as they are"
            )
        if given is not None:
            raise ValueError(
                f"dt must be {low:.6g}, which the parameters imply if {writer.release} wrote them, "
                f"not {asked:g}"
            )
        return low

    def pins(self, kind: str) -> Pins:
        """Return the semantics of a node of a type."""
        free = {name: each for name, each in self._given.items() if name in self.writer.free}
        rules: dict[str, Any] = {
            **free, **self.writer.rules.get(kind, {}), "dt": self.dt, **self._instead,
        }
        pins = replace(self.writer.pins, **rules)
        if pins.reset != "subtract" and "reset_timing" not in rules:
            pins = replace(pins, reset_timing="same_step")  # the others have no timing
        return pins

    def corrected(self, unit: Unit) -> Unit:
        """Return a layer of neurons with the parameters put right."""
        synapse = unit.synapse
        if synapse is not None:
            synapse = synapse[0], self.writer.corrected(*synapse, self.dt)
        return replace(
            unit, node=self.writer.corrected(unit.name, unit.node, self.dt), synapse=synapse
        )

    def assumed(self, units: Sequence[Unit]) -> list[str]:
        """Return what the file does not say, one line each."""
        lines = [f"written by {self.writer.release}: {each}" for each in self.writer.assumed]
        late = sum(unit.node.kind in self.writer.late for unit in units)
        if late:
            lines.append(
                f"{self.writer.release} emits these spikes one step later in each of {late} "
                f"layers: its outputs of step t + {late} are those of step t here"
            )
        return lines


def implied_steps(writer: Writer, units: Sequence[Unit]) -> Floats:
    """Return the lengths of a step that the parameters of a writer's nodes imply."""
    with np.errstate(all="ignore"):  # what no step can imply is seen by its value
        found = [
            writer.implied(name, node)
            for unit in units for name, node in unit.nodes if node.kind in writer.kinds
        ]
    arrays = [each.reshape(-1) for each in found if each is not None]
    return np.concatenate(arrays) if arrays else np.zeros(0)


def _value(name: str, node: Node, parameter: str) -> Floats:
    return finite(name, node.kind, parameter, node.values[parameter])


def _w_in(name: str, node: Node) -> Floats:
    return _value(name, node, "w_in") if node.get("w_in") is not None else np.ones(())


def _tau(node: Node) -> str:
    return "tau_mem" if node.kind.startswith("Cuba") else "tau"


def _put(node: Node, **values: Any) -> Node:
    return replace(node, values={**node.values, **values})


def _expect(name: str, node: Node, writer: str, **values: Any) -> None:
    """Refuse a parameter that a writer would have written otherwise."""
    for parameter, expected in values.items():
        if node.get(parameter) is None:
            continue
        found, right = np.broadcast_arrays(_value(name, node, parameter), expected)
        bad = np.abs(found - right) > _CLOSE * np.maximum(np.abs(right), 1e-9)
        if bad.any():
            raise ValueError(
                f"{name} ({node.kind}): {parameter} is {found[bad][0]:g}, where {writer} writes "
                f"{right[bad][0]:g}: another program wrote it, or it was changed"
            )


def _ratio_step(name: str, node: Node) -> Floats | None:
    """Return the step of a writer that makes the gain ``r dt / tau`` 1."""
    if node.kind == "IF":
        return 1.0 / _nonzero(name, node, "r")
    steps = _value(name, node, _tau(node)) / _nonzero(name, node, "r")
    if node.kind == "CubaLIF":
        both = np.broadcast_arrays(
            steps, _value(name, node, "tau_syn") / _nonzero(name, node, "w_in")
        )
        steps = np.stack(both)
    return np.asarray(steps)


def _nonzero(name: str, node: Node, parameter: str) -> Floats:
    values = _w_in(name, node) if parameter == "w_in" else _value(name, node, parameter)
    return np.where(values == 0, np.nan, values)


def _snntorch(name: str, node: Node, dt: float) -> Node:
    _expect(name, node, "snnTorch", v_leak=0.0, v_reset=0.0)
    return node


def _spikingjelly_step(name: str, node: Node) -> Floats | None:
    # With decay_input, r is 1 and tells nothing.
    if node.kind == "LIF" and (_value(name, node, "r") == 1).all():
        return None
    return _ratio_step(name, node)


def _spikingjelly(name: str, node: Node, dt: float) -> Node:
    if node.kind == "LIF" and node.get("v_reset") is not None:
        _expect(name, node, "SpikingJelly", v_leak=_value(name, node, "v_reset"))
    return node


def _norse(name: str, node: Node, dt: float) -> Node:
    _expect(name, node, "Norse", r=1.0, w_in=1.0, v_reset=0.0)
    if node.kind == "IF":
        return _put(node, r=np.ones(()) / dt)
    # It writes dt / tau_inv for 1 / tau_inv.
    taus = {each: _value(name, node, each) / dt for each in (_tau(node), "tau_syn")
            if node.get(each) is not None}
    if node.kind == "CubaLIF":
        return _put(node, **taus, w_in=taus["tau_syn"] / dt)
    return _put(node, **taus)


def _spyx_step(name: str, node: Node) -> Floats | None:
    if node.kind not in ("LIF", "CubaLIF"):
        return None
    return np.asarray(_value(name, node, _tau(node)) * (1.0 - _value(name, node, "r")))


def _spyx(name: str, node: Node, dt: float) -> Node:
    _expect(name, node, "spyx", w_in=1.0, v_leak=0.0, v_reset=0.0)
    if node.kind == "IF":
        _expect(name, node, "spyx", r=1.0)
        return _put(node, r=np.ones(()) / dt)
    if node.kind == "LI":
        _expect(name, node, "spyx", r=1.0)
    node = _put(node, r=_value(name, node, _tau(node)) / dt)
    if node.kind == "CubaLIF":
        node = _put(node, w_in=_value(name, node, "tau_syn") / dt)
    return node


def _sinabs(name: str, node: Node, dt: float) -> Node:
    _expect(name, node, "sinabs", r=1.0, v_leak=0.0, v_reset=0.0)
    if node.kind != "IF" and _value(name, node, "tau").min() < _STEPS_LOW:
        raise ValueError(
            f"{name} ({node.kind}): tau is {_value(name, node, 'tau').min():g}, and sinabs writes "
            "it in steps, in which that is no memory at all: another program wrote it, in seconds"
        )
    return node


def _rockpool_step(name: str, node: Node) -> Floats | None:
    """Solve ``r = tau / dt exp(-dt / tau)`` for dt: with ``x = dt / tau``, ``x exp(x) = 1 / r``."""
    target = 1.0 / _nonzero(name, node, "r")
    target = np.where(target > 0, target, np.nan)
    x = np.log1p(target)
    for _ in range(50):  # Newton's method from above; it converges in a few of them
        x = x - (x * np.exp(x) - target) / (np.exp(x) * (1.0 + x))
    return np.asarray(x * _value(name, node, _tau(node)))


def _rockpool(name: str, node: Node, dt: float) -> Node:
    _expect(name, node, "rockpool", w_in=1.0, v_leak=0.0, v_reset=0.0)
    lost = -np.expm1(-dt / _value(name, node, _tau(node)))
    if node.kind == "LI":  # its current decays after the input is added
        return _put(node, r=(1.0 - lost) / lost)
    if node.kind == "CubaLIF":
        syn = -np.expm1(-dt / _value(name, node, "tau_syn"))
        node = _put(node, w_in=(1.0 - syn) / syn)
    return _put(node, r=1.0 / lost)


_MANY = "a neuron spikes at most once in a step"

WRITERS = {
    each.name: each
    for each in (
        Writer(
            "rockpool", "rockpool 3.1.0", ("LIF", "CubaLIF", "LI"),
            Pins(1e-3, "subtract", "same_step", "new", 0.0, "ge", "exponential"), ("dt",),
            _rockpool_step, _rockpool,
            (f"{_MANY} (max_spikes_per_dt=1)", "no recurrent weights, and neurons without bias"),
        ),
        Writer(
            "spyx", "spyx 1.0.0", ("IF", "LIF", "CubaLIF", "LI"),
            Pins(1.0, "subtract", "next_step", "new", 0.0, "gt"), ("dt",), _spyx_step, _spyx,
            ("r and w_in such that the input is added as it is",),
            rules={"CubaLIF": {"reset_timing": "same_step"}}, late=FIRING,
            graph=spyx_graph, chain=spyx_chain,
        ),
        Writer(
            "sinabs", "sinabs 3.1.3", ("IF", "LIF", "LI"),
            Pins(1.0, "subtract", "same_step", "new", 0.0, "ge", "exponential"), ("reset",),
            lambda name, node: None, _sinabs,
            (f"{_MANY} (spike_fn=SingleSpike)",
             "norm_input=True where it leaks, no tau_syn, no min_v_mem"),
        ),
        Writer(
            "norse", "Norse 1.1.0", ("IF", "LIF", "CubaLIF", "LI"),
            Pins(1e-3, "zero", "same_step", "new", "v_leak", "gt"), ("dt", "reset"),
            lambda name, node: None, _norse,
            ("v_reset = 0, and the dt of the run that of the export",),
            rules={kind: {"reset": "zero"} for kind in ("IF", "CubaLIF")},
        ),
        Writer(
            "snntorch", "snnTorch 1.0.0", ("LIF", "CubaLIF"),
            Pins(1e-4, "subtract", "next_step", "new", 0.0, "gt"),
            ("reset", "reset_timing"), _ratio_step, _snntorch,
            ("no inhibition, no graded_spikes_factor, no state_quant",
             "its own reset_mechanism and reset_delay, where reset= and reset_timing= are missing"),
        ),
        Writer(
            "spikingjelly", "SpikingJelly 2.0.0", ("IF", "LIF", "CubaLIF"),
            Pins(1e-4, "zero", "same_step", "new", "v_reset", "ge"), ("dt",),
            _spikingjelly_step, _spikingjelly, ("membranes start at v_reset",),
        ),
    )
}
"""By name, the writers that are known."""
