"""The operations of a model, in the order in which data passes them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from .semantics import Cell, Floats

__all__ = ["Affine", "Conv", "Neurons", "Operation", "Pool", "Reshape", "Scaling", "Shape", "Votes"]

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation.

    Attributes
    ----------
    name : str
        Name in the model.
    kind : str
        Type in the model's framework.
    """

    name: str
    kind: str


@dataclass(frozen=True, eq=False)
class Affine(Operation):
    """``weight @ x + bias`` of a flat input.

    Attributes
    ----------
    weight : (out, in) float64
        Weights.
    bias : (out,) float64
        Biases.
    """

    weight: Floats
    bias: Floats


@dataclass(frozen=True, eq=False)
class Scaling(Operation):
    """``x * factor + offset``, element by element in C order.

    Attributes
    ----------
    factor : () or (elements,) or (channels,) float64
        Factors.
    offset : () or (elements,) or (channels,) float64
        Offsets.
    """

    factor: Floats
    offset: Floats


@dataclass(frozen=True, eq=False)
class Conv(Operation):
    """A convolution as ``torch.nn.Conv2d``.

    Attributes
    ----------
    weight : (out, in, kh, kw) float64
        Weights.
    bias : (out,) float64
        Biases.
    stride : (int, int)
        Vertical and horizontal stride.
    padding : (int, int) or str
        Vertical and horizontal padding, or one of torch's names for it.
    dilation : (int, int)
        Vertical and horizontal dilation.
    groups : int
        Groups of channels.
    """

    weight: Floats
    bias: Floats
    stride: Shape
    padding: Shape | str
    dilation: Shape
    groups: int


@dataclass(frozen=True, eq=False)
class Pool(Operation):
    """Pooling of a (channels, height, width) map.

    Attributes
    ----------
    mode : {"sum", "average", "max"}
        The value that is computed from a cell.
    size : (int, int)
        Height and width of a cell.
    stride : (int, int)
        Vertical and horizontal distance between cells.
    padding : (int, int)
        Vertical and horizontal padding.
    """

    mode: str
    size: Shape
    stride: Shape
    padding: Shape


@dataclass(frozen=True, eq=False)
class Votes(Operation):
    """The mean of every ``size`` values in a row, along the last axis. What is left over is
    dropped.

    Attributes
    ----------
    size : int
        Values of a mean.
    """

    size: int


@dataclass(frozen=True, eq=False)
class Reshape(Operation):
    """Several axes of a sample flattened into one.

    Attributes
    ----------
    start : int
        First of the axes; the batch is not one of them.
    end : int
        Last of the axes, inclusive.
    """

    start: int = 0
    end: int = -1

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape after it.

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
    """A layer of neurons.

    Attributes
    ----------
    cell : Cell
        Their rule.
    size : int or None
        Their number; None for the number of outputs of the weights in front.
    """

    cell: Cell
    size: int | None = None
