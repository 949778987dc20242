"""NIR graphs as chains of nodes: unfolds nested graphs, refuses branches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ...support.errors import NotExpressible
from .files import Graph, Node

__all__ = ["FIRING", "INTEGRATORS", "chained"]

FIRING = ("IF", "LIF", "CubaLIF")
INTEGRATORS = ("LI", "I")


def chained(graph: Graph) -> tuple[list[tuple[str, Node]], dict[str, Node]]:
    """Return the nodes of a graph in order, and the recurrent weights.

    Returns
    -------
    chain : list of (str, Node)
        Names and nodes from the input to the output.
    back : dict of str to Node
        By the names of neurons, or of the synaptic current in front of them, the node of the
        weights through which their spikes come back there.

    Raises
    ------
    NotExpressible
        If the nodes are not one chain: with branches, other cycles, several inputs or outputs.
    ValueError
        If an edge names a node that does not exist, or two nodes have one name.
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
    nodes: Mapping[str, Node], edges: Sequence[tuple[str, str]]
) -> dict[str, tuple[str, Node]]:
    """Return the name and the node of weights from neurons to themselves, by the name of the node
    that they lead to: the neurons, or the synaptic current in front of them."""
    back: dict[str, tuple[str, Node]] = {}
    for name, node in nodes.items():
        into = {a for a, b in edges if b == name}
        out = {b for a, b in edges if a == name}
        if node.kind not in ("Linear", "Affine") or len(into) != 1 or len(out) != 1:
            continue
        (neurons,), (to,) = into, out
        current = nodes[to].kind in INTEGRATORS and {b for a, b in edges if a == to} == into
        if nodes[neurons].kind in FIRING and (to == neurons or current) and to not in back:
            back[to] = name, node
    return back


def _flat(graph: Graph, prefix: str = "") -> tuple[dict[str, Node], list[tuple[str, str]]]:
    """Return nodes and edges with nested graphs unfolded; their nodes are ``outer.inner``."""
    nodes: dict[str, Node] = {}
    edges: list[tuple[str, str]] = []
    entries: dict[str, str] = {}
    exits: dict[str, str] = {}
    for key, node in graph.nodes.items():
        name = prefix + key
        if not isinstance(node, Graph):
            _check_new([name], nodes)
            nodes[name] = node
            continue
        inner, inner_edges = _flat(node, f"{name}.")
        _check_new(inner, nodes)
        kinds = {f"{name}.{key}": each.kind for key, each in node.nodes.items()}
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
        a, b = (prefix + each for each in pair)
        edges.append((exits.get(a, a), entries.get(b, b)))
    return nodes, edges


def _check_new(names: Iterable[str], nodes: Mapping[str, Node]) -> None:
    twice = [name for name in names if name in nodes]
    if twice:
        raise ValueError(f"two nodes have the name {twice[0]!r}, one of them in a nested graph")


def _chain(
    nodes: Mapping[str, Node], edges: Sequence[tuple[str, str]]
) -> list[tuple[str, Node]]:
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
        if len(names) != 1 or nodes[names[0]].kind != kind:
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
                    name, nodes[name].kind,
                    f"the graph branches: it {what} {', '.join(others)}", "one chain of nodes",
                )
        if not ahead[name]:
            return [(each, nodes[each]) for each in order]
        order.append(ahead[name][0])


def _check_acyclic(
    nodes: Mapping[str, Node], ahead: Mapping[str, list[str]], behind: Mapping[str, list[str]]
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
        firing = next((n for n in names if nodes[n].kind in FIRING), names[0])
        raise NotExpressible(
            firing, nodes[firing].kind,
            f"it is recurrent, through {', '.join(names)}",
            "neurons whose spikes come back through one Linear or Affine node, to them or to the "
            "synaptic current right in front of them",
        )
