"""Convolutional layers, with sum pooling in front and max pooling behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..spec.task import KERNEL_HIGH
from ..support.immutable import SIZE_HIGH, Shape, put
from ..support.values import exact_int
from .geometry import Axis
from .neurons import Neuron
from .pooling import MaxPool2d, SumPool2d
from .weights import Positions, Transform, Weighted, identity, split_signs

__all__ = ["Conv2d"]

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Conv2d(Weighted):
    """A convolution of a (channels, height, width) map, followed by neurons.

    It is a cross-correlation, like ``torch.nn.Conv2d``. The order is: ``pool_before``, padding with
    zeros, weights, neurons, ``pool_after``.

    Parameters
    ----------
    weight : (out, in, kh, kw) array_like of int
        Signed weights of ``weight_bits`` bits; a kernel has 1 to 7 rows and 1 to 7 columns.
    bias : (out,) array_like of int, optional
        Constant current of the neurons of each output channel, in units of ``2**-fraction_bits``
        weight steps. Zeros by default.
    stride : int or (int, int)
        Distance between two positions of the kernel, or a pair (vertical, horizontal).
    padding : int or (int, int)
        Zeros on each side of the map, or a pair (vertical, horizontal); fewer than the kernel has
        rows (columns).
    pool_before : SumPool2d, optional
        Sum pooling of the input map.
    neuron : Neuron
        The neurons of the layer. A threshold per output channel must be (out,).
    pool_after : MaxPool2d, optional
        Max pooling of the spikes.
    emit : {"spikes", "skeleton", "both"}
        What the next layer receives and the readout counts, in either case after pooling. The
        skeleton is the AND of the spikes of two consecutive steps.
    weight_bits : {4, 8}, optional
        Width of a weight. The network's ``weight_bits`` by default.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, the value and what is allowed.
    """

    weight: Integers
    bias: Integers
    neuron: Neuron
    stride: tuple[int, int]
    padding: tuple[int, int]
    pool_before: SumPool2d | None
    pool_after: MaxPool2d | None
    emit: str
    weight_bits: int | None
    kind: ClassVar[str] = "conv2d"
    recurrent: ClassVar[None] = None

    def __init__(
        self,
        weight: npt.ArrayLike,
        bias: npt.ArrayLike | None = None,
        *,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        pool_before: SumPool2d | None = None,
        neuron: Neuron,
        pool_after: MaxPool2d | None = None,
        emit: str = "spikes",
        weight_bits: int | None = None,
    ) -> None:
        self._put_weights(("out", "in", "kh", "kw"), weight, bias, weight_bits)
        self._put_neurons(neuron, pool_before, emit)
        if max(self.kernel) > KERNEL_HIGH:
            raise ValueError(
                f"weight must have kernels of 1 to {KERNEL_HIGH} by 1 to {KERNEL_HIGH}, not of "
                f"{self.kernel[0]} by {self.kernel[1]}"
            )
        if pool_after is not None and not isinstance(pool_after, MaxPool2d):
            raise TypeError(f"pool_after must be a MaxPool2d or None, not {pool_after!r}")
        put(
            self,
            stride=_pair("stride", stride, 1, (SIZE_HIGH, SIZE_HIGH)),
            padding=_pair("padding", padding, 0, (self.kernel[0] - 1, self.kernel[1] - 1)),
            pool_after=pool_after,
        )
        if self.weight_bits is not None:
            self.check_weights("", self.weight_bits)

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width of a kernel."""
        return int(self.weight.shape[2]), int(self.weight.shape[3])

    @property
    def inputs(self) -> int:
        """Number of input channels."""
        return int(self.weight.shape[1])

    def axes(self, shape: Shape) -> tuple[Axis, Axis]:
        """Return the vertical and the horizontal axis of the kernel on an input of that shape.

        Parameters
        ----------
        shape : tuple of int
            (channels, height, width) of the input, before pooling.

        Raises
        ------
        ValueError
            If an input of that shape does not fit the weights.
        """
        pooled = shape if self.pool_before is None else self.pool_before.output_shape(shape)
        if len(pooled) != 3:
            raise ValueError(f"Conv2d needs a (channels, height, width) map, not {shape}")
        after = "" if self.pool_before is None else f" (after {self.pool_before})"
        if pooled[0] != self.inputs:
            raise ValueError(
                f"weight must be (out, {pooled[0]}, kh, kw) for an input of {shape}{after}, "
                f"not {self.weight.shape}"
            )
        wide = tuple(size + 2 * pad for size, pad in zip(pooled[1:], self.padding, strict=True))
        if wide[0] < self.kernel[0] or wide[1] < self.kernel[1]:
            raise ValueError(
                f"kernels of {self.kernel[0]} by {self.kernel[1]} need a map of at least their "
                f"size: an input of {shape}{after} is {wide[0]} by {wide[1]} with its padding"
            )
        square = 1 if self.pool_before is None else self.pool_before.size
        down, across = (
            Axis(shape[1 + i], self.kernel[i], self.stride[i], self.padding[i], square)
            for i in range(2)
        )
        return down, across

    def neuron_shape(self, shape: Shape) -> Shape:
        """Return (out, rows, columns) of the layer's neurons, before ``pool_after``.

        Traces have this shape.

        Parameters
        ----------
        shape : tuple of int
            (channels, height, width) of the input, before ``pool_before``.
        """
        down, across = self.axes(shape)
        return self.channels, down.positions, across.positions

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of what the layer emits.

        Parameters
        ----------
        shape : tuple of int
            Shape of the input, before pooling.
        """
        neurons = self.neuron_shape(shape)
        return neurons if self.pool_after is None else self.pool_after.output_shape(neurons)

    def fan_out(self, shape: Shape, positions: Positions | None = None) -> Integers:
        """Return (inputs,) the number of positions with each input in their receptive field.

        Parameters
        ----------
        shape : tuple of int
            (channels, height, width) of the input, before pooling; inputs are in C order.
        positions : (rows, columns) bool, optional
            The positions that count; all of them by default.
        """
        down, across = (axis.receptive_fields().astype(np.int64) for axis in self.axes(shape))
        count: Integers = np.outer(down.sum(axis=0), across.sum(axis=0))
        if positions is not None:
            count = down.T @ positions @ across
        return np.tile(count.reshape(-1), shape[0])

    def sum_bounds(
        self, shape: Shape, transform: Transform = identity
    ) -> tuple[Integers, Integers]:
        """Return the range of every neuron's sum of weights, for inputs from 0 to 1.

        Neurons at the border differ from the others, since part of their kernel is in the padding.

        Parameters
        ----------
        shape : tuple of int
            (channels, height, width) of the input, before pooling.
        transform : callable
            Applied to the weights first.

        Returns
        -------
        low, high : (neurons,) int64
            The sums of the negative and of the positive weights that are on the map.
        """
        down, across = self.axes(shape)
        (top, bottom), (left, right) = down.inside(), across.inside()

        def sums(weight: Integers) -> Integers:
            # With a summed-area table of the kernel, the sum of any rectangle takes four look-ups.
            corner = np.pad(
                weight.sum(axis=1).cumsum(axis=1).cumsum(axis=2), ((0, 0), (1, 0), (1, 0))
            )
            lower, upper = corner[:, bottom], corner[:, top]
            total = lower[..., right] - lower[..., left] - upper[..., right] + upper[..., left]
            result: Integers = total.reshape(-1) * down.pool**2
            return result

        low, high = (sums(each) for each in split_signs(transform(self.weight)))
        return low, high

    def describe(self) -> str:
        """Return kind and size, for messages."""
        rows, columns = self.kernel
        return f"Conv2d {self.inputs} -> {self.channels}, {rows} x {columns}"


def _pair(name: str, value: Any, low: int, high: tuple[int, int]) -> tuple[int, int]:
    """Return one integer or two as a pair, each from ``low`` to ``high``."""
    if not isinstance(value, (tuple, list)):
        both = exact_int(name, value, low, min(high))
        return both, both
    if len(value) != 2:
        raise ValueError(
            f"{name} must be one integer or a pair (vertical, horizontal), not {value!r}"
        )
    down, across = (
        exact_int(f"{name}[{i}]", each, low, most)
        for i, (each, most) in enumerate(zip(value, high, strict=True))
    )
    return down, across
