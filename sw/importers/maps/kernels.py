"""Kernels of convolutions: their plain form, and two of them as one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..operations import Conv, Shape
from ..semantics import Floats

__all__ = ["Kernel", "box_kernel", "plain_kernel"]

Sides = tuple[tuple[int, int], ...]
"""Padding before and behind a map along each axis."""


@dataclass(frozen=True, eq=False)
class Kernel:
    """The kernels of a convolution without groups or dilation.

    Attributes
    ----------
    weight : (out, in, kh, kw) float64
        Weights.
    stride : (int, int)
        Vertical and horizontal stride.
    sides : ((int, int), (int, int))
        Zeros before and behind the map, vertically and horizontally.
    """

    weight: Floats
    stride: Shape
    sides: Sides

    @property
    def size(self) -> Shape:
        """Height and width of a kernel."""
        return self.weight.shape[2:]

    def output_shape(self, shape: Shape) -> Shape:
        """Return (out, rows, columns) for a map of that shape; less than 1 if it is too small."""
        rows, columns = (
            (size + sum(side) - kernel) // step + 1
            for size, side, kernel, step in zip(
                shape[1:], self.sides, self.size, self.stride, strict=True
            )
        )
        return len(self.weight), rows, columns

    def apply(self, maps: Floats) -> Floats:
        """Return (values, out, rows, columns) of (values, in, height, width) maps."""
        padded = np.pad(maps, ((0, 0), (0, 0), *self.sides))
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.size, axis=(2, 3))
        placed = windows[:, :, :: self.stride[0], :: self.stride[1]]
        result: Floats = np.moveaxis(
            np.tensordot(placed, self.weight, axes=((1, 4, 5), (1, 2, 3))), 3, 1
        )
        return result

    def silent_around(self, shape: Shape, sides: Sides) -> bool:
        """Whether it gives zeros, not counting biases, at the positions that ``sides`` add.

        That is so where those positions see nothing but padding.

        Parameters
        ----------
        shape : tuple of int
            Shape of its input.
        sides : ((int, int), (int, int))
            Positions before and behind its output.
        """
        outputs = self.output_shape(shape)
        return all(
            (not before or kernel <= step + own[0])
            and (not behind or count * step - own[0] >= size)
            for size, count, kernel, step, own, (before, behind) in zip(
                shape[1:], outputs[1:], self.size, self.stride, self.sides, sides, strict=True
            )
        )

    def then(self, second: Kernel) -> Kernel:
        """Return the kernel of this convolution and, on its output, a second one.

        Padding of the second is taken for more padding of this one, which is the same only if this
        one is ``silent_around`` its output.
        """
        step = self.stride
        size = [k + (n - 1) * s for k, n, s in zip(self.size, second.size, step, strict=True)]
        weight = np.zeros((len(second.weight), self.weight.shape[1], *size))
        for y, x in np.ndindex(*second.size):
            down, across = y * step[0], x * step[1]
            weight[:, :, down : down + self.size[0], across : across + self.size[1]] += (
                np.tensordot(second.weight[:, :, y, x], self.weight, axes=1)
            )
        sides = tuple(
            (own[0] + s * more[0], own[1] + s * more[1])
            for own, more, s in zip(self.sides, second.sides, step, strict=True)
        )
        return Kernel(weight, (step[0] * second.stride[0], step[1] * second.stride[1]), sides)

    def symmetric(self) -> tuple[Floats, Shape]:
        """Return (out, in, kh, kw) weights, and a padding that is the same on both sides.

        The padding is less than the kernel, as ``stablespike.Conv2d`` has it. Zeros around the
        weights make it so.
        """
        padding, zeros = [], []
        for size, (before, behind) in zip(self.size, self.sides, strict=True):
            pad = max(before, behind, before + behind - size + 1)
            padding.append(pad)
            zeros.append((pad - before, pad - behind))
        return np.pad(self.weight, ((0, 0), (0, 0), *zeros)), tuple(padding)


def plain_kernel(op: Conv) -> Kernel:
    """Return the kernels of a convolution, with zeros in place of its groups and its dilation.

    Raises
    ------
    ValueError
        If its weight is not that of a convolution.
    """
    weight, stride, dilation = op.weight, tuple(op.stride), tuple(op.dilation)
    padding = op.padding if isinstance(op.padding, str) else tuple(op.padding)
    axes = {weight.ndim - 2, len(stride), len(dilation)}
    if axes not in ({1}, {2}) or not weight.size:
        raise ValueError(
            f"{op.name} ({op.kind}): weight must be (out, in, kh, kw), or (out, in, k) for a map "
            f"of one axis, not {op.weight.shape}"
        )
    if axes == {1}:  # such a map is one row
        weight, stride, dilation = weight[:, :, None], (1, *stride), (1, *dilation)
        padding = padding if isinstance(padding, str) else (0, *padding)
    if op.groups < 1 or len(weight) % op.groups:
        raise ValueError(
            f"{op.name} ({op.kind}): {len(weight)} outputs cannot be {op.groups} groups"
        )
    weight = _dilated(_ungrouped(weight, op.groups), dilation)
    return Kernel(weight, stride, _sides(op, padding, weight.shape[2:], stride))


def box_kernel(channels: int, size: Shape, stride: Shape, sides: Sides) -> Kernel:
    """Return the kernels that sum the cells of a pool, each channel by itself."""
    weight = np.zeros((channels, channels, *size))
    weight[np.arange(channels), np.arange(channels)] = 1
    return Kernel(weight, stride, sides)


def _ungrouped(weight: Floats, groups: int) -> Floats:
    """Return (out, in, kh, kw) weights of (out, in / groups, kh, kw) ones."""
    outputs, inputs = len(weight) // groups, weight.shape[1]
    full = np.zeros((len(weight), inputs * groups, *weight.shape[2:]))
    for group in range(groups):
        rows = slice(group * outputs, (group + 1) * outputs)
        full[rows, group * inputs : (group + 1) * inputs] = weight[rows]
    return full


def _dilated(weight: Floats, dilation: Shape) -> Floats:
    down, across = dilation
    rows, columns = weight.shape[2:]
    full = np.zeros((*weight.shape[:2], (rows - 1) * down + 1, (columns - 1) * across + 1))
    full[:, :, ::down, ::across] = weight
    return full


def _sides(op: Conv, padding: Shape | str, kernel: Shape, stride: Shape) -> Sides:
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        if any(step != 1 for step in stride):
            raise ValueError(
                f"{op.name} ({op.kind}): padding='same' is for strides of 1, not {stride}"
            )
        # An even kernel has one zero more behind the map, as in torch.
        return tuple(((size - 1) // 2, size // 2) for size in kernel)
    if isinstance(padding, str):
        raise ValueError(f"{op.name} ({op.kind}): padding must be integers, 'same' or 'valid', "
                         f"not {padding!r}")
    return tuple((each, each) for each in padding)
