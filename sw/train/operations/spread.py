"""Mean and standard deviation of a batch, in few passes over memory."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["spread"]


class _Spread(torch.autograd.Function):
    """``values.std(0, correction=0)``, which torch takes several times as long for."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        # torch adds in float64, too.
        exact = values.double()
        exact -= exact.mean(0)
        found = exact.square_().mean(0).sqrt_().to(values.dtype)
        ctx.save_for_backward(values, mean, found)
        return found

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        values, mean, found = ctx.saved_tensors
        of_variance = (grad / (found * 2)).masked_fill_(found == 0, 0)
        return (values - mean).mul_((2 / len(values)) * of_variance), None


def spread(values: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
    """Return the standard deviation of every column, with the gradient of ``values``.

    Parameters
    ----------
    values : (n, columns) tensor
        Real numbers.
    mean : (columns,) tensor
        Their mean.
    """
    if values.device.type != "cpu":  # not every device has float64
        return values.std(0, correction=0)
    found: torch.Tensor = _Spread.apply(values, mean.detach())  # type: ignore[no-untyped-call, unused-ignore]
    return found
