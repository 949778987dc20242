"""Neurons that subtract their threshold in the step they fire, in few passes over memory.

The values and gradients are those of ``ExactNeuron``'s plain loop, in which every operation of
every step is an operation of torch with a node in its graph.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from ...network import Leak, Shifts

__all__ = ["Rule", "Subtracting"]

VALUES_AT_ONCE = 1 << 18
"""Values of a step that are computed together: larger temporary tensors cost new pages of memory,
which take as long as computing."""

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
        before, v = torch.empty_like(spikes), current.new_empty(shape)
        compare = torch.gt if rule.strict else torch.ge
        for part in _parts(shape):
            drives = current[:, part].unbind() if steps is None else (current[part],) * count
            each = zip(drives, before[:, part].unbind(), spikes[:, part].unbind(), strict=True)
            left = v[part]
            scratch = torch.empty_like(left)
            for step, (drive, u, fired) in enumerate(each):
                if step:
                    torch.add(_leaked_(left, rule.leak, scratch), drive, out=u)
                    u.clamp_(-rule.high, rule.high - 1)
                else:
                    torch.clamp(drive, -rule.high, rule.high - 1, out=u)
                compare(u, threshold, out=fired)
                torch.addcmul(u, fired, threshold, value=-1, out=left)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(before, spikes, threshold)
        ctx.shared, ctx.rule = steps is not None, rule
        return spikes, v

    @staticmethod
    def backward(ctx: Any, of_spikes: torch.Tensor | None, of_v: torch.Tensor | None) -> _Gradients:
        """Return the gradients of ``current`` and ``threshold``, from the last step backward."""
        before, spikes, threshold = ctx.saved_tensors
        of_current = torch.empty_like(before[0] if ctx.shared else before)
        of_threshold = torch.zeros_like(before[0])
        made = _Backward(ctx.rule, threshold, before, spikes)
        for part in _parts(before.shape[1:]):
            made.run(
                part,
                None if of_spikes is None else of_spikes[:, part],
                None if of_v is None else of_v[part],
                of_current[part] if ctx.shared else of_current[:, part],
                of_threshold[part],
            )
        return of_current, of_threshold.sum_to_size(threshold.shape), None, None


class _Backward:
    """The backward pass of a batch, some samples after others."""

    def __init__(
        self, rule: Rule, threshold: torch.Tensor, before: torch.Tensor, spikes: torch.Tensor
    ) -> None:
        self.rule, self.threshold, self.before, self.spikes = rule, threshold, before, spikes
        self.inverse = 1 / threshold
        self.gained = self.inverse / rule.width
        self.factor = Leak.of(rule.leak).factor
        self.one = before.new_ones(())
        # Most batches clamp nothing, so one pass that finds the extremes saves two in every step.
        low, high = before.aminmax()
        self.clamped = bool((high >= rule.high - 1) | (low <= -rule.high))

    def run(
        self, part: slice, of_spikes: torch.Tensor | None, later: torch.Tensor | None,
        of_current: torch.Tensor, of_threshold: torch.Tensor,
    ) -> None:
        """Write the gradients of the current, and add those of the threshold, of every sample of a
        part."""
        shared, last = of_current.ndim < self.before.ndim, len(self.before) - 1
        of_ratio = torch.zeros_like(of_threshold)
        ratio, share, driven, found = (torch.empty_like(of_threshold) for _ in range(4))
        each = list(zip(self.before[:, part], self.spikes[:, part], strict=True))
        for step in range(last, -1, -1):
            u, fired = each[step]
            drive = driven.zero_() if of_spikes is None else of_spikes[step]
            if later is not None:
                of_threshold.addcmul_(later, fired, value=-1)
                drive = torch.addcmul(drive, later, self.threshold, value=-1, out=driven)
            self._triangle(u, ratio, share)
            of_ratio.addcmul_(share.mul_(drive), ratio)
            if not shared:
                found = of_current[step]
            if later is None:
                torch.mul(share, self.gained, out=found)
            else:
                torch.addcmul(later, share, self.gained, out=found)
            if self.clamped:
                found.mul_((u > -self.rule.high) & (u < self.rule.high - 1))
            if shared and step == last:
                of_current.copy_(found)
            elif shared:
                of_current.add_(found)
            later = found if self.factor == 1 else found * self.factor
        of_threshold.addcmul_(of_ratio, self.gained, value=-1)

    def _triangle(self, u: torch.Tensor, ratio: torch.Tensor, share: torch.Tensor) -> None:
        """Write ``u / threshold``, and max(0, 1 - |u / threshold - 1| / width)."""
        torch.mul(u, self.inverse, out=ratio)
        torch.sub(ratio, 1, out=share).abs_()
        torch.sub(self.one, share, alpha=1 / self.rule.width, out=share).clamp_(min=0)


def _parts(shape: torch.Size) -> list[slice]:
    """The samples of (batch, neurons), in parts."""
    rows = max(1, VALUES_AT_ONCE // max(1, shape[-1]))
    return [slice(at, at + rows) for at in range(0, shape[0], rows)]


def _leaked_(value: torch.Tensor, leak: Shifts, scratch: torch.Tensor) -> torch.Tensor:
    """The value without what it loses in a step, in place."""
    terms = Leak.of(leak).terms
    # The terms are of the value before.
    lost = [(value * 2.0**-shift).floor_() for _, shift in terms[:-1]]
    lost += [torch.mul(value, 2.0**-shift, out=scratch).floor_() for _, shift in terms[-1:]]
    for (sign, _), each in zip(terms, lost, strict=True):
        value.add_(each, alpha=sign)
    return value
