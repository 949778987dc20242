"""NIR files and graphs as nodes of our own, whatever version of nir wrote or holds them.

nir 1.0.4 and 1.0.8 differ in the parameters that their nodes take, refuse each other's files, and
stop without a message at a type that they do not know. So files are read here, from HDF5 itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...support.errors import FileError, NotExpressible
from ...support.values import as_array
from ..framework import imported
from .formats import other_format
from .heaps import check_heaps

__all__ = ["METADATA", "PARAMETERS", "Graph", "Node", "checked_node", "kept_metadata", "read_graph"]

METADATA = "stablespike"
"""Key of the notes of ``to_nir`` in the metadata of a graph and of its nodes."""

PARAMETERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Affine": (("weight", "bias"), ()),
    "AvgPool2d": (("kernel_size", "stride", "padding"), ()),
    "Conv1d": (("weight", "stride", "padding", "dilation", "groups"), ("bias", "input_shape")),
    "Conv2d": (("weight", "stride", "padding", "dilation", "groups"), ("bias", "input_shape")),
    "CubaLI": (("tau_syn", "tau_mem", "r", "v_leak"), ("w_in",)),
    "CubaLIF": (("tau_syn", "tau_mem", "r", "v_leak", "v_threshold"), ("v_reset", "w_in")),
    "Delay": (("delay",), ()),
    "Flatten": (("start_dim", "end_dim"), ()),
    "I": (("r",), ()),
    "IF": (("r", "v_threshold"), ("v_reset",)),
    "Input": ((), ("shape",)),
    "LI": (("tau", "r", "v_leak"), ()),
    "LIF": (("tau", "r", "v_leak", "v_threshold"), ("v_reset",)),
    "Linear": (("weight",), ()),
    "Output": ((), ("shape",)),
    "Scale": (("scale",), ()),
    "SumPool2d": (("kernel_size", "stride", "padding"), ()),
    "Threshold": (("threshold",), ()),
}
"""By type of node, the parameters it must have and those it may have, in all of nir 1.0."""

_DERIVED = ("input_type", "output_type")  # what nir computes; some versions have stored it


@dataclass(frozen=True, eq=False)
class Node:
    """A node of a NIR graph.

    Attributes
    ----------
    kind : str
        Its type, which need not be one that is known here.
    values : mapping of str
        Its parameters by name, without those that are None.
    metadata : mapping of str
        What ``to_nir`` noted, under ``METADATA``; a graph in memory may have notes of others too.
    """

    kind: str
    values: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def get(self, name: str) -> Any:
        """Return a parameter, or None."""
        return self.values.get(name)


@dataclass(frozen=True, eq=False)
class Graph:
    """A NIR graph.

    Attributes
    ----------
    nodes : mapping of str to Node or Graph
        Nodes and nested graphs by name.
    edges : tuple of (str, str)
        Names of nodes, from and to.
    metadata : mapping of str
        As of a ``Node``.
    """

    nodes: Mapping[str, Node | Graph]
    edges: tuple[tuple[str, str], ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    kind = "NIRGraph"


def read_graph(source: Any) -> tuple[Graph, str]:
    """Return a graph, and its name in reports.

    Parameters
    ----------
    source : str, path object or nir.NIRGraph
        The file or the graph.

    Raises
    ------
    FileError
        If the file does not hold a graph.
    NotExpressible
        If a node in memory is None.
    TypeError
        If it is neither a path nor a graph.
    ToolError
        If h5py is not installed.
    """
    if _is_graph(source):
        return _of_memory(source), "a NIR graph"
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(f"source must be the path of a NIR file or a nir.NIRGraph, not {source!r}")
    path = os.fspath(source)
    if not os.path.exists(path):
        raise FileError(f"{path} does not exist; expected a NIR file")
    if os.path.isdir(path):
        raise FileError(f"{path} is a directory; expected a NIR file")
    other = other_format(path)
    if other is not None:
        raise FileError(other)
    h5py = imported("h5py")
    try:
        with h5py.File(path, "r") as file:
            group = file["node"]  # a foreign file has none, and is not read further
            check_heaps(path)
            graph = _of_group(h5py, group)
        if not isinstance(graph, Graph):
            raise ValueError(f"it holds a {graph.kind}, not a NIRGraph")
    except Exception as error:  # h5py raises whatever the bytes lead to
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileError(
            f"{path} is not a NIR file, or one of another version ({reason}); expected what "
            "nir.write writes"
        ) from error
    return graph, f"NIR file {os.path.basename(path)}"


def _is_graph(source: Any) -> bool:
    # By name, so that a file can be read without nir.
    return any(each.__name__ == "NIRGraph" for each in type(source).__mro__)


def _of_memory(graph: Any) -> Graph:
    """Return a graph of a ``nir.NIRGraph``."""
    nodes = {
        str(name): _of_memory(node) if _is_graph(node) else _node_of_memory(str(name), node)
        for name, node in graph.nodes.items()
    }
    edges = tuple((str(a), str(b)) for a, b in graph.edges)
    return Graph(nodes, edges, _notes(graph))


def _node_of_memory(name: str, node: Any) -> Node:
    if node is None:
        raise NotExpressible(
            name, "None", "the program that made the graph left it empty, as it writes no such "
            "layer", "a model of layers that it writes",
        )
    kind = type(node).__name__
    fields: dict[str, Any] = {
        name: as_array(name, value) if hasattr(value, "detach") else value  # Norse leaves tensors
        for name, value in getattr(node, "__dict__", {}).items() if name != "metadata"
    }
    if kind in ("Input", "Output"):
        types = fields.get(f"{kind.lower()}_type") or {}
        fields = {"shape": next(iter(types.values()), None)}
    return Node(kind, _present(fields), _notes(node))


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in values.items()
        if value is not None and name not in _DERIVED
    }


def _notes(node: Any) -> Mapping[str, Any]:
    # A graph that was made without metadata may have the class ``dict`` in its place.
    return node.metadata if isinstance(getattr(node, "metadata", None), dict) else {}


def _of_group(h5py: Any, group: Any) -> Node | Graph:
    """Return the node or graph of an HDF5 group."""
    kind = _text(group["type"][()])
    metadata = _own_notes(h5py, group)
    if kind == "NIRGraph":
        edges = tuple((_text(a), _text(b)) for a, b in group["edges"][()])
        return Graph(_of_groups(h5py, group["nodes"]), edges, metadata)
    values = {
        name: _value(h5py, each) for name, each in group.items()
        if name not in ("type", "metadata")
    }
    return Node(kind, _present(values), metadata)


def _own_notes(h5py: Any, group: Any) -> dict[str, Any]:
    """Return what ``to_nir`` noted; other programs may note what they like."""
    notes = group.get("metadata")
    own = notes.get(METADATA) if isinstance(notes, h5py.Group) else None
    return {METADATA: own[()]} if isinstance(own, h5py.Dataset) else {}


def _of_groups(h5py: Any, group: Any, prefix: str = "") -> dict[str, Node | Graph]:
    """Return the nodes in a group; one whose name has a ``/`` is in a group of its own."""
    nodes: dict[str, Node | Graph] = {}
    for name, each in group.items():
        key = prefix + name
        if not isinstance(each, h5py.Group):
            raise ValueError(f"{key!r}, among its nodes, is none")
        if isinstance(each.get("type"), h5py.Dataset):
            nodes[key] = _of_group(h5py, each)
        elif all(isinstance(part, h5py.Dataset) for part in each.values()):
            raise ValueError(f"node {key!r} has no type")
        else:
            nodes |= _of_groups(h5py, each, f"{key}/")
    return nodes


def _text(value: Any) -> str:
    if not isinstance(value, (bytes, str)):
        raise ValueError(f"{value!r} is no text")
    return value.decode() if isinstance(value, bytes) else value


def _value(h5py: Any, stored: Any) -> Any:
    """Return the value of a parameter; the name of a group that is in its place."""
    if not isinstance(stored, h5py.Dataset):
        return getattr(stored, "name", None)  # a link that leads nowhere has none
    value = stored[()]
    if isinstance(value, h5py.Empty):
        return None
    return value.decode() if isinstance(value, bytes) else value


def checked_node(name: str, node: Node) -> Node:
    """Return a node of a known type that has all of its parameters, and no others.

    Raises
    ------
    FileError
        If a parameter is missing.
    NotExpressible
        If there is one that is not known here.
    """
    needed, optional = PARAMETERS[node.kind]
    for each in needed:
        if each not in node.values:
            raise FileError(f"{name} ({node.kind}): it has no {each}")
    others = [each for each in node.values if each not in (*needed, *optional)]
    if others:
        raise NotExpressible(
            name, node.kind, f"it has parameters that NIR 1.0 does not know: {', '.join(others)}",
            ", ".join((*needed, *optional)),
        )
    return node


def kept_metadata(node: Node | Graph, name: str) -> dict[str, Any]:
    """Return what ``to_nir`` noted in a graph or a node, an empty dictionary for nothing."""
    text = node.metadata.get(METADATA)
    if text is None:
        return {}
    try:
        kept = json.loads(text.decode() if isinstance(text, bytes) else text)
        if not isinstance(kept, dict):
            raise ValueError(f"not {kept!r}")
    except (TypeError, ValueError) as error:
        raise FileError(f"{name}: its {METADATA!r} metadata is damaged ({error})") from error
    return kept
