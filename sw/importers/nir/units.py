"""Groups the nodes of a chain that make up one layer of neurons.

NIR can say a neuron in parts: an LI or I in front of neurons is their synaptic current, and an LI,
I or CubaLI in front of a Threshold is a neuron that never resets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from ...support.errors import NotExpressible
from ..semantics import Floats, checked_threshold, finite
from .files import Node, checked_node
from .graph import FIRING

__all__ = ["MEMBRANES", "Unit", "grouped"]

MEMBRANES = (*FIRING, "LI", "I", "CubaLI")
_INTEGRATORS = ("LI", "I")
_PARAMETERS = (
    "r", "tau", "tau_mem", "tau_syn", "v_leak", "v_reset", "v_threshold", "w_in",
)
_WHERE = "a Threshold behind an LI, I or CubaLI, which together are neurons that never reset"


@dataclass(frozen=True, eq=False)
class Unit:
    """The nodes of one layer of neurons.

    Attributes
    ----------
    name : str
        Name of the node with the membrane.
    node : Node
        That node.
    synapse : (str, Node) or None
        Name and node of an LI or I in front of it, the synaptic current.
    threshold : float64 array or None
        Thresholds of a Threshold behind it; None without one.
    """

    name: str
    node: Node
    synapse: tuple[str, Node] | None = None
    threshold: Floats | None = None

    @property
    def kind(self) -> str:
        """Its types, for messages."""
        kinds = [self.node.kind]
        if self.synapse is not None:
            kinds.insert(0, self.synapse[1].kind)
        return " + ".join([*kinds, *(() if self.threshold is None else ("Threshold",))])

    @property
    def size(self) -> int | None:
        """The number of neurons for which there are parameters; None if all are single values.

        Raises
        ------
        ValueError
            If there are parameters of different sizes.
        """
        nodes = [self.node, *(() if self.synapse is None else self.synapse[1:])]
        sizes = [
            (each, prod(np.shape(node.get(each))))
            for node in nodes for each in _PARAMETERS if node.get(each) is not None
        ]
        if self.threshold is not None:
            sizes.append(("threshold", self.threshold.size))
        several = [(each, size) for each, size in sizes if size > 1]
        if len({size for _, size in several}) > 1:
            counts = ", ".join(f"{size} of {each}" for each, size in several)
            raise ValueError(
                f"{self.name} ({self.kind}): its parameters are of different sizes: {counts}"
            )
        return several[0][1] if several else None

    @property
    def fires(self) -> bool:
        """Whether these neurons spike."""
        return self.threshold is not None or self.node.kind in FIRING


def grouped(chain: Sequence[tuple[str, Node]]) -> list[tuple[str, Node] | Unit]:
    """Return a chain with every layer of neurons in one entry.

    Raises
    ------
    FileError
        If a node of neurons lacks a parameter.
    NotExpressible
        If there are more than two states in a row, or a Threshold elsewhere.
    ValueError
        If a parameter is wrong.
    """
    entries: list[tuple[str, Node] | Unit] = []
    at = 0
    while at < len(chain):
        name, node = chain[at]
        if node.kind == "Threshold":
            before = "nothing" if not at else f"{chain[at - 1][0]} ({chain[at - 1][1].kind})"
            raise NotExpressible(name, "Threshold", f"it follows {before}", _WHERE)
        if node.kind not in MEMBRANES:
            entries.append((name, node))
            at += 1
            continue
        synapse, after = None, _behind_scales(chain, at)
        if node.kind in _INTEGRATORS and _kind(chain, after) in MEMBRANES:
            # A scaling is linear, so it may as well come before the current.
            entries += chain[at + 1 : after]
            synapse, at = (name, checked_node(name, node)), after
            after = _behind_scales(chain, at)
        unit = Unit(chain[at][0], checked_node(*chain[at]), synapse)
        _check_states(unit, chain, after)
        if unit.node.kind not in FIRING and _kind(chain, after) == "Threshold":
            threshold = _threshold(chain[at + 1 : after], *chain[after])
            unit, at = Unit(unit.name, unit.node, synapse, threshold), after
        _ = unit.size  # refuses parameters of different sizes
        entries.append(unit)
        at += 1
    return entries


def _kind(chain: Sequence[tuple[str, Node]], at: int) -> str:
    return chain[at][1].kind if at < len(chain) else ""


def _behind_scales(chain: Sequence[tuple[str, Node]], at: int) -> int:
    """Return the place of the next node that is no Scale."""
    at += 1
    while _kind(chain, at) == "Scale":
        at += 1
    return at


def _check_states(unit: Unit, chain: Sequence[tuple[str, Node]], after: int) -> None:
    """Refuse more states than a membrane and a synaptic current."""
    if unit.synapse is not None and unit.node.kind.startswith("Cuba"):
        states = f"{unit.synapse[0]} ({unit.synapse[1].kind}) is in front of its own current"
    elif unit.node.kind not in FIRING and _kind(chain, after) in MEMBRANES:
        states = f"its membrane goes on to {chain[after][0]} ({chain[after][1].kind})"
    else:
        return
    raise NotExpressible(
        unit.name, unit.kind, states,
        "neurons with a membrane and one synaptic current, such as LI in front of LIF",
    )


def _threshold(
    scales: Sequence[tuple[str, Node]], name: str, node: Node
) -> Floats:
    """Return the thresholds of a Threshold for the membrane in front of some scales."""
    values = finite(name, "Threshold", "threshold", checked_node(name, node).get("threshold"))
    for each, scale in reversed(scales):
        factor = finite(each, "Scale", "scale", checked_node(each, scale).get("scale"))
        if factor.size and factor.min() <= 0:
            raise NotExpressible(
                each, "Scale", f"it scales a membrane by {factor.min():.6g} in front of {name} "
                "(Threshold)", "a positive scale",
            )
        values = values / factor
    return checked_threshold(name, "Threshold", np.asarray(values))
