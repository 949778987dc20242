"""The operations of a model, in the order the data passes them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from .semantics import Cell, Floats

__all__ = ["Affine", "Conv", "Neurons", "Operation", "Pool", "Reshape", "Scaling", "Shape"]

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Operation:
    """One node of a model: its name there, and its type there."""

    name: str
    kind: str


@dataclass(frozen=True, eq=False)
class Affine(Operation):
    """(out, in) weights and (out,) biases on a flat input."""

    weight: Floats
    bias: Floats


@dataclass(frozen=True, eq=False)
class Scaling(Operation):
    """``x * factor + offset``, each () or one per element, in C order."""

    factor: Floats
    offset: Floats


@dataclass(frozen=True, eq=False)
class Conv(Operation):
    """(out, in, kh, kw) weights and (out,) biases."""

    weight: Floats
    bias: Floats
    stride: Shape
    padding: Shape | str
    dilation: Shape
    groups: int


@dataclass(frozen=True, eq=False)
class Pool(Operation):
    """Pooling of a (channels, height, width) map; ``mode`` is "sum", "average" or "max"."""

    mode: str
    size: Shape
    stride: Shape
    padding: Shape


@dataclass(frozen=True, eq=False)
class Reshape(Operation):
    """Axes ``start`` to ``end`` (of one sample, both inclusive) as one."""

    start: int = 0
    end: int = -1

    def output_shape(self, shape: Shape) -> Shape:
        """Shape after it.

        Raises
        ------
        ValueError
            If there are no such axes.
        """
        axes = len(shape)
        start, end = (each + axes if each < 0 else each for each in (self.start, self.end))
        if not 0 <= start <= end < axes:
            raise ValueError(
                f"{self.name} ({self.kind}): {shape} has no axes {self.start} to {self.end}"
            )
        return (*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :])


@dataclass(frozen=True, eq=False)
class Neurons(Operation):
    """A layer of neurons; ``size`` of them, or as many as there are weights for."""

    cell: Cell
    size: int | None = None
