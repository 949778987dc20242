"""Weights while they are trained: real numbers that are whole ones in the forward pass."""

from __future__ import annotations

import torch

from .exact import straight_through

__all__ = ["StepWeights", "Weights", "make_weights"]


class Weights(torch.nn.Module):
    """Latent weights (out, in) and the whole numbers they stand for.

    Parameters
    ----------
    first : latent weights to start from, in weight steps.
    bits : of a weight.
    """

    latent: torch.nn.Parameter

    def __init__(self, first: torch.Tensor, bits: int) -> None:
        super().__init__()
        self.levels = 2.0 ** (bits - 1)

    def forward(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Whole numbers from ``-levels`` to ``levels - 1``, and what one of them is in
        the units of ``latent``: (), or (out, 1) for a scale per neuron."""
        raise NotImplementedError

    def bound(self, acc_bits: int) -> None:
        """Latent weights back to where they round to legal ones, and fit the accumulators.

        A neuron whose positive or negative weights sum to 99 % of what an accumulator holds has
        them scaled to 98 %: rounding moves a sum of 784 weights by far less than what is left.
        """
        full = 2.0 ** (acc_bits - 1)
        with torch.no_grad():
            whole, scale = self()
            self.latent.clamp_(-(self.levels + 0.49) * scale, (self.levels - 0.51) * scale)
            for positive in (True, False):
                side = (self.latent > 0) == positive
                total = (whole * side).sum(1, keepdim=True).abs()
                share = torch.where(total > 0.99 * full, 0.98 * full / total, 1.0)
                self.latent.mul_(torch.where(side, share, 1.0))


class StepWeights(Weights):
    """Latent weights in weight steps: the scale of a neuron is in its threshold alone."""

    def __init__(self, first: torch.Tensor, bits: int) -> None:
        super().__init__(first, bits)
        self.latent = torch.nn.Parameter(first)

    def forward(self) -> tuple[torch.Tensor, torch.Tensor]:
        low, high = -self.levels, self.levels - 1
        whole = straight_through(self.latent, lambda w: w.round().clamp(low, high))
        return whole, torch.ones(())


def make_weights(quantizer: str, first: torch.Tensor, bits: int) -> Weights:
    """Weights of the kind a recipe names."""
    return StepWeights(first, bits)
