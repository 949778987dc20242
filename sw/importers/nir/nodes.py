"""Turns NIR nodes into operations of a chain; ``neurons`` has those of neurons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...support.errors import NotExpressible
from ..asking import Missing
from ..operations import Affine, Conv, Operation, Pool, Reshape, Scaling
from ..semantics import Floats, finite
from .files import PARAMETERS, Node, checked_node
from .neurons import NeuronNode, Pins
from .sizes import pool_sizes, sizes
from .units import Unit, unbatched
from .writers import Writing

__all__ = ["Reader"]

_KNOWN = (
    "Affine, Linear, Conv1d, Conv2d, Scale, Flatten, SumPool2d, AvgPool2d, IF, LIF, I, LI, "
    "CubaLIF, CubaLI"
)


class Reader:
    """Reads nodes one after another, and records what had to be assumed for them.

    Parameters
    ----------
    pins : Pins
        The semantics that the caller gives.
    writing : Writing or None
        What the writer of the file means; None for NIR's equations as they are.
    """

    def __init__(self, pins: Pins, writing: Writing | None = None) -> None:
        self._pins, self._writing = pins, writing
        self._units: list[Unit] = []
        self._noted: list[str] = []
        self._recurrent = False

    def assumed(self) -> list[str]:
        """Return the semantics of the nodes read so far, one line each."""
        lines = list(dict.fromkeys(line for unit in self._units for line in self._lines(unit)))
        if self._writing is not None:
            lines += self._writing.assumed(self._units)
        if self._recurrent:
            lines.append("spikes come back to their layer one step later")
        if self._noted:
            lines.append(f"as to_nir noted for {', '.join(self._noted)}")
        return lines

    def _lines(self, unit: Unit) -> list[str]:
        """Return the semantics of one layer of neurons."""
        pins = self._of(unit)
        rule = "forward Euler" if pins.integration != "exponential" else "decays of exp(-dt / tau)"
        lines = [f"{rule} with dt = {pins.dt:g}"]
        sign = ">=" if pins.compare == "ge" else ">"
        if unit.threshold is not None:
            lines.append(f"a spike where v {sign} the Threshold; no reset")
        elif unit.fires and pins.reset is not None:
            timing = f", {pins.reset_timing}" if pins.reset == "subtract" else ""
            lines.append(f"a spike where v {sign} v_threshold; reset {pins.reset}{timing}")
        if unit.node.kind.startswith("Cuba") and pins.cuba_current is not None:
            lines.append(f"the membrane of a {unit.node.kind} gets the new current")
        return lines

    def _of(self, unit: Unit) -> Pins:
        return self._pins if self._writing is None else self._writing.pins(unit.node.kind)

    def chain(
        self, entries: Sequence[tuple[str, Node] | Unit], back: Mapping[str, Node]
    ) -> list[Operation]:
        """Return the operations that a chain becomes.

        Parameters
        ----------
        entries : sequence of (str, Node) or Unit
            The chain, without Input and Output.
        back : mapping of str to Node
            The weights through which spikes come back, as ``chained`` returns them.

        Raises
        ------
        FileError, NotExpressible, ValueError
            Naming the node.
        """
        neurons = {
            entry.name: self._neurons(entry) for entry in entries if isinstance(entry, Unit)
        }
        missing: dict[str, str] = {}
        for each in neurons.values():
            for name, question in each.missing().items():
                missing.setdefault(name, question)
        if missing:
            raise Missing(missing)
        operations: list[Operation] = []
        for entry in entries:
            if not isinstance(entry, Unit):
                operations += _operations(*entry)
                continue
            operations += neurons[entry.name].operations(self._back(entry, back))
        return operations

    def _back(self, unit: Unit, back: Mapping[str, Node]) -> Affine | None:
        """Return the weights through which the spikes of some neurons come back to them."""
        name = unit.name
        if unit.synapse is not None:
            if name in back:
                raise NotExpressible(
                    name, unit.kind, "its spikes come back behind its synaptic current, "
                    f"{unit.synapse[0]}", f"spikes that come back to {unit.synapse[0]}",
                )
            name = unit.synapse[0]
        if name not in back:
            return None
        self._recurrent = True
        (affine,) = _operations(f"{name}, back", back[name])
        assert isinstance(affine, Affine)
        return affine

    def _neurons(self, unit: Unit) -> NeuronNode:
        self._units.append(unit)
        pins = self._of(unit)
        if self._writing is not None:
            unit = self._writing.corrected(unit)
        neurons = NeuronNode(unit, pins)
        if neurons.noted:
            self._noted.append(unit.name)
        return neurons


def _operations(name: str, node: Node) -> list[Operation]:
    build: Callable[[str, str, Node], list[Operation]] | None = {
        "Affine": _affine, "Linear": _affine, "Scale": _scale, "Flatten": _flatten,
        "Conv1d": _conv, "Conv2d": _conv, "SumPool2d": _pool, "AvgPool2d": _pool,
        "Delay": _delay, "Input": _nothing, "Output": _nothing,
    }.get(node.kind)
    if build is None:
        unknown = "" if node.kind in PARAMETERS else ", and NIR 1.0 has no such type"
        raise NotExpressible(
            name, node.kind, f"no layer of this array computes it{unknown}", _KNOWN
        )
    return build(name, node.kind, checked_node(name, node))


def _nothing(name: str, kind: str, node: Node) -> list[Operation]:
    return []


def _delay(name: str, kind: str, node: Node) -> list[Operation]:
    if finite(name, kind, "delay", node.values["delay"]).any():
        raise NotExpressible(name, kind, "no layer of this array computes it", _KNOWN)
    return []


def _affine(name: str, kind: str, node: Node) -> list[Operation]:
    weight = finite(name, kind, "weight", node.values["weight"])
    if weight.ndim != 2:
        raise ValueError(f"{name} ({kind}): weight must be (out, in), not {weight.shape}")
    bias = _bias(name, kind, node.get("bias"), len(weight))
    return [Affine(name, kind, weight, bias)]


def _bias(name: str, kind: str, values: Any, outputs: int) -> Floats:
    if values is None:
        return np.zeros(outputs)
    bias = unbatched(finite(name, kind, "bias", values))
    if bias.size == 1:
        return np.full(outputs, bias.reshape(-1)[0])
    if bias.shape != (outputs,):
        raise ValueError(
            f"{name} ({kind}): bias must be ({outputs},), one per output, not {bias.shape}"
        )
    return bias


def _scale(name: str, kind: str, node: Node) -> list[Operation]:
    return [Scaling(name, kind, finite(name, kind, "scale", node.values["scale"]), np.zeros(()))]


def _flatten(name: str, kind: str, node: Node) -> list[Operation]:
    (start,), (end,) = (sizes(name, node, each, 1, -8, 8) for each in ("start_dim", "end_dim"))
    return [Reshape(name, kind, start, end)]


def _conv(name: str, kind: str, node: Node) -> list[Operation]:
    axes = 1 if kind == "Conv1d" else 2
    weight = finite(name, kind, "weight", node.values["weight"])
    if weight.ndim != axes + 2:
        kernel = "k" if axes == 1 else "kh, kw"
        raise ValueError(f"{name} ({kind}): weight must be (out, in, {kernel}), not {weight.shape}")
    bias = _bias(name, kind, node.get("bias"), len(weight))
    stride, dilation = sizes(name, node, "stride", axes), sizes(name, node, "dilation", axes, 1, 64)
    padding = node.values["padding"]
    if not isinstance(padding, str):
        padding = sizes(name, node, "padding", axes, low=0)
    (groups,) = sizes(name, node, "groups", 1, high=1 << 16)
    return [Conv(name, kind, weight, bias, stride, padding, dilation, groups)]


def _pool(name: str, kind: str, node: Node) -> list[Operation]:
    mode = "sum" if kind == "SumPool2d" else "average"
    return [Pool(name, kind, mode, *pool_sizes(name, node))]
