"""NIR files and graphs to networks.

NIR describes neurons in continuous time: a spike where ``v > v_threshold``, then a reset to
``v_reset``. The step, the kind of reset and its timing are not in a file; whoever imports it says
them. The equations are integrated by the forward Euler rule the frameworks that read NIR use:
``v = (1 - dt / tau) v + (dt / tau) (v_leak + r i)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..network import COMPARES, EMITS, Network, PixelInput, SpikeInput
from ..support.errors import FileError
from ..support.values import exact_choice
from .convert import convert
from .graph import FloatNetwork, assemble
from .nir_graph import METADATA, chained, kept_metadata, read_graph
from .nir_nodes import Pins, Reader
from .operations import Shape
from .settings import Options, Settings

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["from_nir"]


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
    kept = kept_metadata(graph, name)
    if compare is not None:
        exact_choice("compare", compare, COMPARES)
    pins = Pins(dt, reset, reset_timing, cuba_current, v_init, compare)
    values: dict[str, Any] = dict(options)
    if kept:
        pins, values = _pinned(name, kept, pins, values)
    settings = Settings(**values)
    nodes, back = chained(graph)
    shape = _input_shape(nodes[0], settings)
    reader = Reader(pins)
    ops = [
        op for node, each in nodes[1:-1] for op in reader.operations(node, each, back.get(node))
    ]
    layers = assemble(ops, shape, settings.readout)
    _check_output(nodes[-1], prod(layers[-1].output_shape))
    if kept and len(kept["layers"]) != len(layers):
        raise FileError(
            f"{name}: its {METADATA!r} metadata is of {len(kept['layers'])} layers, not of the "
            f"{len(layers)} it has"
        )
    network = FloatNetwork(name, shape, layers, tuple(reader.assumed()))
    return convert(network, settings)


def _pinned(
    name: str, kept: Mapping[str, Any], pins: Pins, values: dict[str, Any]
) -> tuple[Pins, dict[str, Any]]:
    """Pins and options with what the graph says itself."""
    try:
        entry = kept["input"]
        shape = tuple(entry["shape"])
        kinds = (PixelInput.kind, SpikeInput.kind)
        pixels = exact_choice("kind", entry["kind"], kinds) == PixelInput.kind
        said: dict[str, Any] = {
            "weight_bits": kept["weight_bits"], "fraction_bits": kept["fraction_bits"],
            "readout": kept["readout"],
            "layer_bits": tuple(each["weight_bits"] for each in kept["layers"]),
            "emits": tuple(exact_choice("emit", each["emit"], EMITS) for each in kept["layers"]),
            "input": PixelInput(shape, entry["bits"]) if pixels else SpikeInput(shape),
        }
        dt = float(kept["dt"])
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{name}: its {METADATA!r} metadata is damaged ({error!r})") from error
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


def _check_output(last: tuple[str, Any], neurons: int) -> None:
    name, node = last
    values = next(iter((node.output_type or {}).values()), None)
    if values is not None and np.prod(values) != neurons:
        shape = tuple(np.asarray(values).reshape(-1).tolist())
        raise ValueError(f"{name} (Output) has the shape {shape}, but {neurons} neurons feed it")


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
