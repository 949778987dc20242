"""Convolutions of bytes with exact sums, in oneDNN, which comes with PyTorch.

They take about a tenth of the time of float32 on a processor with instructions for sums of 8-bit
products. oneDNN adds the products in 32 bits. On a processor that lacks such instructions it adds
pairs of products in 16 bits first, and what is more saturates. So bytes are refused here wherever a
pair could be more.
"""

from __future__ import annotations

from functools import cache

import torch

__all__ = ["ByteConvolution", "as_bytes", "bytes_are_exact"]

_BYTE_HIGH, _PAIR_HIGH = (1 << 8) - 1, (1 << 15) - 1


def bytes_are_exact(input_high: int, weight_high: int) -> bool:
    """Whether a convolution of bytes is exact here.

    Parameters
    ----------
    input_high : int
        The highest input; the lowest is 0.
    weight_high : int
        The largest absolute value of a weight.
    """
    pair = 2 * input_high * weight_high
    narrow = input_high <= _BYTE_HIGH and weight_high <= 1 << 7 and pair <= _PAIR_HIGH
    return narrow and _available()


@cache
def _available() -> bool:
    """Whether this PyTorch convolves bytes on this processor, and exactly: it is tried."""
    try:
        if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
            return False
        bits = torch.Generator().manual_seed(0)
        weight = torch.randint(-64, 65, (48, 3, 3, 40), generator=bits)
        maps = torch.randint(0, 256, (2, 9, 9, 40), generator=bits)
        weight[0], weight[1], maps[0] = 64, -64, 255
        bias = torch.randint(-(1 << 15), 1 << 15, (48,), generator=bits)
        found = ByteConvolution(weight, bias, 1, (1, 1), (1, 1))(maps.to(torch.uint8))
        exact = torch.nn.functional.conv2d(
            maps.permute(0, 3, 1, 2).double(), weight.permute(0, 3, 1, 2).double(), padding=1
        ).permute(0, 2, 3, 1)
        return torch.equal(found.double(), 2 * exact + bias)
    except (AttributeError, RuntimeError, TypeError):  # as the operators of some versions say no
        return False


def as_bytes(values: torch.Tensor, high: int) -> torch.Tensor:
    """Whole numbers from 0 to ``high``, at most 255, as uint8."""
    if values.dtype == torch.bool:
        return values.view(torch.uint8)
    if values.is_floating_point() and high < 1 << 7:
        return values.to(torch.int8).view(torch.uint8)  # five times as fast as into uint8
    return values.to(torch.uint8)

class ByteConvolution:
    """``b + 2**F * sum_j w[j] x[j]`` of a convolution of bytes, in float32.

    It is exact if ``bytes_are_exact``, and if no sum or result exceeds 2**24.

    Parameters
    ----------
    weight : tensor
        (out, kernel rows, kernel columns, in) weights of at most 8 bits.
    bias : tensor
        (out,) biases.
    fraction_bits : int
        F.
    stride, padding : (int, int)
        As in ``Conv2d``.
    """

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor, fraction_bits: int,
        stride: tuple[int, int], padding: tuple[int, int],
    ) -> None:
        self.scale, self.bias = float(1 << fraction_bits), bias.to(torch.float32)
        self.ones = torch.ones(len(weight))
        self.zeros = torch.zeros(len(weight), dtype=torch.int32)
        self.stride, self.padding = list(stride), list(padding)
        self.packed = torch.ops.onednn.qconv_prepack(
            weight.permute(0, 3, 1, 2).to(torch.int8), self.ones, 1.0, 0, self.stride,
            self.padding, [1, 1], 1, None,
        )

    def __call__(self, maps: torch.Tensor) -> torch.Tensor:
        """(n, rows, columns, out) float32 for (n, height, width, in) uint8."""
        found: torch.Tensor = torch.ops.onednn.qconv2d_pointwise(
            maps.permute(0, 3, 1, 2), self.scale, 0, self.packed, self.ones, self.zeros, self.bias,
            self.stride, self.padding, [1, 1], 1, 1.0, 0, torch.float32, "none", [], "",
        )
        return found.permute(0, 2, 3, 1)
