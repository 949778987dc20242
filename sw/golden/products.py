"""The weighted sums of a layer, exact, in the cheapest arithmetic that is.

Maps are channels last here, (height, width, channels): what a kernel reads lies together in memory.

Floating point holds every integer below 2**24 (float32) or 2**53 (float64), and multiplies matrices
much faster than integers do. Bytes are faster still where there is enough to multiply.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch

from ..network import Conv2d, Layer
from .in_bytes import ByteConvolution, as_bytes, bytes_are_exact

__all__ = ["Products", "channels_first", "channels_last", "exact_dtype", "tiles"]

def exact_dtype(bound: int) -> torch.dtype:
    """The fastest dtype in which sums are exact if no partial sum exceeds ``bound``."""
    if bound < 1 << 24:
        return torch.float32
    return torch.float64 if bound < 1 << 53 else torch.int64


def channels_last(values: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """(..., flat) maps of ``shape`` (channels, height, width) with the channels innermost."""
    if len(shape) < 3:
        return values
    return values.reshape(*values.shape[:-1], shape[0], -1).transpose(-1, -2).flatten(-2)


def channels_first(values: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """The same the other way: (..., flat) maps in C order."""
    if len(shape) < 3:
        return values
    return values.reshape(*values.shape[:-1], -1, shape[0]).transpose(-1, -2).flatten(-2)


def tiles(values: torch.Tensor, shape: tuple[int, ...], size: int) -> torch.Tensor:
    """(..., flat) maps as (..., rows, size, columns, size, channels). Edges that do not fill a cell
    are dropped."""
    channels, height, width = shape
    rows, columns = height // size, width // size
    maps = values.reshape(*values.shape[:-1], height, width, channels)
    maps = maps[..., : rows * size, : columns * size, :]
    return maps.reshape(*values.shape[:-1], rows, size, columns, size, channels)


class Products:
    """The currents of a layer, without recurrence: ``b + 2**F * sum_j w[j] x[j]``.

    Parameters
    ----------
    layer : Layer
        The layer.
    shape : tuple of int
        (channels, height, width) of its input, or (inputs,).
    input_high : int
        The highest value of an input.
    fraction_bits : int
        F.
    dtype : dtype
        That of the currents: exact for them.

    Attributes
    ----------
    multiply : dtype
        The dtype in which products of the layer are exact.
    width : int
        The values that are multiplied for one step of a sample, if not in bytes.
    least_in_bytes : int
        The number of multiplications from which bytes are used: fewer are slower, because
        oneDNN takes some 30 microseconds to begin. Results do not depend on it.
    """

    least_in_bytes = 1 << 20

    def __init__(
        self, layer: Layer, shape: tuple[int, ...], input_high: int, fraction_bits: int,
        dtype: torch.dtype,
    ) -> None:
        self.layer, self.shape, self.fraction_bits, self.dtype = layer, shape, fraction_bits, dtype
        lowest, highest = layer.sum_bounds(shape)
        self.multiply = exact_dtype(int((highest - lowest).max()) * input_high)
        pool = layer.pool_before
        size = 1 if pool is None else pool.size
        self.pooled = shape if pool is None else pool.output_shape(shape)
        self.input_high = input_high * size**2
        weight = layer.weight
        if isinstance(layer, Conv2d):
            self.weight = torch.tensor(weight.transpose(0, 2, 3, 1).copy())
            self.stride, self.padding = layer.stride, layer.padding
        else:
            # A product of matrices is a convolution of one column, whose channels are the inputs.
            flat = channels_last(torch.tensor(weight), self.pooled)
            self.weight = flat[:, None, None, :]
            self.stride, self.padding = (1, 1), (0, 0)
        self.matrix = self.scaled(self.weight.flatten(1))
        self.bias = torch.tensor(layer.bias, dtype=dtype)
        rows, columns = layer.neuron_shape(shape)[1:] or (1, 1)
        self.width = self.weight[0].numel() * rows * columns
        self._work = weight.size * rows * columns
        highest_weight = int(np.abs(weight).max())
        self._bytes = dtype == torch.float32 and bytes_are_exact(self.input_high, highest_weight)

    def scaled(self, weight: torch.Tensor) -> torch.Tensor:
        """(inputs, out) weights times 2**F, which is exact, for (out, inputs) weights."""
        return (weight << self.fraction_bits).to(self.multiply).t().contiguous()

    @cached_property
    def _in_bytes(self) -> ByteConvolution:
        bias = torch.tensor(self.layer.bias)
        return ByteConvolution(self.weight, bias, self.fraction_bits, self.stride, self.padding)

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """(..., neurons) currents for (..., inputs) inputs of any dtype, both channels last."""
        flat = inputs.flatten(0, -2)
        if self._bytes and len(flat) * self._work >= self.least_in_bytes:
            maps = self._maps(as_bytes(flat, self.input_high))
            found = self._in_bytes(maps)
        else:
            if flat.dtype == torch.bool:
                flat = flat.view(torch.uint8)  # converts several times as fast
            rows = self._fields(self._maps(flat.to(self.multiply))).flatten(0, -2)
            if self.multiply == self.dtype:
                found = torch.addmm(self.bias, rows, self.matrix)
            else:
                found = torch.mm(rows, self.matrix).to(self.dtype).add_(self.bias)
        return found.reshape(*inputs.shape[:-1], -1)

    def _maps(self, flat: torch.Tensor) -> torch.Tensor:
        """(n, height, width, channels) pooled inputs; those of a dense layer are (1, n, 1, inputs).
        """
        pool = self.layer.pool_before
        if pool is not None:
            cells = tiles(flat, self.shape, pool.size)
            summed = torch.zeros_like(cells[:, :, 0, :, 0])
            for row in range(pool.size):
                for column in range(pool.size):
                    summed += cells[:, :, row, :, column]
            flat = summed.flatten(1)
        if isinstance(self.layer, Conv2d):
            channels, height, width = self.pooled
            return flat.reshape(-1, height, width, channels)
        return flat[None, :, None, :]

    def _fields(self, maps: torch.Tensor) -> torch.Tensor:
        """(..., weights of an output) receptive fields. The product with them is the convolution:
        torch's own may use transforms that round, such as Winograd's."""
        if not isinstance(self.layer, Conv2d):
            return maps
        down, across = self.padding
        fields = torch.nn.functional.pad(maps, (0, 0, across, across, down, down))
        for axis, (size, stride) in enumerate(zip(self.layer.kernel, self.stride, strict=True)):
            fields = fields.unfold(1 + axis, size, stride)
        return fields.permute(0, 1, 2, 4, 5, 3).flatten(3)
