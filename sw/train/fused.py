"""Neurons that subtract their threshold in the step they fire, in few passes over memory.

The values and gradients are those of ``ExactNeuron``'s plain loop, in which every operation of
every step is an operation of torch with a node in its graph.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from ..network import Leak, Shifts

__all__ = ["Rule", "Subtracting"]

_Gradients = tuple[torch.Tensor, torch.Tensor, None, None]


class Rule(NamedTuple):
    """The rule that the neurons compute.

    Attributes
    ----------
    leak : Leak or (int or None, int or None)
        Shifts of the membrane.
    strict : bool
        Whether a neuron fires only above the threshold.
    width : float
        Half width of the surrogate gradient, in thresholds.
    high : float
        Membranes are clamped to ``-high .. high - 1``.
    """

    leak: Shifts
    strict: bool
    width: float
    high: float


class Subtracting(torch.autograd.Function):
    """The steps of a layer of neurons.

    ``apply(current, threshold, steps, rule)`` takes whole currents (steps, batch, neurons), or
    (batch, neurons) that are the same in each of ``steps`` steps. It returns the spikes
    (steps, batch, neurons) and the membranes (batch, neurons) after the last step.
    """

    @staticmethod
    def forward(
        ctx: Any, current: torch.Tensor, threshold: torch.Tensor, steps: int | None, rule: Rule
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return spikes and membranes, and keep the membranes before each reset."""
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
                torch.add(_leaked(v, rule.leak), drive, out=u)
            u.clamp_(-rule.high, rule.high - 1)
            fired = spikes[step]
            compare = torch.gt if rule.strict else torch.ge
            compare(u, threshold, out=fired)
            v = torch.addcmul(u, fired, threshold, value=-1)
        assert v is not None
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(before, spikes, threshold)
        ctx.shared, ctx.rule = steps is not None, rule
        return spikes, v

    @staticmethod
    def backward(ctx: Any, of_spikes: torch.Tensor | None, of_v: torch.Tensor | None) -> _Gradients:
        """Return the gradients of ``current`` and ``threshold``, from the last step backward."""
        before, spikes, threshold = ctx.saved_tensors
        _, _, width, top = ctx.rule
        factor = Leak.of(ctx.rule.leak).factor
        # Most batches clamp nothing, so one pass that finds the extremes saves two in every step.
        low, high = before.aminmax()
        clamped = bool((high >= top - 1) | (low <= -top))
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
            share = torch.rsub((ratio - 1).abs_(), 1, alpha=1 / width).clamp_(min=0)
            share.mul_(driven)
            of_ratio.addcmul_(share, ratio)
            gained = inverse / width
            share = share * gained if later is None else torch.addcmul(later, share, gained)
            if clamped:
                share.mul_((u > -top) & (u < top - 1))
            if not ctx.shared:
                of_current[step] = share
            elif step == len(before) - 1:
                of_current.copy_(share)
            else:
                of_current.add_(share)
            later = share.mul_(factor) if factor != 1 else share
        of_threshold.addcmul_(of_ratio, inverse / width, value=-1)
        return of_current, of_threshold.sum_to_size(threshold.shape), None, None


def _leaked(value: torch.Tensor, leak: Shifts) -> torch.Tensor:
    left = value
    for sign, shift in Leak.of(leak).terms:
        left = torch.add(left, (value * 2.0**-shift).floor_(), alpha=sign)
    return left
