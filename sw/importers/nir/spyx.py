"""What spyx 1.0.0 writes differently between nodes: loops, flattened maps, layers left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from ...support.errors import NotExpressible
from ..semantics import finite
from .files import Graph, Node, checked_node
from .sizes import pool_sizes

__all__ = ["check_wiring", "spyx_chain", "spyx_graph"]

_LAYER = re.compile(r"layer_(\d+)(_threshold)?")


def spyx_graph(graph: Graph) -> Graph:
    """Return a graph of spyx with the input of recurrent layers at their neurons.

    Its writer leads the input of an RIF, RLIF or RCuBaLIF through the recurrent weights.

    Raises
    ------
    NotExpressible
        If its writer has left out a layer, as the numbers in the names show.
    """
    found = {int(each[1]) for name in graph.nodes if (each := _LAYER.fullmatch(name))}
    first = next(number for number in count() if number not in found)
    if first <= max(found, default=-1):
        raise NotExpressible(
            f"layer_{first}", "unknown", "spyx's writer leaves out layers that it does not "
            "know, such as ALIF, LI and dropout; this one is not in the file",
            "a model without them, written again",
        )
    nodes = {
        name: _rewired(node) if isinstance(node, Graph) else node
        for name, node in graph.nodes.items()
    }
    return replace(graph, nodes=nodes)


def check_wiring(graph: Graph) -> None:
    """Refuse a graph whose recurrent layers are wired as spyx wires them.

    Raises
    ------
    NotExpressible
        Naming the layer.
    """
    for name, node in graph.nodes.items():
        if isinstance(node, Graph) and _rewired(node).edges != node.edges:
            raise NotExpressible(
                name, "NIRGraph", "its input goes to its recurrent weights, as spyx 1.0.0 writes "
                "RIF, RLIF and RCuBaLIF", "writer='spyx', which puts it right",
            )


def _rewired(graph: Graph) -> Graph:
    """Return a nested graph with the edge from its Input to its weights moved to its neurons."""
    kinds = {name: node.kind for name, node in graph.nodes.items()}
    edges = []
    for a, b in graph.edges:
        targets = [d for c, d in graph.edges if c == b]
        loop = len(targets) == 1 and (targets[0], b) in graph.edges
        if kinds.get(a) == "Input" and kinds.get(b) == "Linear" and loop:
            b = targets[0]
        edges.append((a, b))
    return replace(graph, edges=tuple(edges))


def spyx_chain(chain: Sequence[tuple[str, Node]]) -> Sequence[tuple[str, Node]]:
    """Return a chain of spyx with the weights behind a flattened map in NIR's order.

    spyx has maps as (height, width, channels) and flattens them so, but writes weights behind a
    Flatten as they are, where NIR has maps as (channels, height, width).

    Raises
    ------
    NotExpressible
        If the shape of a flattened map is not in the file, or a pool is padded.
    """
    shape: tuple[int, ...] | None = None
    flattened: tuple[int, ...] | None = None
    result = []
    for name, node in chain:
        if node.kind in ("Input", "IF", "LIF", "CubaLIF", "LI"):
            values = node.get("shape") if node.kind == "Input" else np.shape(node.get("r"))
            shape = None if values is None else tuple(int(each) for each in np.ravel(values))
        elif node.kind == "Conv2d":
            shape = None  # until its neurons say it
        elif node.kind == "SumPool2d":
            shape = _pooled(name, node, shape)
        elif node.kind == "Flatten":
            if shape is None:
                raise NotExpressible(
                    name, node.kind, "the shape of the map that spyx flattens, which says the "
                    "order of the weights behind it, is not in the file", "neurons in front of it",
                )
            flattened = shape
        elif node.kind in ("Affine", "Linear"):
            if flattened is not None and len(flattened) == 3:
                node = _channels_first(name, node, flattened)
            flattened = shape = None
        result.append((name, node))
    return result


def _pooled(name: str, node: Node, shape: tuple[int, ...] | None) -> tuple[int, ...] | None:
    size, stride, padding = pool_sizes(name, node)
    if any(padding):
        raise NotExpressible(
            name, node.kind, "spyx writes the padding of both sides together as that of each",
            "padding='VALID'",
        )
    if shape is None or len(shape) != 3:
        return None
    rows, columns = (
        (side - cell) // step + 1 for side, cell, step in zip(shape[1:], size, stride, strict=True)
    )
    return shape[0], int(rows), int(columns)


def _channels_first(name: str, node: Node, shape: tuple[int, ...]) -> Node:
    weight = finite(name, node.kind, "weight", checked_node(name, node).values["weight"])
    channels, rows, columns = shape
    if weight.ndim != 2 or weight.shape[1] != channels * rows * columns:
        return node  # refused where weights and shapes are compared
    ordered = weight.reshape(-1, rows, columns, channels).transpose(0, 3, 1, 2)
    return replace(node, values={**node.values, "weight": ordered.reshape(weight.shape)})
