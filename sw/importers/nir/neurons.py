"""Turns NIR nodes of neurons into operations, with the semantics that the caller pins.

NIR gives a neuron as a differential equation, ``tau dv/dt = v_leak - v + r i``. A step of length
``dt`` with a constant input, by forward Euler or solved exactly, is::

    v = (1 - s) v + s (v_leak + r i)      s = dt / tau              integration="euler"
                                          s = 1 - exp(-dt / tau)    integration="exponential"

The synaptic current of a CubaLIF, ``tau_syn di/dt = -i + w_in x``, is the same with ``w_in`` for
``r``; the membrane then gets the new current, held for the step. An IF, ``dv/dt = r i``, is
``v + r dt i`` by both.

The array does not multiply, so the gain ``r s`` of the input goes into the scale of the layer: all
other numbers are divided by it. A gain that differs between neurons goes into their weights. A
membrane with a rest or a reset other than 0 is counted from the value it is reset to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, cast

import numpy as np

from ...network import COMPARES, RESET_TIMINGS, RESETS, Leak, Neuron
from ...network.leaks import Leaks
from ...support.errors import FileError, NotExpressible
from ...support.values import exact_choice, positive
from ..leaks import factors
from ..operations import Affine, Neurons, Operation, Scaling
from ..semantics import (
    Cell,
    Decay,
    Floats,
    checked_decay,
    checked_threshold,
    described_decay,
    finite,
    one_value,
    shared,
    squeezed,
    tidy,
)
from .files import METADATA, Node, kept_metadata
from .units import Unit, unbatched

__all__ = ["INTEGRATIONS", "NeuronNode", "Pins"]

INTEGRATIONS = ("euler", "exponential")

_GAIN_LOW = 1e-30  # beyond it, thresholds over gains may leave the range of numbers
_ROUNDING = 1e-6  # relative: a time constant in float32 may be that much shorter than dt


@dataclass(frozen=True)
class Pins:
    """The semantics that the caller of ``from_nir`` gives; None if not given.

    Attributes
    ----------
    dt : float or None
        Length of a step.
    reset : str or None
        Kind of reset.
    reset_timing : str or None
        Step of the reset.
    cuba_current : str or None
        The current that the membrane of a CubaLIF receives.
    v_init : float, str or None
        Membrane at the start of a sample.
    compare : str or None
        Comparison with the threshold.
    integration : str or None
        How a step solves the equations; None for forward Euler.
    """

    dt: float | None = None
    reset: str | None = None
    reset_timing: str | None = None
    cuba_current: str | None = None
    v_init: float | str | None = None
    compare: str | None = None
    integration: str | None = None


class NeuronNode:
    """The nodes of one layer of neurons.

    Parameters
    ----------
    unit : Unit
        The nodes.
    pins : Pins
        The semantics that the caller gives.

    Attributes
    ----------
    noted : bool
        Whether ``to_nir`` noted the semantics in the node.

    Raises
    ------
    FileError
        If the notes of ``to_nir`` are damaged.
    ValueError
        If the caller contradicts them.
    """

    def __init__(self, unit: Unit, pins: Pins) -> None:
        self._unit, self._node = unit, unit.node
        self._name, self._kind, self._fires = unit.name, unit.kind, unit.fires
        self._kept = _kept_rule(unit.name, unit.kind, unit.node)
        self.noted = bool(self._kept)
        self._pins = self._merged(pins) if self.noted else pins

    def missing(self) -> dict[str, str]:
        """Return what the caller must still give, by name, with the question."""
        pins, node, where = self._pins, self._node, f"{self._name} ({self._kind})"
        asked: dict[str, str] = {}
        if pins.dt is None:
            asked["dt"] = (
                f"dt must be given: {where} is described in continuous time, and a NIR file does "
                "not say the step (snnTorch and SpikingJelly write with 1e-4)"
            )
        if node.kind.startswith("Cuba") and pins.cuba_current is None:
            asked["cuba_current"] = (
                f"cuba_current must be given for {where}: 'new' if the membrane gets the current "
                "this step's input went into, 'last' if the one before"
            )
        resets = self._fires and self._unit.threshold is None
        if resets and pins.reset is None:
            asked["reset"] = (
                f"reset must be given for {where}: 'zero' (to v_reset, as NIR's equations do), "
                "'subtract' the threshold, or 'none'"
            )
        if resets and pins.reset == "subtract" and pins.reset_timing is None:
            asked["reset_timing"] = (
                f"reset_timing must be given for {where}: 'same_step' as the spike, or 'next_step'"
            )
        moved = [name for name in ("v_leak", "v_reset") if node.get(name) is not None]
        if pins.v_init is None and any(self._values(name).any() for name in moved):
            asked["v_init"] = (
                f"v_init must be given for {where}: its v_leak or v_reset is not 0, and a NIR file "
                "does not say where membranes start; 'v_leak', 'v_reset' or a number"
            )
        return asked

    def operations(self, back: Affine | None) -> list[Operation]:
        """Return the neurons, after a scaling of their inputs if they have their own gains.

        Parameters
        ----------
        back : Affine or None
            The weights through which their spikes come back to them.

        Raises
        ------
        NotExpressible, ValueError
            Naming the node.
        """
        name, kind = self._name, self._kind
        decay, synapse_decay, gain = self._dynamics()
        v_leak = np.zeros(()) if self._node.kind in ("IF", "I") else self._values("v_leak")
        before: list[Operation] = []
        recurrent = None if back is None else back.weight
        recurrent_bias = np.zeros(()) if back is None else back.bias
        if gain.ndim:
            before = [Scaling(name, kind, gain, np.zeros(()))]
            if recurrent is not None:
                gains = gain.reshape(-1)
                if len(recurrent) != len(gains):
                    raise ValueError(
                        f"{name} ({kind}): its recurrent weight must be "
                        f"{(len(gains), len(gains))}, not {recurrent.shape}"
                    )
                recurrent, recurrent_bias = gains[:, None] * recurrent, gains * recurrent_bias
            gain = np.ones(())
        origin = np.zeros(())
        threshold: Floats | None = None
        if self._fires:
            origin, threshold = self._spiking()
            threshold = squeezed(tidy(threshold / gain))
        start = self._start(origin, v_leak)
        cell = Cell(
            source=_described(kind, decay, synapse_decay),
            decay=decay,
            threshold=threshold,
            bias=squeezed(tidy((1.0 - decay) * (v_leak - origin) / gain)),
            v_init=one_value(
                name, kind, "v_init over the gain", start / gain, "a layer has one v_init"
            ),
            synapse_decay=synapse_decay,
            leak=_kept_leak(self._kept, "leak"),
            synapse_leak=_kept_leak(self._kept, "synapse_leak"),
            recurrent=recurrent,
            recurrent_bias=recurrent_bias,
            **self._rule(),
        )
        return [*before, Neurons(name, kind, cell, self._unit.size)]

    def _merged(self, pins: Pins) -> Pins:
        """Return the pins, completed from the node itself."""
        kept = self._kept
        for key in ("reset", "reset_timing", "compare"):
            said, given = kept.get(key), getattr(pins, key)
            if given is not None and said is not None and given != said:
                raise ValueError(
                    f"{key} of {self._name} must be {said!r}, as the graph says, not {given!r}"
                )
        return replace(
            pins, reset=kept.get("reset", pins.reset), cuba_current="new",
            reset_timing=kept.get("reset_timing", pins.reset_timing),
            v_init=kept.get("v_init", pins.v_init),
        )

    def _values(self, parameter: str) -> Floats:
        return unbatched(
            finite(self._name, self._kind, parameter, self._node.values[parameter])
        )

    def _dynamics(self) -> tuple[Decay, Decay | None, Floats]:
        """Return the decays of membrane and synaptic current, and the gain of the input."""
        name, kind, node = self._name, self._kind, self._node
        synapse_decay: Decay | None = None
        synapse_gain: Floats = np.ones(())
        tau: str | None = None if node.kind in ("IF", "I") else "tau"
        if node.kind.startswith("Cuba"):
            self._check_current()
            w_in = node.get("w_in")
            synapse_decay, synapse_gain = self._integrated(
                name, node, "tau_syn", "w_in" if w_in is not None else None
            )
            tau = "tau_mem"
        if self._unit.synapse is not None:
            synapse_decay, synapse_gain = self._integrator(*self._unit.synapse)
        decay, gain = self._integrated(name, node, tau, "r")
        for key, value in (("leak", decay), ("synapse_leak", synapse_decay)):
            _check_kept_leak(name, kind, key, self._kept, value)
        gain = squeezed(tidy(gain * synapse_gain))
        if not (gain.min() >= _GAIN_LOW and gain.max() <= 1 / _GAIN_LOW):
            raise ValueError(
                f"{name} ({kind}): a step multiplies its input by {gain.min():g} to "
                f"{gain.max():g}, too far from 1 to compute with: check dt = {self._pins.dt:g} and "
                "the unit of its time constants"
            )
        return decay, synapse_decay, gain

    def _integrator(self, name: str, node: Node) -> tuple[Decay, Floats]:
        """Return decay and gain of the LI or I in front, which is the synaptic current."""
        if node.kind == "LI" and finite(name, "LI", "v_leak", node.values["v_leak"]).any():
            raise NotExpressible(
                name, "LI", f"its v_leak is not 0, in front of {self._name}", "v_leak = 0"
            )
        return self._integrated(name, node, "tau" if node.kind == "LI" else None, "r")

    def _integrated(
        self, name: str, node: Node, tau: str | None, gain: str | None
    ) -> tuple[Decay, Floats]:
        """Return what a step leaves of a state, and its gain for the input.

        ``tau`` and ``gain`` are names of parameters: without ``tau`` the state does not leak, and
        without ``gain`` it is 1.
        """
        dt, factor = positive("dt", self._pins.dt), np.ones(())
        if gain is not None:
            factor = _positive(name, node, gain)
        if tau is None:
            return 1.0, factor * dt
        values = shared(unbatched(finite(name, node.kind, tau, node.values[tau])))
        exponential = self._pins.integration == "exponential"
        if exponential and not values.min() > 0:
            raise ValueError(
                f"{name} ({node.kind}): {tau} must be positive, not {values.min():g}"
            )
        if not exponential and not values.min() >= dt * (1 - _ROUNDING):
            raise ValueError(
                f"{name} ({node.kind}): {tau} = {values.min():g} must be at least dt = {dt:g}; "
                "forward Euler has no such step"
            )
        rule = f"exp(-dt / {tau})" if exponential else f"1 - dt / {tau}"
        share: Floats = -np.expm1(-dt / values) if exponential else np.minimum(dt / values, 1.0)
        return checked_decay(name, node.kind, f"the decay {rule}", 1.0 - share), factor * share

    def _check_current(self) -> None:
        if self._pins.cuba_current == "last":
            raise NotExpressible(
                self._name, self._kind, "cuba_current='last' delays the current by one step",
                "cuba_current='new'",
            )

    def _rule(self) -> dict[str, Any]:
        """Return reset, timing and comparison, as far as the neurons or the graph have them."""
        rule: dict[str, Any] = {}
        if self._fires:
            rule = {
                "reset": self._pins.reset,
                "reset_timing": self._pins.reset_timing or "same_step",
                "compare": self._pins.compare or "gt",
            }
        if self._unit.threshold is not None:
            rule |= {"reset": "none", "reset_timing": "same_step"}
        names = ("reset", "reset_timing", "compare")
        return rule | {key: self._kept[key] for key in names if key in self._kept}

    def _spiking(self) -> tuple[Floats, Floats]:
        """Return the value that the membrane is counted from, and the threshold above it."""
        if self._unit.threshold is not None:
            return np.zeros(()), unbatched(self._unit.threshold)
        name, kind, reset = self._name, self._kind, self._pins.reset
        # v_reset is optional in NIR.
        origin = np.zeros(())
        if self._node.get("v_reset") is not None:
            origin = self._values("v_reset")
        if reset != "zero" and origin.any():
            raise NotExpressible(
                name, kind, f"v_reset is not 0, which reset={reset!r} has no use for",
                "reset='zero'",
            )
        return origin, checked_threshold(name, kind, self._values("v_threshold") - origin)

    def _start(self, origin: Floats, v_leak: Floats) -> Floats:
        """Return the membrane at the start of a sample, counted from ``origin``."""
        value, name, kind = self._pins.v_init, self._name, self._kind
        if value is None:
            return np.zeros(())
        if value == "v_leak":
            return v_leak - origin
        if value == "v_reset":
            return np.zeros(()) if self._fires else np.zeros(()) - origin
        if isinstance(value, Real) and not isinstance(value, bool):
            return finite(name, kind, "v_init", value) - origin
        raise ValueError(f"v_init must be 'v_leak', 'v_reset' or a number, not {value!r}")


def _described(kind: str, decay: Decay, synapse_decay: Decay | None) -> str:
    synapse = "" if synapse_decay is None else f", synapse {described_decay(synapse_decay)}"
    return f"NIR {kind}, decay {described_decay(decay)}{synapse}"


def _positive(name: str, node: Node, parameter: str) -> Floats:
    values = unbatched(finite(name, node.kind, parameter, node.values[parameter]))
    if values.min() <= 0:
        raise ValueError(
            f"{name} ({node.kind}): {parameter} must be positive, not {values.min():.6g}"
        )
    return values


def _kept_rule(name: str, kind: str, node: Node) -> dict[str, Any]:
    """Return what ``to_nir`` noted in a node, checked to be values that a ``Neuron`` takes."""
    kept = kept_metadata(node, name)
    try:
        for key, allowed in (
            ("reset", RESETS), ("reset_timing", RESET_TIMINGS), ("compare", COMPARES),
        ):
            if key in kept:
                exact_choice(key, kept[key], allowed)
        for key in ("leak", "synapse_leak"):
            if kept.get(key) is not None:
                Neuron(leak=kept[key], fires=False)
    except (TypeError, ValueError) as error:
        raise FileError(
            f"{name} ({kind}): its {METADATA!r} metadata is damaged ({error})"
        ) from error
    return kept


def _check_kept_leak(
    name: str, kind: str, key: str, kept: Mapping[str, Any], decay: Decay | None
) -> None:
    """Refuse noted shifts that do not match the time constant, because someone changed one of
    them."""
    leak = _kept_leak(kept, key)
    if leak is None or (decay is not None and _same(factors(leak), decay)):
        return
    found = "has none" if decay is None else f"says {described_decay(decay)}"
    shown = f"{key} {leak}" if isinstance(leak, Leak) else f"{len(leak)} different leaks for {key}"
    raise FileError(
        f"{name} ({kind}): its {METADATA!r} metadata says {shown}, a decay of "
        f"{described_decay(factors(leak))}, but its time constant {found}"
    )


def _same(said: Decay, found: Decay) -> bool:
    """Whether the decays of channels are those of their neurons."""
    channels, neurons = np.asarray(said), np.asarray(found)
    if channels.ndim and neurons.ndim:
        if neurons.size % channels.size:
            return False
        neurons = neurons.reshape(channels.size, -1).T
    return bool((np.abs(channels - neurons) < _ROUNDING).all())


def _kept_leak(kept: Mapping[str, Any], key: str) -> Leaks | None:
    shifts = kept.get(key)
    return None if shifts is None else cast("Leaks", Neuron(leak=shifts, fires=False).leak)
