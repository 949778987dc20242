"""The cells of a pool: which inputs each of them covers."""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm

import numpy as np
import numpy.typing as npt

from ..operations import AdaptivePool, Pool
from ..semantics import Floats

__all__ = ["Cells", "cells", "square_cells"]

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of a pool along one axis.

    Attributes
    ----------
    inputs : int
        Size of the axis.
    start : (cells,) int64
        First input of each cell; negative in the padding.
    stop : (cells,) int64
        One more than its last input, which may be in the padding too.
    count : (cells,) int64
        What an average divides by; 1 for everything else.
    """

    inputs: int
    start: Integers
    stop: Integers
    count: Integers

    @property
    def divisor(self) -> int:
        """The least common multiple of the counts."""
        return lcm(*(int(each) for each in self.count))

    @property
    def box(self) -> tuple[int, int, tuple[int, int]] | None:
        """Size, stride, and padding before and behind of cells that are all the same, or None."""
        sizes, steps = self.stop - self.start, np.diff(self.start)
        if np.ptp(sizes) or np.ptp(self.count) or (len(steps) and np.ptp(steps)):
            return None
        size, before = int(sizes[0]), -int(self.start[0])
        # A single cell may have any stride that leaves no room for a second one.
        step = int(steps[0]) if len(steps) else max(size, self.inputs + before - size + 1)
        if step < 1:
            return None
        return size, step, (before, max(0, int(self.stop[-1]) - self.inputs))

    @property
    def matrix(self) -> Floats:
        """(cells, inputs) integers: what each input counts, times ``divisor``."""
        at = np.arange(self.inputs)
        inside = (self.start[:, None] <= at) & (at < self.stop[:, None])
        result: Floats = (inside * (self.divisor // self.count)[:, None]).astype(np.float64)
        return result


def cells(op: Pool | AdaptivePool, axis: int, inputs: int) -> Cells:
    """Return the cells of a pool along one axis.

    Parameters
    ----------
    op : Pool or AdaptivePool
        The pool.
    axis : int
        The axis, from 0.
    inputs : int
        Its size.

    Raises
    ------
    ValueError
        If not even one cell fits.
    """
    if isinstance(op, AdaptivePool):
        # The same rule as in torch: cells may overlap by one input.
        outputs = op.output[axis] or inputs
        at = np.arange(outputs)
        start, stop = at * inputs // outputs, -(-(at + 1) * inputs // outputs)
        counted = stop - start if op.mode == "average" else np.ones_like(start)
        return Cells(inputs, start, stop, counted)
    size, stride, padding = op.size[axis], op.stride[axis], op.padding[axis]
    room = inputs + 2 * padding - size
    number = (-(-room // stride) if op.ceil else room // stride) + 1
    if op.ceil and (number - 1) * stride >= inputs + padding:
        number -= 1  # the last cell must not begin in the padding behind
    if number < 1:
        raise ValueError(
            f"{op.name} ({op.kind}): needs a map of at least its size {op.size}, but its input "
            f"has {inputs + 2 * padding} with the padding along axis {axis}"
        )
    start = np.arange(number) * stride - padding
    stop = start + size
    if op.mode != "average" or op.divisor is not None:
        return Cells(inputs, start, stop, np.ones_like(start))
    stop = np.minimum(stop, inputs + padding)
    if op.include_padding:
        return Cells(inputs, start, stop, stop - start)
    return Cells(inputs, start, stop, np.minimum(stop, inputs) - np.maximum(start, 0))


def square_cells(down: Cells, across: Cells) -> int | None:
    """Return the side of cells that are square and adjacent and drop odd edges; None for others."""
    if down.box is None or down.box != across.box:
        return None
    size, stride, sides = down.box
    if stride != size or any(sides):
        return None
    kept = all(len(axis.start) == axis.inputs // size for axis in (down, across))
    return size if kept else None
