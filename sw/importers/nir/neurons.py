"""Turns NIR nodes of neurons into operations, with the semantics that the caller pins.

NIR gives a neuron as a differential equation. One step of forward Euler turns a LIF into::

    v = (1 - dt / tau) v + (dt / tau) (v_leak + r i)

The array does not multiply, so the gain ``r dt / tau`` of the input goes into the scale of the
layer: all other numbers are divided by it. A gain that differs between neurons goes into their
weights. A membrane with a rest or a reset other than 0 is counted from the value it is reset to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any, cast

import numpy as np

from ...network import COMPARES, RESET_TIMINGS, RESETS, Leak, Neuron
from ...network.neurons import Leaks
from ...support.errors import FileError, NotExpressible
from ...support.values import exact_choice, positive
from ..asking import Missing
from ..leaks import factors
from ..operations import Affine, Neurons, Operation, Scaling
from ..semantics import (
    Cell,
    Decay,
    Floats,
    checked_choice,
    checked_decays,
    checked_threshold,
    described_decay,
    finite,
    one_value,
    shared,
    squeezed,
    tidy,
)
from .graph import FIRING, METADATA, kept_metadata

__all__ = ["NeuronNode", "Pins"]

_PARAMETERS = (
    "r", "tau", "tau_mem", "tau_syn", "v_leak", "v_reset", "v_threshold", "w_in",
)
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
    """

    dt: float | None
    reset: str | None
    reset_timing: str | None
    cuba_current: str | None
    v_init: float | str | None
    compare: str | None = None


class NeuronNode:
    """One node of neurons.

    Parameters
    ----------
    name : str
        Name of the node.
    kind : {"IF", "LIF", "CubaLIF", "LI", "I"}
        Type of the node.
    node : nir.NIRNode
        The node.
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

    def __init__(self, name: str, kind: str, node: Any, pins: Pins) -> None:
        self._name, self._kind, self._node = name, kind, node
        self._kept = _kept_rule(name, kind, node)
        self.noted = bool(self._kept)
        self._pins = self._merged(pins) if self.noted else pins
        self._fires = kind in FIRING

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
        v_leak = np.zeros(())
        if kind not in ("IF", "I"):
            v_leak = self._values("v_leak")
        before: list[Operation] = []
        recurrent = None if back is None else back.weight
        recurrent_bias = np.zeros(()) if back is None else back.bias
        if gain.ndim:
            before = [Scaling(name, kind, gain, np.zeros(()))]
            if recurrent is not None:
                recurrent, recurrent_bias = gain[:, None] * recurrent, gain * recurrent_bias
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
        return [*before, Neurons(name, kind, cell, _neuron_count(name, kind, self._node))]

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
        return finite(self._name, self._kind, parameter, getattr(self._node, parameter))

    def _dynamics(self) -> tuple[Decay, Decay | None, Floats]:
        """Return the decays of membrane and synaptic current, and the gain of the input."""
        name, kind, dt = self._name, self._kind, self._dt()
        gain = self._positive("r")
        decay: Decay = 1.0
        synapse_decay: Decay | None = None
        if kind in ("IF", "I"):
            gain = gain * dt
        else:
            tau_name = "tau_mem" if kind == "CubaLIF" else "tau"
            share = self._share(tau_name, dt)
            decay = checked_decays(name, kind, "the decay 1 - dt / tau", 1.0 - share)
            gain = gain * share
        if kind == "CubaLIF":
            self._check_current()
            share = self._share("tau_syn", dt)
            synapse_decay = checked_decays(name, kind, "the decay 1 - dt / tau_syn", 1.0 - share)
            gain = gain * self._positive("w_in") * share
        for key, value in (("leak", decay), ("synapse_leak", synapse_decay)):
            _check_kept_leak(name, kind, key, self._kept, value)
        return decay, synapse_decay, squeezed(tidy(gain))

    def _positive(self, parameter: str) -> Floats:
        values = self._values(parameter)
        if values.size and values.min() <= 0:
            raise ValueError(
                f"{self._name} ({self._kind}): {parameter} must be positive, not {values.min():.6g}"
            )
        return values

    def _share(self, tau_name: str, dt: float) -> Floats:
        """Return ``dt / tau``, the share of each state that leaks in a step; () if all are equal.
        """
        tau = shared(self._values(tau_name))
        if not tau.size:
            raise ValueError(f"{self._name} ({self._kind}): {tau_name} is empty")
        if not tau.min() >= dt * (1 - _ROUNDING):
            raise ValueError(
                f"{self._name} ({self._kind}): {tau_name} = {tau.min():g} must be at least dt = "
                f"{dt:g}; forward Euler has no such step"
            )
        return np.minimum(dt / tau, 1.0)

    def _dt(self) -> float:
        dt = self._pins.dt
        if dt is None:
            raise Missing({
                "dt": f"dt must be given: {self._name} ({self._kind}) is described in continuous "
                "time, and a NIR file does not say the step (snnTorch and SpikingJelly write with "
                "1e-4)"
            })
        return positive("dt", dt)

    def _check_current(self) -> None:
        current = checked_choice(
            self._pins.cuba_current, ("new", "last"),
            f"cuba_current must be given for {self._name} (CubaLIF): 'new' if the membrane gets "
            "the current this step's input went into, 'last' if the one before",
        )
        if current == "last":
            raise NotExpressible(
                self._name, "CubaLIF", "cuba_current='last' delays the current by one step",
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
        names = ("reset", "reset_timing", "compare")
        return rule | {key: self._kept[key] for key in names if key in self._kept}

    def _spiking(self) -> tuple[Floats, Floats]:
        """Return the value that the membrane is counted from, and the threshold above it."""
        name, kind = self._name, self._kind
        reset = checked_choice(
            self._pins.reset, RESETS,
            f"reset must be given for {name} ({kind}): 'zero' (to v_reset, as NIR's equations do), "
            "'subtract' the threshold (with reset_timing=), or 'none'",
        )
        if reset == "subtract":
            checked_choice(
                self._pins.reset_timing, RESET_TIMINGS,
                f"reset_timing must be given for {name} ({kind}): 'same_step' as the spike, or "
                "'next_step'",
            )
        # v_reset is optional in NIR.
        origin = np.zeros(())
        if getattr(self._node, "v_reset", None) is not None:
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
            if origin.any() or v_leak.any():
                raise Missing({
                    "v_init": f"v_init must be given for {name} ({kind}): its v_leak or v_reset is "
                    "not 0, and a NIR file does not say where membranes start; 'v_leak', 'v_reset' "
                    "or a number"
                })
            return np.zeros(())
        if value == "v_leak":
            return v_leak - origin
        if value == "v_reset":
            return np.zeros(()) if self._fires else np.zeros(()) - origin
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return finite(name, kind, "v_init", value) - origin
        raise ValueError(f"v_init must be 'v_leak', 'v_reset' or a number, not {value!r}")


def _described(kind: str, decay: Decay, synapse_decay: Decay | None) -> str:
    synapse = "" if synapse_decay is None else f", synapse {described_decay(synapse_decay)}"
    return f"NIR {kind}, decay {described_decay(decay)}{synapse}"


def _neuron_count(name: str, kind: str, node: Any) -> int | None:
    """Return the number of neurons for which a node has parameters; None if all of them are single
    values."""
    sizes = {each: prod(np.shape(getattr(node, each, 0))) for each in _PARAMETERS}
    several = {each: size for each, size in sizes.items() if size > 1}
    if len(set(several.values())) > 1:
        counts = ", ".join(f"{size} of {each}" for each, size in several.items())
        raise ValueError(f"{name} ({kind}): its parameters are of different sizes: {counts}")
    return next(iter(several.values()), None)


def _kept_rule(name: str, kind: str, node: Any) -> dict[str, Any]:
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
