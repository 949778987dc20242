"""Turns NIR files and graphs into networks.

NIR describes neurons in continuous time: a spike where ``v > v_threshold``, then a reset to
``v_reset``. A file does not give the length of a step, the kind of reset or its timing, so the
caller must. The equations are integrated by the forward Euler rule, as in the frameworks that read
NIR: ``v = (1 - dt / tau) v + (dt / tau) (v_leak + r i)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ...network import COMPARES, EMITS, Network, PixelInput, SpikeInput
from ...support.errors import FileError
from ...support.values import exact_choice
from ..asking import ask_together
from ..convert import convert
from ..graph import FloatNetwork, assemble
from ..layers import FloatLayer
from ..operations import Shape
from ..settings import Options, Settings
from .graph import METADATA, chained, kept_metadata, read_graph
from .nodes import Pins, Reader

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["from_nir"]

# With these, reading goes on to what else must be asked for. No time constant is shorter than the
# step, and a reset to v_reset takes any v_reset.
_STAND_INS = {
    "dt": 1e-12, "reset": "zero", "reset_timing": "same_step", "cuba_current": "new", "v_init": 0.0,
}


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
    """Import a NIR file or graph.

    A graph that ``to_nir`` made contains ``dt``, ``reset``, ``reset_timing``, ``compare`` and
    ``v_init``, and becomes the network that it was made from. For any other graph, the caller must
    give what NIR does not.

    Parameters
    ----------
    source : str, path object or nir.NIRGraph
        Path of a file, or a graph.
    dt : float, optional
        Length of a step, in the unit of the graph's time constants (seconds by NIR's convention).
    reset : {"subtract", "zero", "none"}, optional
        What a spike does to the membrane: it subtracts the threshold, sets it to the graph's
        ``v_reset``, or does nothing.
    reset_timing : {"same_step", "next_step"}, optional
        Step of the reset; needed with ``reset="subtract"``.
    cuba_current : {"new", "last"}, optional
        Needed for a CubaLIF: "new" if the membrane receives the synaptic current that includes the
        input of this step. With "last" it receives that of the step before, which is refused.
    v_init : float or {"v_leak", "v_reset"}, optional
        Membrane at the start of a sample, in the graph's units. It is needed only where the graph's
        ``v_leak`` or ``v_reset`` is not 0.
    compare : {"gt", "ge"}, optional
        A neuron fires above the threshold ("gt", as NIR's equations say; the default), or also at
        it ("ge", like the neurons of some writers, such as SpikingJelly).
    **options
        See ``stablespike.importers.Options``.

    Returns
    -------
    Network
        Its ``fidelity`` is the report of the import.

    Raises
    ------
    FileError
        If the file is missing or does not hold a NIR graph.
    NotExpressible
        Naming the node, its type, the reason and the nearest rule that can be expressed.
    TypeError, ValueError
        If something that the file does not give is missing, or a value is wrong.
    ToolError
        If nir is not installed.
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

    def read(filled: Mapping[str, Any]) -> tuple[Shape, tuple[FloatLayer, ...], tuple[str, ...]]:
        return _read(graph, replace(pins, **filled), settings)

    shape, layers, assumed = ask_together(read, _STAND_INS, settings.missing)
    if kept and len(kept["layers"]) != len(layers):
        raise FileError(
            f"{name}: its {METADATA!r} metadata is of {len(kept['layers'])} layers, not of the "
            f"{len(layers)} it has"
        )
    return convert(FloatNetwork(name, shape, layers, assumed), settings)


def _read(
    graph: Any, pins: Pins, settings: Settings
) -> tuple[Shape, tuple[FloatLayer, ...], tuple[str, ...]]:
    """Return the shape of one step of one sample, the layers, and the semantics assumed."""
    nodes, back = chained(graph)
    shape = _input_shape(nodes[0], settings)
    reader = Reader(pins)
    ops = [
        op for node, each in nodes[1:-1] for op in reader.operations(node, each, back.get(node))
    ]
    layers = assemble(ops, shape, settings.readout)
    _check_output(nodes[-1], prod(layers[-1].output_shape))
    return shape, layers, tuple(reader.assumed())


def _pinned(
    name: str, kept: Mapping[str, Any], pins: Pins, values: dict[str, Any]
) -> tuple[Pins, dict[str, Any]]:
    """Return pins and options, completed from the graph itself."""
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
    # The weights are already in weight steps. The number of steps matters only for the report.
    if pixels:
        values.setdefault("input_scale", 1.0)
        values.setdefault("steps", 4)
    values.setdefault("scale", 1.0)
    return replace(pins, dt=dt), values


def _check_output(last: tuple[str, Any], neurons: int) -> None:
    """Refuse an Output node of another size than the last layer."""
    name, node = last
    values = next(iter((node.output_type or {}).values()), None)
    if values is not None and np.prod(values) != neurons:
        shape = tuple(np.asarray(values).reshape(-1).tolist())
        raise ValueError(f"{name} (Output) has the shape {shape}, but {neurons} neurons feed it")


def _input_shape(first: tuple[str, Any], settings: Settings) -> Shape:
    """Return the shape of one step of one sample."""
    name, node = first
    if settings.input is not None:
        return settings.input.shape
    values = next(iter((node.input_type or {}).values()), None)
    if values is None:
        raise ValueError(
            f"{name} (Input) has no shape: give input=stablespike.SpikeInput((...)) or a PixelInput"
        )
    shape = tuple(int(size) for size in np.asarray(values).reshape(-1))
    # With three axes a leading 1 is the channel of a map.
    while len(shape) > 1 and shape[0] == 1 and len(shape) != 3:
        shape = shape[1:]  # the batch of 1 that some exporters leave in
    if not shape or min(shape) < 1:
        raise ValueError(f"{name} (Input) has the shape {shape}: give input=")
    return shape
