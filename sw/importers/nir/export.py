"""Networks to NIR graphs and files.

Weights are written as they are, thresholds and biases in weight steps, decays as time constants for
a given step. Everything that NIR cannot express goes into the metadata of the graph and its nodes.
``from_nir`` reads it there; other readers do not, and ``not_carried`` says what they miss.
"""

from __future__ import annotations

import json
import logging
import os
from itertools import pairwise
from typing import Any

import numpy as np

from ...network import Conv2d, Layer, Leak, Network, Neuron, PixelInput
from ...network.neurons import plain_leaks
from ...support.errors import FileError, NotExpressible
from ...support.values import positive
from ..framework import imported
from ..leaks import factors
from .graph import METADATA

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
    if isinstance(network.input, PixelInput):
        lines.append(f"that the input is pixels of {network.input.bits} bits, in every step")
    if network.recurrent:
        lines.append("that spikes come back to their layer one step later")
    if any(layer.emit == "both" for layer in network.layers):
        lines.append("the second run of the last layer, on the skeleton")
    return tuple(lines)


def to_nir(
    network: Network, path: str | os.PathLike[str] | None = None, dt: float = 1e-4
) -> Any:
    """Export a network as a NIR graph.

    ``from_nir`` makes an equal network from the graph or the file. Facts that other readers do not
    learn are logged to ``stablespike.importers``; ``stablespike.importers.not_carried`` returns
    them.

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
            neurons, back = f"layer{index}", f"layer{index}_back"
            nodes[back] = nir.Linear(layer.recurrent.astype(np.float32))
            edges += [(neurons, back), (back, neurons)]
    graph = nir.NIRGraph(
        nodes, edges, metadata={METADATA: json.dumps(_header(network, dt))}, type_check=False
    )
    for line in not_carried(network):
        _log.info("NIR does not carry %s", line)
    if path is not None:
        try:
            nir.write(os.fspath(path), graph)
        except OSError as error:
            raise FileError(f"{path} cannot be written: {error}") from error
    return graph


def _header(network: Network, dt: float) -> dict[str, Any]:
    """Return the graph's metadata about the network; ``from_nir`` reads it."""
    source: dict[str, Any] = {"kind": network.input.kind, "shape": network.input.shape}
    if isinstance(network.input, PixelInput):
        source["bits"] = network.input.bits
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
    nodes[name] = _neurons(nir, network, index, layer, one, dt)
    return nodes


def _neurons(
    nir: Any, network: Network, index: int, layer: Layer, one: float, dt: float
) -> Any:
    """Return the node of a layer's neurons; ``one`` is a weight step in units of the state.

    Readers multiply the input by ``r dt / tau`` (and a CubaLIF's by ``w_in dt / tau_syn``), so
    ``r`` and ``w_in`` are chosen to make that 1, because the weights are already in the state's
    units.
    """
    neuron, shape, name = layer.neuron, network.neuron_shapes[index], network.layer_name(index)
    kind = type(layer).__name__
    kept = {METADATA: json.dumps(_rule(neuron, one))}
    decay, synapse = (
        np.reshape(factors(leak), (-1, *[1] * (len(shape) - 1)))
        for leak in (neuron.leak, neuron.synapse_leak or Leak())
    )
    if min(decay.min(), synapse.min()) < 0:
        raise NotExpressible(
            name, kind, "a leak inverts the sign of the state, which no time constant does",
            "a leak of at most all of it",
        )
    if (decay == 1).any() and (decay < 1).any():
        raise NotExpressible(
            name, kind, "NIR has no neurons of which some leak and some do not",
            "leaks in all neurons of a layer, or in none",
        )
    # NIR has one value per neuron; the neurons of a channel share theirs.
    threshold = np.broadcast_to(
        (layer.threshold / one).reshape(-1, *[1] * (len(shape) - 1)), shape
    ).copy()
    rest = {"v_leak": np.zeros(shape), "metadata": kept}
    if neuron.fires:
        rest |= {"v_threshold": threshold, "v_reset": np.zeros(shape)}

    def tau(factor: Any) -> Any:
        return np.broadcast_to(dt / (1.0 - factor), shape).copy()

    if neuron.synapse_leak is not None:
        if (decay == 1).any() or (synapse == 1).any() or not neuron.fires:
            raise NotExpressible(
                name, kind, "NIR has no neuron with a synaptic current that does not leak, or "
                "that never fires", "leaks in membrane and synapse, and neurons that fire",
            )
        return nir.CubaLIF(
            tau_syn=tau(synapse), tau_mem=tau(decay), r=tau(decay) / dt,
            w_in=tau(synapse) / dt, **rest,
        )
    if (decay == 1).all():
        del rest["v_leak"]
        node = nir.IF if neuron.fires else nir.I
        return node(r=np.full(shape, 1.0 / dt), **rest)
    node = nir.LIF if neuron.fires else nir.LI
    return node(tau=tau(decay), r=tau(decay) / dt, **rest)


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
