"""NIR graphs as chains of nodes: reads files, unfolds nested graphs, refuses branches."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from ...support.errors import FileError, NotExpressible
from ..foreign import told
from ..framework import imported

__all__ = ["FIRING", "METADATA", "chained", "kept_metadata", "read_graph"]

METADATA = "stablespike"
"""Key of the notes of ``to_nir`` in the metadata of a graph and of its nodes."""
FIRING = ("IF", "LIF", "CubaLIF")


def read_graph(source: Any) -> tuple[Any, str]:
    """Return a ``nir.NIRGraph``, and its name in reports.

    Parameters
    ----------
    source : str, path object or nir.NIRGraph
        The file or the graph.

    Raises
    ------
    FileError
        If the file does not hold a graph.
    TypeError
        If it is neither a path nor a graph.
    ToolError
        If nir is not installed.
    """
    nir = imported("nir")
    if isinstance(source, nir.NIRGraph):
        return source, "a NIR graph"
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(f"source must be the path of a NIR file or a nir.NIRGraph, not {source!r}")
    path = os.fspath(source)
    if not os.path.exists(path):
        raise FileError(f"{path} does not exist; expected a NIR file")
    if os.path.isdir(path):
        raise FileError(f"{path} is a directory; expected a NIR file")
    other = told(path)
    if other is not None:
        raise FileError(other)
    try:
        graph = _read(nir, path)
    except Exception as error:  # nir and h5py raise whatever the bytes lead to
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileError(
            f"{path} is not a NIR file, or one of another version ({reason}); expected what "
            "nir.write writes"
        ) from error
    return graph, f"NIR file {os.path.basename(path)}"


def _read(nir: Any, path: str) -> Any:
    """Read a file like ``nir.read``, but without the type check of nested graphs.

    nir 1.0.8 can switch the check off for the outer graph only, and in nested ones it refuses
    parameters without axes.
    """
    import h5py
    from nir.serialization import hdf2dict

    with h5py.File(path, "r") as file:
        data = hdf2dict(file["node"])
    _leave_unchecked(data)
    graph = nir.dict2NIRNode(data)
    if not isinstance(graph, nir.NIRGraph):
        raise ValueError(f"it holds a {type(graph).__name__}, not a NIRGraph")
    return graph


def _leave_unchecked(data: dict[str, Any]) -> None:
    if data["type"] == "NIRGraph":
        data["type_check"] = False
        for each in data["nodes"].values():
            _leave_unchecked(each)


def kept_metadata(graph: Any, name: str) -> dict[str, Any]:
    """Return what ``to_nir`` noted in a graph or a node, an empty dictionary for nothing."""
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


def chained(graph: Any) -> tuple[list[tuple[str, Any]], dict[str, Any]]:
    """Return the nodes of a graph in order, and the recurrent weights.

    Returns
    -------
    chain : list of (str, nir.NIRNode)
        Names and nodes from the input to the output.
    back : dict of str to nir.NIRNode
        By the names of neurons, the node of the weights through which their spikes come back to
        them.

    Raises
    ------
    NotExpressible
        If the nodes are not one chain: with branches, other cycles, several inputs or outputs.
    ValueError
        If an edge names a node that does not exist.
    """
    nodes, edges = _flat(graph)
    for a, b in edges:
        for each in (a, b):
            if each not in nodes:
                raise ValueError(f"the edge ({a!r}, {b!r}) names {each!r}, which does not exist")
    back = _ways_back(nodes, edges)
    through = {name for name, _ in back.values()}
    chain = _chain(
        {name: node for name, node in nodes.items() if name not in through},
        [(a, b) for a, b in edges if not {a, b} & through],
    )
    return chain, {name: node for name, (_, node) in back.items()}


def _ways_back(
    nodes: Mapping[str, Any], edges: Sequence[tuple[str, str]]
) -> dict[str, tuple[str, Any]]:
    """Return, by the names of neurons, the name and the node of the weights from them to
    themselves."""
    back: dict[str, tuple[str, Any]] = {}
    for name, node in nodes.items():
        into = {a for a, b in edges if b == name}
        out = {b for a, b in edges if a == name}
        if type(node).__name__ in ("Linear", "Affine") and len(into) == 1 and into == out:
            (neurons,) = into
            if type(nodes[neurons]).__name__ in FIRING and neurons not in back:
                back[neurons] = name, node
    return back


def _flat(graph: Any, prefix: str = "") -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return nodes and edges with nested graphs unfolded; their nodes are ``outer.inner``."""
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
        kinds = {f"{name}.{key}": type(each).__name__ for key, each in node.nodes.items()}
        first = [each for each, kind in kinds.items() if kind == "Input"]
        last = [each for each, kind in kinds.items() if kind == "Output"]
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


def _chain(
    nodes: Mapping[str, Any], edges: Sequence[tuple[str, str]]
) -> list[tuple[str, Any]]:
    """Return names and nodes from the input to the output."""
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
                "the graph", "NIRGraph", f"its {what} are {', '.join(names) or 'missing'}",
                "one chain of nodes, from one Input node to one Output node",
            )
    order = [starts[0]]
    while True:
        name = order[-1]
        for others, what in ((ahead[name], "feeds"), (behind[name], "is fed by")):
            if len(others) > 1:
                raise NotExpressible(
                    name, type(nodes[name]).__name__,
                    f"the graph branches: it {what} {', '.join(others)}", "one chain of nodes",
                )
        if not ahead[name]:
            return [(each, nodes[each]) for each in order]
        order.append(ahead[name][0])


def _check_acyclic(
    nodes: Mapping[str, Any], ahead: Mapping[str, list[str]], behind: Mapping[str, list[str]]
) -> None:
    """Refuse cycles: nodes that Kahn's algorithm cannot order."""
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
    # Nodes after a cycle are left over too: drop those that lead to no other left-over node.
    left = set(nodes) - done
    while True:
        leaves = {name for name in left if not left & set(ahead[name])}
        if not leaves:
            break
        left -= leaves
    if left:
        names = [name for name in nodes if name in left]
        firing = next((n for n in names if type(nodes[n]).__name__ in FIRING), names[0])
        raise NotExpressible(
            firing, type(nodes[firing]).__name__,
            f"it is recurrent, through {', '.join(names)}",
            "neurons whose spikes come back to them through one Linear or Affine node",
        )
