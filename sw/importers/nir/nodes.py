"""Turns NIR nodes into operations of a chain; ``neurons`` has those of neurons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...support.errors import NotExpressible
from ..operations import Affine, Conv, Operation, Pool, Reshape, Scaling
from ..semantics import Floats, finite
from .graph import FIRING
from .neurons import NeuronNode, Pins

__all__ = ["Pins", "Reader"]

_KNOWN = "Affine, Linear, Conv2d, Scale, Flatten, SumPool2d, AvgPool2d, IF, LIF, LI, CubaLIF"


class Reader:
    """Reads nodes one after another, and records what had to be assumed for them.

    Parameters
    ----------
    pins : Pins
        The semantics that the caller gives.
    """

    def __init__(self, pins: Pins) -> None:
        self._pins = pins
        self._kinds: set[str] = set()
        self._noted: list[str] = []
        self._recurrent = False

    def assumed(self) -> list[str]:
        """Return the semantics of the nodes read so far, one line each."""
        pins, lines = self._pins, []
        if self._kinds:
            lines.append(f"forward Euler with dt = {pins.dt:g}")
        if self._kinds & set(FIRING) and pins.reset is not None:
            timing = f", {pins.reset_timing}" if pins.reset == "subtract" else ""
            sign = ">=" if pins.compare == "ge" else ">"
            lines.append(f"a spike where v {sign} v_threshold; reset {pins.reset}{timing}")
        if "CubaLIF" in self._kinds and pins.cuba_current is not None:
            lines.append("the membrane of a CubaLIF gets the new current")
        if self._recurrent:
            lines.append("spikes come back to their layer one step later")
        if self._noted:
            lines.append(f"as to_nir noted for {', '.join(self._noted)}")
        return lines

    def operations(self, name: str, node: Any, back: Any = None) -> list[Operation]:
        """Return the operations that a node becomes.

        Parameters
        ----------
        name : str
            Name of the node.
        node : nir.NIRNode
            The node.
        back : nir.Linear or nir.Affine, optional
            For neurons, the weights through which their spikes come back to them.

        Raises
        ------
        NotExpressible, ValueError
            Naming the node.
        """
        kind = type(node).__name__
        build: Callable[[str, str, Any], list[Operation]] | None = {
            "Affine": _affine, "Linear": _affine, "Scale": _scale, "Flatten": _flatten,
            "Conv2d": _conv, "SumPool2d": _pool, "AvgPool2d": _pool, "Input": _nothing,
            "Output": _nothing,
        }.get(kind)
        if kind in (*FIRING, "LI", "I"):
            return self._neurons(name, kind, node, back)
        if build is None:
            raise NotExpressible(name, kind, "no layer of this array computes it", _KNOWN)
        return build(name, kind, node)

    def _neurons(self, name: str, kind: str, node: Any, back: Any) -> list[Operation]:
        self._kinds.add(kind)
        neurons = NeuronNode(name, kind, node, self._pins)
        if neurons.noted:
            self._noted.append(name)
        if back is None:
            return neurons.operations(None)
        self._recurrent = True
        (affine,) = _affine(f"{name}, back", type(back).__name__, back)
        assert isinstance(affine, Affine)
        return neurons.operations(affine)


def _nothing(name: str, kind: str, node: Any) -> list[Operation]:
    return []


def _affine(name: str, kind: str, node: Any) -> list[Operation]:
    weight = finite(name, kind, "weight", node.weight)
    if weight.ndim != 2:
        raise ValueError(f"{name} ({kind}): weight must be (out, in), not {weight.shape}")
    bias = _bias(name, kind, node.bias if kind == "Affine" else None, len(weight))
    return [Affine(name, kind, weight, bias)]


def _bias(name: str, kind: str, values: Any, outputs: int) -> Floats:
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


def _scale(name: str, kind: str, node: Any) -> list[Operation]:
    return [Scaling(name, kind, finite(name, kind, "scale", node.scale), np.zeros(()))]


def _flatten(name: str, kind: str, node: Any) -> list[Operation]:
    return [Reshape(name, kind, int(node.start_dim), int(node.end_dim))]


def _conv(name: str, kind: str, node: Any) -> list[Operation]:
    padding = node.padding if isinstance(node.padding, str) else _pair(node.padding)
    weight = finite(name, kind, "weight", node.weight)
    bias = _bias(name, kind, node.bias, len(weight))
    dilation, groups = _pair(node.dilation), int(node.groups)
    return [Conv(name, kind, weight, bias, _pair(node.stride), padding, dilation, groups)]


def _pool(name: str, kind: str, node: Any) -> list[Operation]:
    mode = "sum" if kind == "SumPool2d" else "average"
    size, stride, padding = (
        _pair(each) for each in (node.kernel_size, node.stride, node.padding)
    )
    return [Pool(name, kind, mode, size, stride, padding)]


def _pair(value: Any) -> tuple[int, int]:
    array = np.asarray(value).reshape(-1)
    if array.size == 1:
        return int(array[0]), int(array[0])
    if array.size != 2:
        raise ValueError(f"a window, stride or padding must be one or two integers, not {value!r}")
    return int(array[0]), int(array[1])
