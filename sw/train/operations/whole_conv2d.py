"""A convolution of whole numbers: in bytes forward, in real numbers backward."""

from __future__ import annotations

from typing import Any

import torch

from ...golden.in_bytes import ByteConvolution, as_bytes

__all__ = ["whole_conv2d"]


class _Whole(torch.autograd.Function):
    """``torch.nn.functional.conv2d`` with its gradients, but for how the sums are computed."""

    @staticmethod
    def forward(
        ctx: Any, maps: torch.Tensor, kernels: torch.Tensor, stride: int, padding: int, high: int
    ) -> torch.Tensor:
        ctx.save_for_backward(maps, kernels)
        ctx.sides = [stride, stride], [padding, padding]
        convolution = ByteConvolution(
            kernels.permute(0, 2, 3, 1), torch.zeros(len(kernels)), 0, (stride, stride),
            (padding, padding),
        )
        return convolution(as_bytes(maps.permute(0, 2, 3, 1), high)).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        maps, kernels = ctx.saved_tensors
        stride, padding = ctx.sides
        of_maps, of_kernels, _ = torch.ops.aten.convolution_backward(
            grad, maps, kernels, None, stride, padding, [1, 1], False, [0, 0], 1,
            [*ctx.needs_input_grad[:2], False],
        )
        return of_maps, of_kernels, None, None, None


def whole_conv2d(
    maps: torch.Tensor, kernels: torch.Tensor, stride: int, padding: int, high: int
) -> torch.Tensor:
    """Return a convolution on the CPU, exact if ``bytes_are_exact`` and no sum exceeds 2**24.

    Parameters
    ----------
    maps : (batch, in, height, width) tensor
        Whole numbers from 0 to ``high``; fastest with the channels innermost in memory.
    kernels : (out, in, rows, columns) tensor
        Whole numbers.
    stride : int
        Distance between two positions of the kernel.
    padding : int
        Zeros on each side of the map.
    high : int
        The highest value of ``maps``.

    Returns
    -------
    (batch, out, height, width) tensor
    """
    found: torch.Tensor = _Whole.apply(maps, kernels, stride, padding, high)  # type: ignore[no-untyped-call, unused-ignore]
    return found
