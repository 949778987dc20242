"""Parameters of nodes that are sizes: windows, strides, padding, numbers of axes."""

from __future__ import annotations

import numpy as np

from ..operations import Shape
from .files import Node, checked_node

__all__ = ["pool_sizes", "sizes"]


_HIGH = 1024  # no map is so large; beyond it, only memory would run out


def sizes(
    name: str, node: Node, parameter: str, axes: int, low: int = 1, high: int = _HIGH
) -> Shape:
    """Return an integer for each axis, of one for all or one for each.

    Raises
    ------
    ValueError
        If they are none, or not from ``low`` to ``high``.
    """
    value = node.values[parameter]
    array = np.asarray(value).reshape(-1)
    whole = array.size in (1, axes) and array.dtype.kind in "iu"
    if not whole or array.min() < low or array.max() > high:
        numbers = "one integer" if axes == 1 else "one or two integers"
        raise ValueError(
            f"{name} ({node.kind}): {parameter} must be {numbers} from {low} to {high}, not "
            f"{value!r}"
        )
    return tuple(int(each) for each in np.broadcast_to(array, (axes,)))


def pool_sizes(name: str, node: Node) -> tuple[Shape, Shape, Shape]:
    """Return window, stride and padding of a pool.

    Raises
    ------
    FileError, NotExpressible, ValueError
        If a parameter is missing, unknown or wrong.
    """
    node = checked_node(name, node)
    window, stride = (sizes(name, node, each, 2) for each in ("kernel_size", "stride"))
    return window, stride, sizes(name, node, "padding", 2, low=0)
