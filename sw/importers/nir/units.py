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
from .graph import FIRING, INTEGRATORS

__all__ = ["Unit", "grouped", "unbatched"]

_MEMBRANES = (*FIRING, *INTEGRATORS, "CubaLI")
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
    def nodes(self) -> list[tuple[str, Node]]:
        """Names and nodes of its states: the synaptic current, if it has one of its own, and the
        membrane."""
        own = (self.name, self.node)
        return [own] if self.synapse is None else [self.synapse, own]

    @property
    def kind(self) -> str:
        """Its types, for messages."""
        kinds = [node.kind for _, node in self.nodes]
        return " + ".join([*kinds, *(() if self.threshold is None else ("Threshold",))])

    @property
    def size(self) -> int | None:
        """The number of neurons for which there are parameters; None if all are single values.

        Raises
        ------
        ValueError
            If there are parameters of different shapes, or an empty one.
        """
        shapes = [
            (each, _unbatched(np.shape(node.get(each))))
            for _, node in self.nodes for each in _PARAMETERS if node.get(each) is not None
        ]
        if self.threshold is not None:
            shapes.append(("threshold", _unbatched(self.threshold.shape)))
        empty = [each for each, shape in shapes if not prod(shape)]
        if empty:
            raise ValueError(f"{self.name} ({self.kind}): {empty[0]} is empty")
        several = [(each, shape) for each, shape in shapes if prod(shape) > 1]
        if len({shape for _, shape in several}) > 1:
            found = ", ".join(f"{shape} of {each}" for each, shape in several)
            raise ValueError(
                f"{self.name} ({self.kind}): its parameters are of different shapes: {found}"
            )
        return prod(several[0][1]) if several else None

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
        if node.kind not in _MEMBRANES:
            entries.append((name, node))
            at += 1
            continue
        synapse, after = None, _behind_scales(chain, at)
        if node.kind in INTEGRATORS and _kind(chain, after) in _MEMBRANES:
            # A scaling is linear, so it may as well come before the current.
            entries += chain[at + 1 : after]
            synapse, at = (name, checked_node(name, node)), after
            after = _behind_scales(chain, at)
        unit = Unit(chain[at][0], checked_node(*chain[at]), synapse)
        _check_states(unit, chain, after)
        if unit.node.kind not in FIRING and _kind(chain, after) == "Threshold":
            threshold = _threshold(chain[at + 1 : after], *chain[after])
            unit, at = Unit(unit.name, unit.node, synapse, threshold), after
        _ = unit.size  # refuses parameters of different shapes
        entries.append(unit)
        at += 1
    return entries


def unbatched(values: Floats) -> Floats:
    """Return parameters without leading axes of 1, which some writers leave for the batch."""
    return values.reshape(_unbatched(values.shape))


def _unbatched(shape: tuple[int, ...]) -> tuple[int, ...]:
    while len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    return shape


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
    elif unit.node.kind not in FIRING and _kind(chain, after) in _MEMBRANES:
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
