"""NIR files and graphs to networks.

NIR describes neurons in continuous time: a spike where ``v > v_threshold``, then a reset to
``v_reset``. The step, the kind of reset and its timing are not in a file; whoever imports it says
them. The equations are integrated by the forward Euler rule the frameworks that read NIR use:
``v = (1 - dt / tau) v + (dt / tau) (v_leak + r i)``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FileError, NotExpressible, ToolError
from ..network import COMPARES, RESET_TIMINGS, RESETS, Leak, Network, PixelInput, SpikeInput
from ..values import exact_choice
from .convert import Settings, convert
from .graph import (
    Affine,
    Conv,
    FloatNetwork,
    Neurons,
    Part,
    Pool,
    Reshape,
    Scaling,
    Shape,
    assemble,
)
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

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .convert import Options

__all__ = ["METADATA", "from_nir", "read_graph"]

METADATA = "stablespike"
_NEUROMORPHIC = ("IF", "LIF", "CubaLIF")
_KNOWN = "Affine, Linear, Scale, Flatten, SumPool2d, AvgPool2d, IF, LIF, LI, CubaLIF"


@dataclass(frozen=True)
class _Pins:
    """What the caller says of the semantics."""

    dt: float | None
    reset: str | None
    reset_timing: str | None
    cuba_current: str | None
    v_init: float | str | None
    compare: str | None = None


def from_nir(
    source: Any,
    dt: float | None = None,
    reset: str | None = None,
    reset_timing: str | None = None,
    *,
    cuba_current: str | None = None,
    v_init: float | str | None = None,
    compare: str | None = None,
    **options: Unpack[Options],
) -> Network:
    """A network of a NIR file or graph.

    Parameters
    ----------
    source : path of a file, or a ``nir.NIRGraph``.
    dt : length of a step, in the unit of the graph's time constants.
    reset : "subtract" the threshold, to "zero" (the graph's ``v_reset``), or "none".
    reset_timing : "same_step" as the spike, or "next_step"; with ``reset="subtract"``.
    cuba_current : "new": the membrane of a CubaLIF gets the current this step's input went into.
    v_init : membrane at the start: "v_leak", "v_reset", or a number in the graph's units; needed
        only where a graph's ``v_leak`` or ``v_reset`` is not 0.
    compare : "gt", a spike above the threshold, as NIR's equations say and None is; "ge" for a
        writer whose own neurons fire at it, as SpikingJelly's do.
    **options : as ``stablespike.importers.Options`` lists them.

    Graphs of ``to_nir`` say all of this themselves.

    Raises
    ------
    FileError
        If the file is none, or no NIR.
    NotExpressible
        Naming node, type, reason and the nearest that can be expressed.
    TypeError, ValueError
        If something a file does not pin is missing, or values are wrong; names it.
    """
    graph, name = read_graph(source)
    kept = _kept(graph, name)
    if compare is not None:
        exact_choice("compare", compare, COMPARES)
    pins = _Pins(dt, reset, reset_timing, cuba_current, v_init, compare)
    values: dict[str, Any] = dict(options)
    if kept:
        pins, values = _pinned(kept, pins, values)
    settings = Settings(**values)
    nodes = _chain(_flat(graph))
    shape = _input_shape(nodes[0], settings)
    reader = _Reader(pins)
    parts = [part for node, each in nodes[1:-1] for part in reader.parts(node, each)]
    layers = assemble(parts, shape, settings.readout)
    network = FloatNetwork(name, shape, layers, tuple(reader.assumed()))
    return convert(network, settings)


def read_graph(source: Any) -> tuple[Any, str]:
    """A ``nir.NIRGraph`` and what reports call it.

    Raises
    ------
    FileError, TypeError
        If it is neither a graph nor a file with one.
    """
    try:
        import nir
    except ImportError as error:
        raise ToolError("nir is not installed: pip install 'stablespike[import]'") from error
    if isinstance(source, nir.NIRGraph):
        return source, "a NIR graph"
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(f"source must be the path of a NIR file or a nir.NIRGraph, not {source!r}")
    path = os.fspath(source)
    if not os.path.exists(path):
        raise FileError(f"{path} does not exist; expected a NIR file")
    if os.path.isdir(path):
        raise FileError(f"{path} is a directory; expected a NIR file")
    try:
        graph = nir.read(path, type_check=False)
    except Exception as error:  # nir and h5py raise whatever the bytes lead to
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileError(
            f"{path} is no NIR file, or one of another version ({reason}); expected what "
            "nir.write writes"
        ) from error
    return graph, f"NIR file {os.path.basename(path)}"


def _kept(graph: Any, name: str) -> dict[str, Any]:
    """What ``to_nir`` noted in a graph."""
    text = (graph.metadata or {}).get(METADATA) if isinstance(graph.metadata, dict) else None
    if text is None:
        return {}
    try:
        kept = json.loads(text.decode() if isinstance(text, bytes) else text)
        if not isinstance(kept, dict):
            raise ValueError(f"not {kept!r}")
    except ValueError as error:
        raise FileError(f"{name}: its {METADATA!r} metadata is damaged ({error})") from error
    return kept


def _pinned(
    kept: Mapping[str, Any], pins: _Pins, values: dict[str, Any]
) -> tuple[_Pins, dict[str, Any]]:
    """Pins and options with what the graph says itself."""
    try:
        entry = kept["input"]
        shape = tuple(entry["shape"])
        pixels = entry["kind"] == PixelInput.kind
        said: dict[str, Any] = {
            "weight_bits": kept["weight_bits"], "fraction_bits": kept["fraction_bits"],
            "readout": kept["readout"],
            "layer_bits": tuple(each["weight_bits"] for each in kept["layers"]),
            "emits": tuple(each["emit"] for each in kept["layers"]),
            "input": PixelInput(shape, entry["bits"]) if pixels else SpikeInput(shape),
        }
        dt = float(kept["dt"])
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"its {METADATA!r} metadata is damaged ({error!r})") from error
    for key, value in said.items():
        if values.setdefault(key, value) != value:
            raise ValueError(f"{key} must be {value!r}, as the graph says, not {values[key]!r}")
    if pins.dt is not None and pins.dt != dt:
        raise ValueError(f"dt must be {dt}, as the graph says, not {pins.dt}")
    if pixels:
        values.setdefault("input_scale", 1.0)
        values.setdefault("steps", 4)
    values.setdefault("scale", 1.0)
    return replace(pins, dt=dt), values


def _flat(graph: Any, prefix: str = "") -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Nodes and edges with nested graphs unfolded, theirs named ``outer.inner``."""
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    entries: dict[str, str] = {}
    exits: dict[str, str] = {}
    for key, node in graph.nodes.items():
        name = prefix + str(key)
        if type(node).__name__ != "NIRGraph":
            nodes[name] = node
            continue
        inner, inner_edges = _flat(node, f"{name}.")
        ends = [(k, type(v).__name__) for k, v in inner.items()]
        first = [k for k, kind in ends if kind == "Input" and k.count(".") == name.count(".") + 1]
        last = [k for k, kind in ends if kind == "Output" and k.count(".") == name.count(".") + 1]
        if len(first) != 1 or len(last) != 1:
            raise NotExpressible(
                name, "NIRGraph", f"it has {len(first)} inputs and {len(last)} outputs",
                "graphs with one Input and one Output",
            )
        entries[name], exits[name] = first[0], last[0]
        nodes |= inner
        edges += inner_edges
    for pair in graph.edges:
        a, b = (prefix + str(each) for each in pair)
        edges.append((exits.get(a, a), entries.get(b, b)))
    return nodes, edges


def _chain(flat: tuple[dict[str, Any], list[tuple[str, str]]]) -> list[tuple[str, Any]]:
    """Nodes from the input to the output, in order."""
    nodes, edges = flat
    for a, b in edges:
        for each in (a, b):
            if each not in nodes:
                raise ValueError(f"the edge ({a!r}, {b!r}) names {each!r}, which is no node")
    ahead: dict[str, list[str]] = {name: [] for name in nodes}
    behind: dict[str, list[str]] = {name: [] for name in nodes}
    for a, b in dict.fromkeys(edges):
        ahead[a].append(b)
        behind[b].append(a)
    _check_acyclic(nodes, ahead, behind)
    starts = [n for n in nodes if not behind[n]]
    ends = [n for n in nodes if not ahead[n]]
    for names, kind, what in ((starts, "Input", "inputs"), (ends, "Output", "outputs")):
        if len(names) != 1 or type(nodes[names[0]]).__name__ != kind:
            raise NotExpressible(
                ", ".join(names) or "the graph", "NIRGraph", f"these are its {what}",
                f"one chain of nodes from an Input to an Output; this lacks or repeats {kind}",
            )
    order = [starts[0]]
    while ahead[order[-1]]:
        name = order[-1]
        for others, what in ((ahead[name], "feeds"), (behind[name], "is fed by")):
            if len(others) > 1:
                raise NotExpressible(
                    name, type(nodes[name]).__name__,
                    f"the graph branches: it {what} {', '.join(others)}",
                    "one chain of nodes",
                )
        order.append(ahead[name][0])
    if len(behind[order[-1]]) > 1:
        raise NotExpressible(
            order[-1], type(nodes[order[-1]]).__name__,
            f"the graph branches: it is fed by {', '.join(behind[order[-1]])}",
            "one chain of nodes",
        )
    return [(name, nodes[name]) for name in order]


def _check_acyclic(
    nodes: Mapping[str, Any], ahead: Mapping[str, list[str]], behind: Mapping[str, list[str]]
) -> None:
    waiting = {name: len(each) for name, each in behind.items()}
    ready = [name for name, count in waiting.items() if not count]
    done = set()
    while ready:
        name = ready.pop()
        done.add(name)
        for other in ahead[name]:
            waiting[other] -= 1
            if not waiting[other]:
                ready.append(other)
    # Of what is left, only nodes that still lead somewhere left are on a cycle.
    left = set(nodes) - done
    while True:
        leaves = {name for name in left if not left & set(ahead[name])}
        if not leaves:
            break
        left -= leaves
    if left:
        names = [name for name in nodes if name in left]
        firing = next((n for n in names if type(nodes[n]).__name__ in _NEUROMORPHIC), names[0])
        raise NotExpressible(
            firing, type(nodes[firing]).__name__,
            f"it is recurrent, through {', '.join(names)}, and recurrence is not runnable on this "
            "array yet", "the graph without the way back",
        )


def _input_shape(first: tuple[str, Any], settings: Settings) -> Shape:
    name, node = first
    if settings.input is not None:
        return settings.input.shape
    values = next(iter((node.input_type or {}).values()), None)
    if values is None:
        raise ValueError(
            f"{name} (Input) has no shape: give input=stablespike.SpikeInput((...)) or a PixelInput"
        )
    shape = tuple(int(size) for size in np.asarray(values).reshape(-1))
    while len(shape) > 1 and shape[0] == 1 and len(shape) != 3:
        shape = shape[1:]  # the batch of 1 some exporters leave in
    if not shape or min(shape) < 1:
        raise ValueError(f"{name} (Input) has the shape {shape}: give input=")
    return shape


class _Reader:
    """Nodes to parts, with the caller's pins."""

    def __init__(self, pins: _Pins) -> None:
        self.pins = pins
        self.kinds: set[str] = set()
        self.pinned: list[str] = []

    def assumed(self) -> list[str]:
        pins, lines = self.pins, []
        if self.kinds:
            lines.append(f"forward Euler with dt = {pins.dt:g}")
        if self.kinds & set(_NEUROMORPHIC) and pins.reset is not None:
            timing = f", {pins.reset_timing}" if pins.reset == "subtract" else ""
            sign = ">=" if pins.compare == "ge" else ">"
            lines.append(f"a spike where v {sign} v_threshold; reset {pins.reset}{timing}")
        if "CubaLIF" in self.kinds and pins.cuba_current is not None:
            lines.append("the membrane of a CubaLIF gets the new current")
        if self.pinned:
            lines.append(f"as to_nir noted for {', '.join(self.pinned)}")
        return lines

    def parts(self, name: str, node: Any) -> list[Part]:
        kind = type(node).__name__
        build: Callable[[str, str, Any], list[Part]] | None = {
            "Affine": self._affine, "Linear": self._affine, "Scale": self._scale,
            "Flatten": self._flatten, "Conv2d": self._conv, "SumPool2d": self._pool,
            "AvgPool2d": self._pool, "IF": self._neurons, "LIF": self._neurons,
            "LI": self._neurons, "I": self._neurons, "CubaLIF": self._neurons,
            "Input": self._nothing, "Output": self._nothing,
        }.get(kind)
        if build is None:
            raise NotExpressible(name, kind, "no layer of this array computes it", _KNOWN)
        return build(name, kind, node)

    def _nothing(self, name: str, kind: str, node: Any) -> list[Part]:
        return []

    def _affine(self, name: str, kind: str, node: Any) -> list[Part]:
        weight = finite(name, kind, "weight", node.weight)
        if weight.ndim != 2:
            raise ValueError(f"{name} ({kind}): weight must be (out, in), not {weight.shape}")
        bias = np.zeros(len(weight))
        if kind == "Affine" and node.bias is not None:
            bias = finite(name, kind, "bias", node.bias)
            if bias.size == 1:
                bias = np.full(len(weight), bias.reshape(-1)[0])
            if bias.shape != (len(weight),):
                raise ValueError(
                    f"{name} ({kind}): bias must be ({len(weight)},), one per output, "
                    f"not {bias.shape}"
                )
        return [Affine(name, kind, weight, bias)]

    def _scale(self, name: str, kind: str, node: Any) -> list[Part]:
        return [Scaling(name, kind, finite(name, kind, "scale", node.scale), np.zeros(()))]

    def _flatten(self, name: str, kind: str, node: Any) -> list[Part]:
        return [Reshape(name, kind, int(node.start_dim), int(node.end_dim))]

    def _conv(self, name: str, kind: str, node: Any) -> list[Part]:
        padding = node.padding if isinstance(node.padding, str) else _pair(node.padding)
        return [
            Conv(
                name, kind, finite(name, kind, "weight", node.weight),
                finite(name, kind, "bias", node.bias), _pair(node.stride), padding,
                _pair(node.dilation), int(node.groups),
            )
        ]

    def _pool(self, name: str, kind: str, node: Any) -> list[Part]:
        mode = "sum" if kind == "SumPool2d" else "average"
        pairs = (_pair(each) for each in (node.kernel_size, node.stride, node.padding))
        return [Pool(name, kind, mode, *pairs)]

    def _neurons(self, name: str, kind: str, node: Any) -> list[Part]:
        self.kinds.add(kind)
        kept = _kept(node, name)
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
        gain = squeezed(tidy(gain))
        # One gain is a unit; neurons with gains of their own have them in their weights.
        before: list[Part] = []
        if gain.ndim:
            before = [Scaling(name, kind, gain, np.zeros(()))]
            gain = np.ones(())
        fires = kind in _NEUROMORPHIC
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
            **rule,
        )
        return [*before, Neurons(name, kind, cell)]

    def _node_pins(self, name: str, kind: str, kept: Mapping[str, Any]) -> _Pins:
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
        if isinstance(dt, bool) or not isinstance(dt, (int, float)) or not 0 < dt < np.inf:
            raise ValueError(f"dt must be a positive finite number, not {dt!r}")
        return float(dt)

    def _synapse(self, name: str, node: Any, pins: _Pins, dt: float) -> tuple[float, float]:
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

    def _spiking(self, name: str, kind: str, node: Any, pins: _Pins) -> tuple[Floats, Floats]:
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
        self, name: str, kind: str, node: Any, pins: _Pins, origin: Floats, v_leak: Floats,
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
