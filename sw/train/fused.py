"""Neurons that subtract their threshold in the step they fire, in few passes over memory.

The same values and gradients as ``ExactNeuron``'s steps one by one, of which each is an operation
of torch.
"""

from __future__ import annotations

from typing import Any

import torch

from ..network import Leak
from ..network.quantize import leak_factor

__all__ = ["Subtracting"]

_Gradients = tuple[torch.Tensor, torch.Tensor, None, None, None, None, None]


class Subtracting(torch.autograd.Function):
    """Spikes (steps, batch, neurons) and last membranes of whole currents: (steps, batch, neurons),
    or (batch, neurons) that are the same in every step."""

    @staticmethod
    def forward(
        ctx: Any,
        current: torch.Tensor,
        threshold: torch.Tensor,
        steps: int | None,
        leak: Leak,
        strict: bool,
        width: float,
        high: float,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        count = len(current) if steps is None else steps
        shape = current.shape[1:] if steps is None else current.shape
        spikes = current.new_empty(count, *shape)
        before = torch.empty_like(spikes)
        v = None
        for step in range(count):
            drive = current[step] if steps is None else current
            u = before[step]
            if v is None:
                u.copy_(drive)
            else:
                torch.add(_leaked(v, leak), drive, out=u)
            u.clamp_(-high, high - 1)
            fired = spikes[step]
            torch.gt(u, threshold, out=fired) if strict else torch.ge(u, threshold, out=fired)
            v = torch.addcmul(u, fired, threshold, value=-1)
        assert v is not None
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(before, spikes, threshold)
        ctx.shared, ctx.factor = steps is not None, leak_factor(leak)
        ctx.width, ctx.high = width, high
        return spikes, v

    @staticmethod
    def backward(ctx: Any, of_spikes: torch.Tensor | None, of_v: torch.Tensor | None) -> _Gradients:
        before, spikes, threshold = ctx.saved_tensors
        low, high = before.aminmax()
        clamped = bool((high >= ctx.high - 1) | (low <= -ctx.high))
        of_current = torch.empty_like(before[0] if ctx.shared else before)
        later, inverse = of_v, 1 / threshold
        of_threshold, of_ratio = torch.zeros_like(before[0]), torch.zeros_like(before[0])
        for step in reversed(range(len(before))):
            u, fired = before[step], spikes[step]
            driven = torch.zeros_like(u) if of_spikes is None else of_spikes[step]
            if later is not None:
                of_threshold.addcmul_(later, fired, value=-1)
                driven = torch.addcmul(driven, later, threshold, value=-1)
            # The triangle: max(0, 1 - |u / threshold - 1| / width) / width, over the threshold.
            ratio = u * inverse
            share = torch.rsub((ratio - 1).abs_(), 1, alpha=1 / ctx.width).clamp_(min=0)
            share.mul_(driven)
            of_ratio.addcmul_(share, ratio)
            gained = inverse / ctx.width
            share = share * gained if later is None else torch.addcmul(later, share, gained)
            if clamped:
                share.mul_((u > -ctx.high) & (u < ctx.high - 1))
            if not ctx.shared:
                of_current[step] = share
            elif step == len(before) - 1:
                of_current.copy_(share)
            else:
                of_current.add_(share)
            later = share.mul_(ctx.factor) if ctx.factor != 1 else share
        of_threshold.addcmul_(of_ratio, inverse / ctx.width, value=-1)
        return of_current, of_threshold.sum_to_size(threshold.shape), None, None, None, None, None


def _leaked(value: torch.Tensor, leak: Leak) -> torch.Tensor:
    left = value
    for shift in leak:
        if shift is not None:
            left = left - (value * 2.0**-shift).floor_()
    return left
