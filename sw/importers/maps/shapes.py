"""Shapes of maps, in a model and as (channels, height, width)."""

from __future__ import annotations

import numpy as np

from ..operations import AdaptivePool, Conv, Operation, Pad, Pool, Shape
from .kernels import Kernel
from .pooling import Cells, cells

__all__ = ["as_map", "convolved_shape", "in_axes", "map_cells"]


def as_map(op: Operation, shape: Shape, axes: int) -> Shape:
    """Return (channels, height, width) of the shape that an operation on those axes reads.

    Raises
    ------
    ValueError
        If it is no map with that many axes.
    """
    if len(shape) != axes + 1:
        wanted = "(channels, length)" if axes == 1 else "(channels, height, width)"
        raise ValueError(
            f"{op.name} ({op.kind}): {op.kind} needs a {wanted} map, not {shape}; Unflatten in "
            "front of it makes one"
        )
    return (shape[0], 1, shape[1]) if axes == 1 else shape


def in_axes(shape: Shape, axes: int) -> Shape:
    """Return the shape of a map in a model whose maps have that many axes."""
    return shape if axes == 2 else (shape[0], shape[2])


def map_cells(op: Pool | AdaptivePool, shape: Shape) -> tuple[Shape, Cells, Cells]:
    """Return the map that a pool reads, and its cells down and across.

    A map of one axis is one row, and so are flat values.

    Raises
    ------
    ValueError
        If it is no map, or too small.
    """
    axes = len(op.output if isinstance(op, AdaptivePool) else op.size)
    flat = axes == 1 and len(shape) == 1
    read = (1, 1, *shape) if flat else as_map(op, shape, axes)
    if axes == 1:
        one = np.ones(1, dtype=np.int64)
        return read, Cells(1, one - 1, one, one), cells(op, 0, read[2])
    return read, cells(op, 0, read[1]), cells(op, 1, read[2])


def convolved_shape(op: Conv | Pad, kernel: Kernel, shape: Shape) -> Shape:
    """Return the shape of the convolution of a map of that shape.

    Raises
    ------
    ValueError
        If the map has other channels, or is too small.
    """
    inputs = kernel.weight.shape[1]
    if inputs != shape[0]:
        raise ValueError(
            f"{op.name} ({op.kind}): weight must be (out, {shape[0]}, kh, kw) for an input of "
            f"{shape}, not of {inputs} channels"
        )
    result = kernel.output_shape(shape)
    if min(result) < 1:
        raise ValueError(
            f"{op.name} ({op.kind}): kernels of {kernel.size[0]} by {kernel.size[1]} need a map of "
            f"at least their size: an input of {shape} has padding of {kernel.sides}"
        )
    return result
