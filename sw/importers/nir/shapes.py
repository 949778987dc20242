"""The shapes of Input and Output nodes, some of which have axes of batch and steps in front."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ..operations import Shape
from ..settings import Settings
from .files import Node
from .units import Unit

__all__ = ["check_output", "input_shape"]


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
    ValueError
        If there is no shape, or none of a sample.
    """
    name, node = first
    values = node.get("shape")
    full = () if values is None else tuple(int(size) for size in np.ravel(values))
    if settings.input is not None:
        return settings.input.shape, _lead(full, settings.input.size)
    if values is None:
        raise ValueError(
            f"{name} (Input) has no shape: give input=stablespike.SpikeInput((...)) or a PixelInput"
        )
    if not full or min(full) < 1:
        raise ValueError(f"{name} (Input) has the shape {full}: give input=")
    axes = _axes(full, behind)
    return full[len(full) - axes :], full[: len(full) - axes]


def _axes(shape: Shape, behind: Sequence[tuple[str, Node] | Unit]) -> int:
    """Return how many of the last axes are those of a sample, as the weights behind have it."""
    for entry in behind:
        if isinstance(entry, Unit):
            break
        _, node = entry
        weight = np.shape(node.get("weight"))
        if node.kind in ("Affine", "Linear") and len(weight) == 2:
            fitting = [n for n in range(1, len(shape) + 1) if prod(shape[-n:]) == weight[1]]
            if fitting:
                return 3 if 3 in fitting else fitting[0]  # three axes are a map
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
    name, node = last
    values = node.get("shape")
    if values is None:
        return
    shape = tuple(int(size) for size in np.ravel(values))
    found = _lead(shape, neurons)
    # Axes of 1 may be counted to either part.
    several = None if found is None else [size for size in found if size != 1]
    known = lead is None or several in ([], [size for size in lead if size != 1])
    if several is None or not known:
        raise ValueError(f"{name} (Output) has the shape {shape}, but {neurons} neurons feed it")
