"""Turns NIR files and graphs into networks.

NIR describes neurons in continuous time: a spike where ``v > v_threshold``, then a reset to
``v_reset``. A file does not give the length of a step, the kind of reset or its timing, so the
caller must, or the name of the program that wrote it. ``neurons`` has the equations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

from ...network import (
    COMPARES,
    EMITS,
    RESET_TIMINGS,
    RESETS,
    FrameInput,
    Network,
    PixelInput,
    SpikeInput,
)
from ...support.errors import FileError, NotExpressible
from ...support.values import exact_choice, positive
from ..asking import Missing
from ..convert import convert
from ..graph import FloatNetwork, assemble
from ..operations import Operation
from ..settings import Options, Settings, checked_options
from .files import METADATA, Graph, Node, kept_metadata, read_graph
from .graph import chained
from .late import with_late_spikes
from .neurons import INTEGRATIONS, Pins
from .nodes import Reader
from .recognition import answers, differ, hint, looks, looks_like, question
from .shapes import check_output, input_asks, input_shape, within_sample
from .spyx import check_wiring
from .units import Unit, grouped
from .writers import PLAIN, WRITERS, Writing

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["from_nir"]

_OF_VALUES = {kind.kind: kind for kind in (PixelInput, FrameInput)}


def from_nir(
    source: Any,
    dt: float | None = None,
    reset: str | None = None,
    reset_timing: str | None = None,
    *,
    cuba_current: str | None = None,
    v_init: float | str | None = None,
    compare: str | None = None,
    integration: str | None = None,
    writer: str | None = None,
    **options: Unpack[Options],
) -> Network:
    """Import a NIR file or graph.

    A graph that ``to_nir`` made contains ``dt``, ``reset``, ``reset_timing``, ``compare`` and
    ``v_init``, and becomes the network that it was made from. For any other graph, the caller must
    give what NIR does not: one by one, or with ``writer``, which knows how one release of another
    program runs the networks that it writes.

    A file that looks like one of a program whose numbers are not those of NIR's equations is asked
    about.

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
        Needed for a CubaLIF or CubaLI: "new" if the membrane receives the synaptic current that
        includes the input of this step. With "last" it receives that of the step before, which is
        refused.
    v_init : float or {"v_leak", "v_reset"}, optional
        Membrane at the start of a sample, in the graph's units. It is needed only where the graph's
        ``v_leak`` or ``v_reset`` is not 0.
    compare : {"gt", "ge"}, optional
        A neuron fires above the threshold ("gt", as NIR's equations say; the default), or also at
        it ("ge", like the neurons of some writers, such as SpikingJelly).
    integration : {"euler", "exponential"}, optional
        How a step solves the equations: by forward Euler, the default, with decays of
        ``1 - dt / tau`` and gains of ``r dt / tau``; or exactly, with decays of ``exp(-dt / tau)``
        and gains of ``r (1 - exp(-dt / tau))``. The same holds for a synaptic current.
    writer : {"rockpool", "spyx", "sinabs", "norse", "snntorch", "spikingjelly", "plain"}, optional
        The program that wrote the file. It gives ``dt``, ``reset`` and the rest, puts right the
        parameters that it means otherwise, and refuses arguments that contradict what it does.
        "plain" takes the equations as they are, for a file that looks like one of a program but is
        not. The documentation has the table of what each of them does.
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
        If h5py is not installed, which files are stored with.
    """
    values = checked_options(options)
    graph, name = read_graph(source)
    kept = kept_metadata(graph, name)
    pins = _checked(Pins(dt, reset, reset_timing, cuba_current, v_init, compare, integration))
    if writer is not None:
        exact_choice("writer", writer, (*WRITERS, PLAIN))
    if kept:
        if integration not in (None, "euler"):
            raise ValueError(
                f"integration must be 'euler', as to_nir writes {name}, not {integration!r}"
            )
        pins, values = _pinned(name, kept, pins, values)
    settings = Settings(**values)
    try:
        network = _read(graph, name, pins, writer, settings)
    except Missing as error:
        raise Missing({**settings.missing, **error.asks}, error.hint) from None
    if kept and len(kept["layers"]) != len(network.layers):
        raise FileError(
            f"{name}: its {METADATA!r} metadata is of {len(kept['layers'])} layers, not of the "
            f"{len(network.layers)} it has"
        )
    return convert(network, settings)


def _read(
    graph: Graph, name: str, pins: Pins, writer: str | None, settings: Settings
) -> FloatNetwork:
    """Return the network of a graph in real numbers."""
    kept = kept_metadata(graph, name)
    record = WRITERS.get(writer or "")
    if record is not None:
        graph = record.graph(graph)
    else:
        check_wiring(graph)
    nodes, back = chained(graph)
    if record is not None:
        nodes = list(record.chain(nodes))
    entries = grouped(nodes[1:-1])
    units = _units(entries)
    noted = bool(kept) or any(METADATA in unit.node.metadata for unit in units)
    if noted and writer is not None:
        raise ValueError(
            f"writer must not be {writer!r}: {name} was written by to_nir, which noted what it "
            "means"
        )
    _check_threshold_reset(units, pins)
    try:
        if record is None:
            reader, ops = _by_equations(name, entries, back, pins, ask=not noted and writer is None)
        else:
            writing = Writing(record, units, pins)
            _check_looks(name, writing, entries, pins)
            reader = Reader(pins, writing)
            ops = reader.chain(entries, back)
    except Missing as error:
        raise Missing({**input_asks(nodes[0], settings), **error.asks}, error.hint) from None
    shape, lead = input_shape(nodes[0], entries, settings)
    layers = assemble(within_sample(ops, lead), shape, settings.readout)
    check_output(nodes[-1], prod(layers[-1].output_shape), lead)
    if record is not None:
        late = [unit.node.kind in record.late for unit in units]
        layers = with_late_spikes(layers, late, record.release)
    assumed = reader.assumed()
    if lead and lead != (1,) * len(lead):
        assumed.append(f"the axes {lead} in front of the input are batch and steps")
    return FloatNetwork(name, shape, layers, tuple(assumed))


def _checked(pins: Pins) -> Pins:
    """Refuse values that are none, before anything is read with them."""
    if pins.dt is not None:
        positive("dt", pins.dt)
    for key, allowed in (
        ("reset", RESETS), ("reset_timing", RESET_TIMINGS), ("compare", COMPARES),
        ("cuba_current", ("new", "last")), ("integration", INTEGRATIONS),
    ):
        if getattr(pins, key) is not None:
            exact_choice(key, getattr(pins, key), allowed)
    return pins


def _check_threshold_reset(units: Sequence[Unit], pins: Pins) -> None:
    """Refuse a reset for neurons that have none."""
    firing = [unit for unit in units if unit.fires]
    if pins.reset in (None, "none") or not firing:
        return
    if all(unit.threshold is not None for unit in firing):
        raise ValueError(
            f"reset must be 'none' or left out, not {pins.reset!r}: {firing[0].name} "
            f"({firing[0].kind}) never resets"
        )


def _units(entries: Sequence[tuple[str, Node] | Unit]) -> list[Unit]:
    return [entry for entry in entries if isinstance(entry, Unit)]


def _by_equations(
    name: str,
    entries: Sequence[tuple[str, Node] | Unit],
    back: Mapping[str, Node],
    pins: Pins,
    ask: bool,
) -> tuple[Reader, list[Operation]]:
    """Read a chain as NIR's equations have it, unless it looks like one of another meaning."""
    reader = Reader(pins)
    found = _looks(entries, pins) if ask else []
    try:
        ops = reader.chain(entries, back)
    except (FileError, NotExpressible):
        raise
    except ValueError as error:
        if not found:
            raise
        if isinstance(error, Missing):
            raise Missing(error.asks, hint(found)) from None
        raise ValueError(f"{error}; {hint(found)}") from error
    found = [each for each in found if _means_other(each[0], entries, back, pins, ops)]
    if found:
        raise ValueError(question(name, found))
    return reader, ops


def _looks(
    entries: Sequence[tuple[str, Node] | Unit], pins: Pins
) -> list[tuple[str, str]]:
    """Return the writers that a chain looks like, and by what."""
    names = [entry.name if isinstance(entry, Unit) else entry[0] for entry in entries]
    return looks_like(_units(entries), names, pins)


def _check_looks(
    name: str, writing: Writing, entries: Sequence[tuple[str, Node] | Unit], pins: Pins
) -> None:
    """Refuse a file that looks like one of another writer, if it needs an unusual step too."""
    writer = writing.writer
    if pins.dt is not None or writing.dt == writer.pins.dt:
        return
    found = _looks(entries, pins)
    if found and writer.name not in dict(found):
        raise ValueError(
            f"writer={writer.name!r} does not fit: {name} looks like a file of {looks(found)}: "
            f"give {answers(found)}, or dt={writing.dt:.6g} too if {writer.release} wrote it with "
            "that step"
        )


def _means_other(
    writer: str,
    entries: Sequence[tuple[str, Node] | Unit],
    back: Mapping[str, Node],
    pins: Pins,
    ops: Sequence[Operation],
) -> bool:
    """Whether a writer means something else by a chain than ``ops``, which the caller described.

    What the caller said is not in question, but for ``dt``, which is where writers differ.
    """
    said = {key: value for key, value in vars(pins).items() if key != "dt" and value is not None}
    try:
        writing = Writing(WRITERS[writer], _units(entries), Pins(), said)
        return differ(ops, Reader(pins, writing).chain(entries, back))
    except ValueError:
        return True


def _pinned(
    name: str, kept: Mapping[str, Any], pins: Pins, values: dict[str, Any]
) -> tuple[Pins, dict[str, Any]]:
    """Return pins and options, completed from the graph itself."""
    try:
        entry = kept["input"]
        shape = tuple(entry["shape"])
        kind = exact_choice("kind", entry["kind"], (SpikeInput.kind, *_OF_VALUES))
        spikes = kind == SpikeInput.kind
        said: dict[str, Any] = {
            "weight_bits": kept["weight_bits"], "fraction_bits": kept["fraction_bits"],
            "readout": kept["readout"],
            "layer_bits": tuple(each["weight_bits"] for each in kept["layers"]),
            "emits": tuple(exact_choice("emit", each["emit"], EMITS) for each in kept["layers"]),
            # Files had no zero before inputs did.
            "input": SpikeInput(shape) if spikes
            else _OF_VALUES[kind](shape, entry["bits"], entry.get("zero", 0)),
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
    if not spikes:
        values.setdefault("input_scale", 1.0)
        if kind == PixelInput.kind:
            values.setdefault("steps", 4)
    values.setdefault("scale", 1.0)
    return replace(pins, dt=dt), values
