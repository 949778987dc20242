"""Networks to NIR graphs and files.

Weights are written as they are, thresholds and biases in weight steps, decays as time constants for
a given step. Everything that NIR cannot express goes into the metadata of the graph and its nodes.
``from_nir`` reads it there; other readers do not, and ``not_carried`` says what they miss.
"""

from __future__ import annotations

import json
import logging
import os
from inspect import signature
from itertools import pairwise
from typing import Any

import numpy as np

from ...network import Conv2d, Layer, Leak, Network, Neuron, SpikeInput
from ...network.leaks import plain_leaks
from ...support.errors import FileError, NotExpressible
from ...support.values import positive
from ..framework import imported
from ..leaks import factors
from ..semantics import Floats
from .files import METADATA

__all__ = ["not_carried", "to_nir"]

_log = logging.getLogger("stablespike.importers")


def not_carried(network: Network) -> tuple[str, ...]:
    """Return what a reader that knows only NIR does not learn about a network.

    Parameters
    ----------
    network : Network
        The network.

    Returns
    -------
    tuple of str
        A line for each fact.
    """
    neurons = [layer.neuron for layer in network.layers]
    firing = [neuron for neuron in neurons if neuron.fires]
    lines = [
        "the widths of weights, states and their fraction, and the clamp of the membrane",
        f"the readout, {network.readout}",
    ]
    if any(np.min(factors(n.leak)) < 1 or n.synapse_leak for n in neurons):
        lines.append("the rounding of the leak, which is a difference of shifts")
    if firing:
        rules = sorted({f"{n.reset}, {n.reset_timing}" for n in firing})
        lines.append(f"the reset and its timing ({'; '.join(rules)})")
    if any(n.compare == "ge" for n in firing):
        lines.append("that a membrane equal to the threshold fires")
    if any(n.v_init for n in neurons):
        lines.append("the membrane at the start, v_init")
    source = network.input
    if not isinstance(source, SpikeInput):
        new = "new in every step" if source.kind == "frames" else "in every step"
        lines.append(f"that the input is {source.kind} of {source.bits} bits, {new}")
        if source.zero:
            lines.append(f"that an input of {source.zero} stands for 0: it is to be subtracted")
    if network.encoder is not None:
        lines.append(f"the {type(network.encoder).__name__} of the raw signal")
    if network.recurrent:
        lines.append("that spikes come back to their layer one step later")
    if any(layer.emit == "both" for layer in network.layers):
        lines.append("the second run of the last layer, on the skeleton")
    return tuple(lines)


def to_nir(
    network: Network, path: str | os.PathLike[str] | None = None, dt: float = 1e-4
) -> Any:
    """Export a network as a NIR graph.

    ``from_nir`` makes an equal network from the graph or the file, but for its encoder. Facts that
    other readers do not learn are logged to ``stablespike.importers``;
    ``stablespike.importers.not_carried`` returns them.

    Parameters
    ----------
    network : Network
        The network.
    path : str or path object, optional
        A file that the graph is written to as well.
    dt : float
        Length of a step, in seconds by NIR's convention. Decays become time constants for it.

    Returns
    -------
    nir.NIRGraph

    Raises
    ------
    NotExpressible
        If NIR has no node for a layer.
    TypeError, ValueError
        If an argument is wrong.
    FileError
        If the file cannot be written.
    ToolError
        If nir is not installed.
    """
    nir = imported("nir")
    if not isinstance(network, Network):
        raise TypeError(f"network must be a Network, not {network!r}")
    dt = positive("dt", dt)
    nodes: dict[str, Any] = {"input": nir.Input(np.array(network.input.shape))}
    for index, layer in enumerate(network.layers):
        nodes |= _layer(nir, network, index, layer, dt)
    nodes["output"] = nir.Output(np.array(network.neuron_shapes[-1]))
    edges = list(pairwise(nodes))
    for index, layer in enumerate(network.layers):
        if layer.recurrent is not None:
            neurons, back, current = f"layer{index}", f"layer{index}_back", f"current{index}"
            nodes[back] = nir.Linear(layer.recurrent.astype(np.float32))
            edges += [(neurons, back), (back, current if current in nodes else neurons)]
    graph = nir.NIRGraph(
        nodes, edges, metadata={METADATA: json.dumps(_header(network, dt))}, **_unchecked(nir)
    )
    for line in not_carried(network):
        _log.info("NIR does not carry %s", line)
    if path is not None:
        try:
            _write(nir, os.fspath(path), graph)
        except OSError as error:
            raise FileError(f"{path} cannot be written: {error}") from error
    return graph


def _unchecked(nir: Any) -> dict[str, bool]:
    """Return the argument that leaves a graph's types unchecked, where nir has it."""
    known = "type_check" in signature(nir.NIRGraph.__init__).parameters
    return {"type_check": False} if known else {}


def _write(nir: Any, path: str, graph: Any) -> None:
    """Write a graph like ``nir.write``, but so that every release of nir 1.0 reads it.

    nir 1.0.4, which others require, refuses a ``v_reset``; later ones take a missing one as 0,
    which ours are.
    """
    h5py = imported("h5py")

    def put(group: Any, values: dict[str, Any]) -> None:
        for name, value in values.items():
            if isinstance(value, dict):
                if value or name != "metadata":
                    put(group.create_group(name), value)
            elif name == "v_reset":
                assert not np.any(value)
            elif isinstance(value, str):
                group.create_dataset(name, data=value, dtype=h5py.string_dtype())
            elif isinstance(value, np.ndarray) and value.ndim:
                group.create_dataset(name, data=value, compression="gzip")
            elif value is not None:
                group.create_dataset(name, data=value)

    with h5py.File(path, "w") as file:
        file.create_dataset("version", data=nir.version, dtype=h5py.string_dtype())
        put(file.create_group("node"), graph.to_dict())


def _header(network: Network, dt: float) -> dict[str, Any]:
    """Return the graph's metadata about the network; ``from_nir`` reads it."""
    source: dict[str, Any] = {"kind": network.input.kind, "shape": network.input.shape}
    if not isinstance(network.input, SpikeInput):
        source |= {"bits": network.input.bits, "zero": network.input.zero}
    return {
        "input": source,
        "readout": network.readout,
        "weight_bits": network.weight_bits,
        "fraction_bits": network.fraction_bits,
        "dt": dt,
        "layers": [
            {"emit": layer.emit, "weight_bits": layer.weight_bits} for layer in network.layers
        ],
    }


def _layer(nir: Any, network: Network, index: int, layer: Layer, dt: float) -> dict[str, Any]:
    """Return the nodes of a layer by name, in order."""
    name = f"layer{index}"
    if layer.emit == "skeleton":
        raise NotExpressible(
            network.layer_name(index), type(layer).__name__,
            "NIR has no node for emit='skeleton'", "emit='spikes'",
        )
    if layer.pool_after is not None:
        raise NotExpressible(
            network.layer_name(index), "Conv2d", "NIR has no node for the OR of spikes in a pool",
            "pool_after=None",
        )
    if isinstance(layer, Conv2d) and layer.kernel[0] != layer.kernel[1]:
        raise NotExpressible(
            network.layer_name(index), "Conv2d", "the type check of NIR files takes a kernel to be "
            "as wide as it is high, and refuses to read another", "square kernels",
        )
    one = 2.0**network.fraction_bits
    nodes: dict[str, Any] = {}
    shape = network.input_shapes[index]
    if layer.pool_before is not None:
        window = np.array([layer.pool_before.size] * 2)
        nodes[f"{name}_pool"] = nir.SumPool2d(window, window, np.zeros(2, dtype=int))
        shape = layer.pool_before.output_shape(shape)
    weight, bias = layer.weight.astype(np.float32), layer.bias / one
    if isinstance(layer, Conv2d):
        nodes[f"{name}_weight"] = nir.Conv2d(
            shape[1:], weight, layer.stride, layer.padding, 1, 1, bias
        )
    else:
        if len(shape) > 1:
            nodes[f"{name}_flatten"] = nir.Flatten({"input": np.array(shape)}, 0, -1)
        nodes[f"{name}_weight"] = nir.Affine(weight, bias)
    return nodes | _neurons(nir, network, index, layer, one, dt)


def _neurons(
    nir: Any, network: Network, index: int, layer: Layer, one: float, dt: float
) -> dict[str, Any]:
    """Return the nodes of a layer's neurons; ``one`` is a weight step in units of the state.

    Readers multiply the input by ``r dt / tau`` (and a CubaLIF's by ``w_in dt / tau_syn``), so
    ``r`` and ``w_in`` are chosen to make that 1, because the weights are already in the state's
    units. A synaptic current is a CubaLIF's where that has it all, and else an LI or I of its own.
    """
    neuron, shape = layer.neuron, network.neuron_shapes[index]
    name, kind = network.layer_name(index), type(layer).__name__
    decay, synapse_decay = (
        np.reshape(factors(leak), (-1, *[1] * (len(shape) - 1)))
        for leak in (neuron.leak, neuron.synapse_leak or Leak())
    )
    if min(decay.min(), synapse_decay.min()) < 0:
        raise NotExpressible(
            name, kind, "a leak inverts the sign of the state, which no time constant does",
            "a leak of at most all of it",
        )
    if any((each == 1).any() and (each < 1).any() for each in (decay, synapse_decay)):
        raise NotExpressible(
            name, kind, "NIR has no neurons of which some leak and some do not",
            "leaks in all neurons of a layer, or in none",
        )

    def integrator(factor: Floats) -> tuple[str, dict[str, Any]]:
        """Return type and parameters of states that keep these shares of themselves in a step."""
        if (factor == 1).all():
            return "I", {"r": np.full(shape, 1.0 / dt)}
        tau = np.broadcast_to(dt / (1.0 - factor), shape).copy()
        return "LI", {"tau": tau, "r": tau / dt, "v_leak": np.zeros(shape)}

    # NIR has one value per neuron; the neurons of a channel share theirs.
    threshold = np.broadcast_to(
        (layer.threshold / one).reshape(-1, *[1] * (len(shape) - 1)), shape
    ).copy() if neuron.fires else None
    membrane, values = integrator(decay)
    nodes: dict[str, Any] = {}
    if neuron.synapse_leak is not None:
        synapse, current = integrator(synapse_decay)
        if membrane == "LI" and synapse == "LI" and neuron.fires:
            membrane = "Cuba" + membrane
            values = {
                "tau_syn": current["tau"], "tau_mem": values["tau"], "r": values["r"],
                "w_in": current["r"], "v_leak": values["v_leak"],
            }
        else:
            nodes[f"current{index}"] = getattr(nir, synapse)(**current)
    if threshold is not None:
        membrane += "F"
        values["v_threshold"] = threshold
        if "v_reset" in signature(nir.LIF.__init__).parameters:
            values["v_reset"] = np.zeros(shape)
    kept = {METADATA: json.dumps(_rule(neuron, one))}
    nodes[f"layer{index}"] = getattr(nir, membrane)(**values, metadata=kept)
    return nodes


def _rule(neuron: Neuron, one: float) -> dict[str, Any]:
    """Return a node's metadata about its neurons; ``from_nir`` reads it."""
    return {
        "reset": neuron.reset,
        "reset_timing": neuron.reset_timing,
        "compare": neuron.compare,
        "leak": plain_leaks(neuron.leak),
        "synapse_leak": plain_leaks(neuron.synapse_leak),
        "v_init": neuron.v_init / one,
    }
