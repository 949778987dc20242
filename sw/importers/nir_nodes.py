"""NIR nodes to operations of a chain, neurons with the semantics the caller pins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from ..network import COMPARES, RESET_TIMINGS, RESETS, Leak, Neuron
from ..network.quantize import leak_factor
from ..support.errors import FileError, NotExpressible
from ..support.values import exact_choice, positive
from .nir_graph import FIRING, METADATA, kept_metadata
from .operations import Affine, Conv, Neurons, Operation, Pool, Reshape, Scaling
from .semantics import (
    Cell,
    Floats,
    checked_choice,
    checked_decay,
    checked_threshold,
    finite,
    one_value,
    squeezed,
    tidy,
)

__all__ = ["Pins", "Reader"]

_PARAMETERS = (
    "r", "tau", "tau_mem", "tau_syn", "v_leak", "v_reset", "v_threshold", "w_in",
)
_KNOWN = "Affine, Linear, Conv2d, Scale, Flatten, SumPool2d, AvgPool2d, IF, LIF, LI, CubaLIF"


@dataclass(frozen=True)
class Pins:
    """What the caller says of the semantics."""

    dt: float | None
    reset: str | None
    reset_timing: str | None
    cuba_current: str | None
    v_init: float | str | None
    compare: str | None = None


class Reader:
    """Nodes to operations, with the caller's pins."""

    def __init__(self, pins: Pins) -> None:
        self.pins = pins
        self.kinds: set[str] = set()
        self.pinned: list[str] = []
        self.recurrent = False

    def assumed(self) -> list[str]:
        """The semantics of the nodes read so far, a line each."""
        pins, lines = self.pins, []
        if self.kinds:
            lines.append(f"forward Euler with dt = {pins.dt:g}")
        if self.kinds & set(FIRING) and pins.reset is not None:
            timing = f", {pins.reset_timing}" if pins.reset == "subtract" else ""
            sign = ">=" if pins.compare == "ge" else ">"
            lines.append(f"a spike where v {sign} v_threshold; reset {pins.reset}{timing}")
        if "CubaLIF" in self.kinds and pins.cuba_current is not None:
            lines.append("the membrane of a CubaLIF gets the new current")
        if self.recurrent:
            lines.append("spikes come back to their layer one step later")
        if self.pinned:
            lines.append(f"as to_nir noted for {', '.join(self.pinned)}")
        return lines

    def ops(self, name: str, node: Any, back: Any = None) -> list[Operation]:
        """What a node becomes; ``back`` are the weights through which a neuron's spikes come back.

        Raises
        ------
        NotExpressible, ValueError
            Naming the node.
        """
        kind = type(node).__name__
        build: Callable[[str, str, Any], list[Operation]] | None = {
            "Affine": self._affine, "Linear": self._affine, "Scale": self._scale,
            "Flatten": self._flatten, "Conv2d": self._conv, "SumPool2d": self._pool,
            "AvgPool2d": self._pool, "Input": self._nothing, "Output": self._nothing,
        }.get(kind)
        if kind in (*FIRING, "LI", "I"):
            return self._neurons(name, kind, node, back)
        if build is None:
            raise NotExpressible(name, kind, "no layer of this array computes it", _KNOWN)
        return build(name, kind, node)

    def _nothing(self, name: str, kind: str, node: Any) -> list[Operation]:
        return []

    def _affine(self, name: str, kind: str, node: Any) -> list[Operation]:
        weight = finite(name, kind, "weight", node.weight)
        if weight.ndim != 2:
            raise ValueError(f"{name} ({kind}): weight must be (out, in), not {weight.shape}")
        bias = self._bias(name, kind, node.bias if kind == "Affine" else None, len(weight))
        return [Affine(name, kind, weight, bias)]

    def _bias(self, name: str, kind: str, values: Any, outputs: int) -> Floats:
        if values is None:
            return np.zeros(outputs)
        bias = finite(name, kind, "bias", values)
        if bias.size == 1:
            return np.full(outputs, bias.reshape(-1)[0])
        if bias.shape != (outputs,):
            raise ValueError(
                f"{name} ({kind}): bias must be ({outputs},), one per output, not {bias.shape}"
            )
        return bias

    def _scale(self, name: str, kind: str, node: Any) -> list[Operation]:
        return [Scaling(name, kind, finite(name, kind, "scale", node.scale), np.zeros(()))]

    def _flatten(self, name: str, kind: str, node: Any) -> list[Operation]:
        return [Reshape(name, kind, int(node.start_dim), int(node.end_dim))]

    def _conv(self, name: str, kind: str, node: Any) -> list[Operation]:
        padding = node.padding if isinstance(node.padding, str) else _pair(node.padding)
        weight = finite(name, kind, "weight", node.weight)
        bias = self._bias(name, kind, node.bias, len(weight))
        dilation, groups = _pair(node.dilation), int(node.groups)
        return [Conv(name, kind, weight, bias, _pair(node.stride), padding, dilation, groups)]

    def _pool(self, name: str, kind: str, node: Any) -> list[Operation]:
        mode = "sum" if kind == "SumPool2d" else "average"
        pairs = (_pair(each) for each in (node.kernel_size, node.stride, node.padding))
        return [Pool(name, kind, mode, *pairs)]

    def _neurons(self, name: str, kind: str, node: Any, back: Any) -> list[Operation]:
        self.kinds.add(kind)
        kept = _kept_rule(name, kind, node)
        pins = self._node_pins(name, kind, kept)
        dt = self._dt(name, kind)
        r = finite(name, kind, "r", node.r)
        if r.size and r.min() <= 0:
            raise ValueError(f"{name} ({kind}): r must be positive, not {r.min():.6g}")
        decay, gain = 1.0, r * dt
        v_leak = np.zeros(())
        if kind not in ("IF", "I"):
            tau_name = "tau_mem" if kind == "CubaLIF" else "tau"
            tau = one_value(
                name, kind, tau_name, getattr(node, tau_name), "a layer has one leak"
            )
            if not tau >= dt * (1 - 1e-6):
                raise ValueError(
                    f"{name} ({kind}): {tau_name} = {tau:g} must be at least dt = {dt:g}; forward "
                    "Euler has no such step"
                )
            share = min(dt / tau, 1.0)
            decay, gain = 1.0 - share, r * share
            v_leak = finite(name, kind, "v_leak", node.v_leak)
        decay = checked_decay(name, kind, "the decay 1 - dt / tau", decay)
        synapse_decay = None
        if kind == "CubaLIF":
            synapse_decay, share = self._synapse(name, node, pins, dt)
            w_in = finite(name, kind, "w_in", node.w_in)
            if w_in.size and w_in.min() <= 0:
                raise ValueError(f"{name} ({kind}): w_in must be positive, not {w_in.min():.6g}")
            gain = gain * w_in * share
        for key, value in (("leak", decay), ("synapse_leak", synapse_decay)):
            _check_kept_leak(name, kind, key, kept, value)
        gain = squeezed(tidy(gain))
        # One gain is a unit; neurons with gains of their own have them in their weights.
        before: list[Operation] = []
        recurrent, recurrent_bias = self._back(name, back)
        if gain.ndim:
            before = [Scaling(name, kind, gain, np.zeros(()))]
            if recurrent is not None:
                recurrent, recurrent_bias = gain[:, None] * recurrent, gain * recurrent_bias
            gain = np.ones(())
        fires = kind in FIRING
        origin = np.zeros(())
        threshold: Floats | None = None
        if fires:
            origin, threshold = self._spiking(name, kind, node, pins)
        start = self._start(name, kind, node, pins, origin, v_leak, fires)
        bias = (1.0 - decay) * (v_leak - origin) / gain
        if threshold is not None:
            threshold = squeezed(tidy(threshold / gain))
        rule: dict[str, Any] = {}
        if fires:
            timing = pins.reset_timing or "same_step"
            compare = pins.compare or "gt"
            rule = {"reset": pins.reset, "reset_timing": timing, "compare": compare}
        rule |= {key: kept[key] for key in ("reset", "reset_timing", "compare") if key in kept}
        cell = Cell(
            source=_described(kind, decay, synapse_decay),
            decay=decay,
            threshold=threshold,
            bias=squeezed(tidy(bias)),
            v_init=one_value(
                name, kind, "v_init over the gain", start / gain, "a layer has one v_init"
            ),
            synapse_decay=synapse_decay,
            leak=_kept_leak(kept, "leak"),
            synapse_leak=_kept_leak(kept, "synapse_leak"),
            recurrent=recurrent,
            recurrent_bias=recurrent_bias,
            **rule,
        )
        return [*before, Neurons(name, kind, cell, _neuron_count(name, kind, node))]

    def _back(self, name: str, node: Any) -> tuple[Floats | None, Floats]:
        """Recurrent weights, and the biases with them."""
        if node is None:
            return None, np.zeros(())
        self.recurrent = True
        (op,) = self._affine(f"{name}, back", type(node).__name__, node)
        assert isinstance(op, Affine)
        return op.weight, op.bias

    def _node_pins(self, name: str, kind: str, kept: Mapping[str, Any]) -> Pins:
        pins = self.pins
        if not kept:
            return pins
        self.pinned.append(name)
        for key in ("reset", "reset_timing", "compare"):
            said, given = kept.get(key), getattr(pins, key)
            if given is not None and said is not None and given != said:
                raise ValueError(f"{key} of {name} must be {said!r}, as the graph says, "
                                 f"not {given!r}")
        return replace(
            pins, reset=kept.get("reset", pins.reset), cuba_current="new",
            reset_timing=kept.get("reset_timing", pins.reset_timing),
            v_init=kept.get("v_init", pins.v_init),
        )

    def _dt(self, name: str, kind: str) -> float:
        dt = self.pins.dt
        if dt is None:
            raise ValueError(
                f"dt must be given: {name} ({kind}) is described in continuous time, and a NIR "
                "file does not say the step (snnTorch and SpikingJelly write with 1e-4)"
            )
        return positive("dt", dt)

    def _synapse(self, name: str, node: Any, pins: Pins, dt: float) -> tuple[float, float]:
        current = checked_choice(
            pins.cuba_current, ("new", "last"),
            f"cuba_current must be given for {name} (CubaLIF): 'new' if the membrane gets the "
            "current this step's input went into, 'last' if the one before",
        )
        if current == "last":
            raise NotExpressible(
                name, "CubaLIF", "cuba_current='last' delays the current by one step",
                "cuba_current='new'",
            )
        tau = one_value(name, "CubaLIF", "tau_syn", node.tau_syn, "a layer has one synaptic leak")
        if not tau >= dt * (1 - 1e-6):
            raise ValueError(
                f"{name} (CubaLIF): tau_syn = {tau:g} must be at least dt = {dt:g}"
            )
        share = min(dt / tau, 1.0)
        return checked_decay(name, "CubaLIF", "the decay 1 - dt / tau_syn", 1.0 - share), share

    def _spiking(self, name: str, kind: str, node: Any, pins: Pins) -> tuple[Floats, Floats]:
        """Where the membrane is counted from, and the threshold above it."""
        reset = checked_choice(
            pins.reset, RESETS,
            f"reset must be given for {name} ({kind}): 'zero' (to v_reset, as NIR's equations do), "
            "'subtract' the threshold, or 'none'",
        )
        if reset == "subtract":
            checked_choice(
                pins.reset_timing, RESET_TIMINGS,
                f"reset_timing must be given for {name} ({kind}): 'same_step' as the spike, or "
                "'next_step'",
            )
        v_reset = getattr(node, "v_reset", None)
        origin = np.zeros(()) if v_reset is None else finite(name, kind, "v_reset", v_reset)
        if reset != "zero" and origin.any():
            raise NotExpressible(
                name, kind, f"v_reset is not 0, which reset={reset!r} has no use for",
                "reset='zero'",
            )
        threshold = finite(name, kind, "v_threshold", node.v_threshold)
        return origin, checked_threshold(name, kind, threshold - origin)

    def _start(
        self, name: str, kind: str, node: Any, pins: Pins, origin: Floats, v_leak: Floats,
        fires: bool,
    ) -> Floats:
        """The membrane at the start, from the origin."""
        value = pins.v_init
        if value is None:
            if origin.any() or v_leak.any():
                raise ValueError(
                    f"v_init must be given for {name} ({kind}): its v_leak or v_reset is not 0, "
                    "and a NIR file does not say where membranes start; 'v_leak', 'v_reset' or a "
                    "number"
                )
            return np.zeros(())
        if value == "v_leak":
            return v_leak - origin
        if value == "v_reset":
            return np.zeros(()) if fires else np.zeros(()) - origin
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return finite(name, kind, "v_init", value) - origin
        raise ValueError(f"v_init must be 'v_leak', 'v_reset' or a number, not {value!r}")


def _described(kind: str, decay: float, synapse_decay: float | None) -> str:
    synapse = "" if synapse_decay is None else f", synapse {synapse_decay:.6g}"
    return f"NIR {kind}, decay {decay:.6g}{synapse}"


def _neuron_count(name: str, kind: str, node: Any) -> int | None:
    """Neurons a node has parameters for; None where all of them have one value."""
    sizes = {each: prod(np.shape(getattr(node, each, 0))) for each in _PARAMETERS}
    several = {each: size for each, size in sizes.items() if size > 1}
    if len(set(several.values())) > 1:
        counts = ", ".join(f"{size} of {each}" for each, size in several.items())
        raise ValueError(f"{name} ({kind}): its parameters are of different sizes: {counts}")
    return next(iter(several.values()), None)


def _kept_rule(name: str, kind: str, node: Any) -> dict[str, Any]:
    """What ``to_nir`` noted in a node, with values a ``Neuron`` takes."""
    kept = kept_metadata(node, name)
    try:
        for key, allowed in (
            ("reset", RESETS), ("reset_timing", RESET_TIMINGS), ("compare", COMPARES),
        ):
            if key in kept:
                exact_choice(key, kept[key], allowed)
        for key in ("leak", "synapse_leak"):
            if kept.get(key) is not None:
                first, second = kept[key]
                Neuron(leak=(first, second), fires=False)
    except (TypeError, ValueError) as error:
        raise FileError(
            f"{name} ({kind}): its {METADATA!r} metadata is damaged ({error})"
        ) from error
    return kept


def _check_kept_leak(
    name: str, kind: str, key: str, kept: Mapping[str, Any], decay: float | None
) -> None:
    leak = _kept_leak(kept, key)
    if leak is None or (decay is not None and abs(leak_factor(leak) - decay) < 1e-6):
        return
    found = "has none" if decay is None else f"says {decay:.6g}"
    raise FileError(
        f"{name} ({kind}): its {METADATA!r} metadata says {key} {leak}, a decay of "
        f"{leak_factor(leak):.6g}, but its time constant {found}"
    )


def _kept_leak(kept: Mapping[str, Any], key: str) -> Leak | None:
    pair = kept.get(key)
    return None if pair is None else (pair[0], pair[1])


def _pair(value: Any) -> tuple[int, int]:
    array = np.asarray(value).reshape(-1)
    if array.size == 1:
        return int(array[0]), int(array[0])
    if array.size != 2:
        raise ValueError(f"a window, stride or padding must be one or two integers, not {value!r}")
    return int(array[0]), int(array[1])
