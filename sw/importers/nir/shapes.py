"""The shapes of Input and Output nodes, some of which have axes of batch and steps in front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np

from ...support.immutable import SIZE_HIGH
from ...support.values import exact_integers
from ..asking import Missing
from ..operations import Operation, Reshape, Shape
from ..settings import Settings
from .files import Node, checked_node
from .units import Unit

__all__ = ["check_output", "input_asks", "input_shape", "within_sample"]


def input_asks(first: tuple[str, Node], settings: Settings) -> dict[str, str]:
    """Return what must be given for an Input without a shape, by the name of the option."""
    name, node = first
    if settings.input is not None or node.get("shape") is not None:
        return {}
    return {
        "input": f"input must be given: {name} (Input) has no shape; stablespike.SpikeInput((...)) "
        "or a PixelInput or FrameInput"
    }


def input_shape(
    first: tuple[str, Node], behind: Sequence[tuple[str, Node] | Unit], settings: Settings
) -> tuple[Shape, Shape | None]:
    """Return the shape of one step of one sample, and the axes in front of it in the file.

    The weights behind the Input say how many values they take.

    Parameters
    ----------
    first : (str, Node)
        Name and node of the Input.
    behind : sequence
        The chain behind it.
    settings : Settings
        The importer's options.

    Returns
    -------
    shape, lead : tuple of int
        ``lead`` is None where the caller's shape has nothing to do with the node's.

    Raises
    ------
    Missing
        If there is no shape.
    TypeError, ValueError
        If it is none of a sample.
    """
    name, full = first[0], _shape(*first)
    if settings.input is not None:
        return settings.input.shape, _lead(full or (), settings.input.size)
    if full is None:
        raise Missing(input_asks(first, settings))
    if not full or min(full) < 1:
        raise ValueError(f"{name} (Input) has the shape {full}: give input=")
    axes = _axes(full, behind)
    return full[len(full) - axes :], full[: len(full) - axes]


def _shape(name: str, node: Node) -> Shape | None:
    """Return the shape of an Input or Output, None if it has none."""
    values = checked_node(name, node).get("shape")
    if values is None:
        return None
    sizes = exact_integers(f"{name} ({node.kind}) shape", values, -SIZE_HIGH, SIZE_HIGH)
    return tuple(sizes.reshape(-1).tolist())


def _axes(shape: Shape, behind: Sequence[tuple[str, Node] | Unit]) -> int:
    """Return how many of the last axes are those of a sample, as the weights behind have it."""
    flattened = False
    for entry in behind:
        if isinstance(entry, Unit):
            break
        _, node = entry
        flattened = flattened or node.kind == "Flatten"
        weight = np.shape(node.get("weight"))
        if node.kind in ("Affine", "Linear") and len(weight) == 2:
            fitting = [n for n in range(1, len(shape) + 1) if prod(shape[-n:]) == weight[1]]
            if fitting:
                # Three axes are a map, if it is flattened or must be.
                a_map = 3 in fitting and (flattened or fitting[0] > 1)
                return 3 if a_map else fitting[0]
            break
        if node.kind in ("Conv2d", "SumPool2d", "AvgPool2d"):
            return min(len(shape), 3)
        if node.kind == "Conv1d":
            return min(len(shape), 2)
    # A leading 1 is the batch that some exporters leave in; with three axes it is a channel.
    axes = len(shape)
    while axes > 1 and axes != 3 and shape[-axes] == 1:
        axes -= 1
    return axes


def within_sample(ops: Sequence[Operation], lead: Shape | None) -> list[Operation]:
    """Return operations of which those that flatten axes count them from the sample's first, and
    not from those in front of the input."""
    axes = len(lead or ())
    return [
        replace(
            op, start=max(op.start - axes, 0),
            end=op.end if op.end < 0 else max(op.end - axes, 0),
        ) if axes and isinstance(op, Reshape) and op.start >= 0 else op
        for op in ops
    ]


def _lead(shape: Shape, size: int) -> Shape | None:
    """Return the axes in front of those that hold ``size`` values, or None."""
    for axes in range(1, len(shape) + 1):
        if prod(shape[-axes:]) == size:
            return shape[: len(shape) - axes]
    return None


def check_output(last: tuple[str, Node], neurons: int, lead: Shape | None) -> None:
    """Refuse an Output of another size than the last layer, but for axes that Input has too.

    Parameters
    ----------
    last : (str, Node)
        Name and node of the Output.
    neurons : int
        Neurons of the last layer.
    lead : tuple of int or None
        The axes of batch and steps of the Input; None if they are not known.

    Raises
    ------
    ValueError
        If they differ.
    """
    name, shape = last[0], _shape(*last)
    if shape is None:
        return
    found = _lead(shape, neurons)
    # Axes of 1 may be counted to either part.
    several = None if found is None else [size for size in found if size != 1]
    known = lead is None or several in ([], [size for size in lead if size != 1])
    if several is None or not known:
        raise ValueError(f"{name} (Output) has the shape {shape}, but {neurons} neurons feed it")
