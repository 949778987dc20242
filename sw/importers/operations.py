"""The operations of a model, in the order in which data passes them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from .semantics import Cell, Floats

__all__ = [
    "AdaptivePool", "Affine", "Conv", "Neurons", "Operation", "Pad", "Pool", "Reshape", "Scaling",
    "Shape", "Votes",
]

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
    step : () or (out,) float64, or None
        Size of the weight steps with which the model was trained: the weights are integers times
        it. None if there is no such step.
    """

    weight: Floats
    bias: Floats
    step: Floats | None = None


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
    """A convolution as ``torch.nn.Conv2d``, or as ``torch.nn.Conv1d`` on a (channels, length) map.

    Attributes
    ----------
    weight : (out, in, kh, kw) or (out, in, k) float64
        Weights.
    bias : (out,) float64
        Biases.
    stride : (int, int) or (int,)
        Vertical and horizontal stride; one number for a kernel of one axis, here and below.
    padding : (int, int), (int,) or str
        Vertical and horizontal padding, or one of torch's names for it.
    dilation : (int, int) or (int,)
        Vertical and horizontal dilation.
    groups : int
        Groups of channels.
    step : () or (out,) float64, or None
        As in ``Affine``.
    """

    weight: Floats
    bias: Floats
    stride: Shape
    padding: Shape | str
    dilation: Shape
    groups: int
    step: Floats | None = None


@dataclass(frozen=True, eq=False)
class Pad(Operation):
    """Zeros around a map.

    Attributes
    ----------
    sides : ((int, int), (int, int)) or ((int, int),)
        Zeros before and behind the map: vertically and horizontally, or along its only axis.
    """

    sides: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Pool(Operation):
    """Pooling of a (channels, height, width) or (channels, length) map.

    Attributes
    ----------
    mode : {"sum", "average", "max"}
        The value that is computed from a cell.
    size : (int, int) or (int,)
        Height and width of a cell; one number for a map of one axis, here and below.
    stride : (int, int) or (int,)
        Vertical and horizontal distance between cells.
    padding : (int, int) or (int,)
        Vertical and horizontal padding.
    ceil : bool
        Whether cells that reach beyond the map are kept.
    include_padding : bool
        Whether an average counts the padding.
    divisor : int or None
        What an average divides by; None for the number of elements of a cell.
    """

    mode: str
    size: Shape
    stride: Shape
    padding: Shape
    ceil: bool = False
    include_padding: bool = True
    divisor: int | None = None


@dataclass(frozen=True, eq=False)
class AdaptivePool(Operation):
    """Pooling of a map to a given size, as ``torch.nn.AdaptiveAvgPool2d``.

    Attributes
    ----------
    mode : {"average", "max"}
        As in ``Pool``.
    output : tuple of int or None
        Height and width of the result, or its length; None for that of the input.
    """

    mode: str
    output: tuple[int | None, ...]


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
    """Several adjacent axes of a sample in other sizes, in C order.

    By default all axes are flattened into one. ``Reshape(name, kind, sizes=(1, 8, 8))`` gives the
    whole sample a new shape.

    Attributes
    ----------
    start : int
        First of the axes; the batch is not one of them.
    end : int
        Last of the axes, inclusive.
    sizes : tuple of int
        The sizes that take the place of those axes. One of them may be -1, which stands for
        whatever is left.
    """

    start: int = 0
    end: int = -1
    sizes: Shape = (-1,)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape after it.

        Raises
        ------
        ValueError
            If there are no such axes, or the sizes do not hold as many elements.
        """
        axes = len(shape)
        start, end = (each + axes if each < 0 else each for each in (self.start, self.end))
        if not 0 <= start <= end < axes:
            raise ValueError(
                f"{self.name} ({self.kind}): {shape} has no axes {self.start} to {self.end}"
            )
        size = prod(shape[start : end + 1])
        known = prod(each for each in self.sizes if each != -1)
        free = self.sizes.count(-1)
        if free > 1 or known < 1 or size % known or (not free and size != known):
            raise ValueError(
                f"{self.name} ({self.kind}): {shape[start : end + 1]}, of {size} elements, cannot "
                f"be reshaped to {self.sizes}"
            )
        sizes = tuple(size // known if each == -1 else each for each in self.sizes)
        return (*shape[:start], *sizes, *shape[end + 1 :])


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
