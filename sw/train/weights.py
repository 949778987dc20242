"""Weights while they are trained: real numbers that are rounded in the forward pass."""

from __future__ import annotations

from typing import Any

import torch

from .exact import straight_through

__all__ = ["BrevitasWeights", "StepWeights", "Weights", "make_weights"]


class Weights(torch.nn.Module):
    """Latent weights (out, in) and the integers that they are rounded to.

    Parameters
    ----------
    bits : int
        Width of a weight.

    Attributes
    ----------
    levels : float
        Integers are from ``-levels`` to ``levels - 1``.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.levels = 2.0 ** (bits - 1)

    @property
    def latent(self) -> torch.Tensor:
        """(out, in) real numbers."""
        raise NotImplementedError

    def forward(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the integers and their scale.

        Returns
        -------
        integers : (out, in) tensor
            Whole numbers with the gradients of ``latent``.
        scale : () or (out, 1) tensor
            The size of one weight step in the units of ``latent``, for all neurons or for each.
        """
        raise NotImplementedError

    def bound(self, acc_bits: int, copies: int = 1, beside: Weights | None = None) -> None:
        """Move latent weights back to values that round to legal weights and fit the accumulators.

        If the positive or the negative weights of a neuron sum to more than 99 % of what an
        accumulator holds, they are scaled to 98 %. Rounding changes a sum of 784 weights by far
        less than the rest.

        Parameters
        ----------
        acc_bits : int
            Width of an accumulator.
        copies : int
            How often a sum contains each weight: once for each input of a cell of a sum pool.
        beside : Weights, optional
            Recurrent weights of the same neurons, which are added to the same sums.
        """
        full = 2.0 ** (acc_bits - 1) / copies
        parts = [self] if beside is None else [self, beside]
        with torch.no_grad():
            integers = torch.cat([each()[0] for each in parts], 1)
            for each in parts:
                scale = each()[1]
                # The limits are just inside the values that round to the extreme integers, so that
                # a small step leaves them.
                each.latent.clamp_(-(each.levels + 0.49) * scale, (each.levels - 0.51) * scale)
            for sign in (1.0, -1.0):
                total = (sign * integers).clamp_(min=0).sum(1)
                for row in (total > 0.99 * full).nonzero().flatten().tolist():
                    for latent in (each.latent[row] for each in parts):
                        share = torch.where(sign * latent > 0, 0.98 * full / total[row], 1.0)
                        latent.mul_(share)

    def bound_sums(self, largest: float) -> None:
        """Move latent weights back to values whose integers sum to at most ``largest`` in size.

        A zero point is folded into biases as a multiple of these sums. Weights of the side that
        prevails are scaled.

        Parameters
        ----------
        largest : float
            The largest sum of the weights of a neuron, with either sign.
        """
        with torch.no_grad():
            integers, _ = self()
            total = integers.sum(1)
            for row in (total.abs() > largest).nonzero().flatten().tolist():
                sign = total[row].sign()
                side = (sign * integers[row]).clamp(min=0).sum()
                # Rounding moves the sum, so a little less than what fits is aimed at.
                share = (side - (total[row].abs() - 0.9 * largest)) / side
                latent = self.latent[row]
                latent.mul_(torch.where(sign * latent > 0, share, 1.0))


class StepWeights(Weights):
    """Latent weights in weight steps; the scale of a neuron is in its threshold alone.

    Parameters
    ----------
    first : (out, in) tensor
        The first latent weights.
    bits : int
        Width of a weight.
    """

    def __init__(self, first: torch.Tensor, bits: int) -> None:
        super().__init__(bits)
        self.steps = torch.nn.Parameter(first)

    @property
    def latent(self) -> torch.Tensor:
        return self.steps

    def forward(self) -> tuple[torch.Tensor, torch.Tensor]:
        low, high = -self.levels, self.levels - 1
        integers = straight_through(self.steps, lambda w: w.round().clamp(low, high))
        return integers, self.steps.new_ones(())


class BrevitasWeights(Weights):
    """Latent weights in front of a quantizer of brevitas.

    Its integers are symmetric: ``-levels`` is not used.

    Parameters
    ----------
    first : (out, in) tensor
        The first latent weights.
    bits : int
        Width of a weight.
    scale : {"channel", "tensor", "power-of-two"}
        A learned scale per neuron, one learned scale, or one power of two, derived from the largest
        weight.

    Raises
    ------
    ModuleNotFoundError
        If brevitas is not installed.
    """

    def __init__(self, first: torch.Tensor, bits: int, scale: str) -> None:
        try:
            from brevitas import quant
            from brevitas.nn import QuantLinear
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"quantizer 'brevitas-{scale}' needs brevitas ({error}): "
                "pip install 'stablespike[train]'"
            ) from error

        super().__init__(bits)
        settings: dict[str, Any] = {"weight_bit_width": bits, "bias": False}
        if scale == "power-of-two":
            settings["weight_quant"] = quant.Int8WeightPerTensorFixedPoint
        else:
            settings["weight_scaling_impl_type"] = "parameter_from_stats"
            settings["weight_quant"] = (
                quant.Int8WeightPerChannelFloat
                if scale == "channel"
                else quant.Int8WeightPerTensorFloat
            )
        outputs, inputs = first.shape
        self.layer = QuantLinear(inputs, outputs, **settings)
        with torch.no_grad():
            self.layer.weight.copy_(first)
            # The first call sets the scale from the weights; until then no checkpoint holds it.
            self.layer.quant_weight()

    @property
    def latent(self) -> torch.Tensor:
        weight: torch.Tensor = self.layer.weight
        return weight

    def forward(self) -> tuple[torch.Tensor, torch.Tensor]:
        quantized = self.layer.quant_weight()
        # The quotient is a whole number except for the last bits of a float.
        return straight_through(quantized.value / quantized.scale, torch.round), quantized.scale


def make_weights(
    quantizer: str, first: torch.Tensor, bits: int, per_neuron: bool = False
) -> Weights:
    """Return weights with the quantizer that a recipe names.

    Parameters
    ----------
    quantizer : str
        One of ``QUANTIZERS``.
    first : (out, in) tensor
        The first latent weights, in weight steps.
    bits : int
        Width of a weight.
    per_neuron : bool
        Whether neurons may differ in scale. Neurons that are read by their membranes may not.

    Raises
    ------
    ModuleNotFoundError
        If brevitas is needed and not installed.
    """
    if quantizer == "steps":
        return StepWeights(first, bits)
    kind = quantizer.removeprefix("brevitas-")
    return BrevitasWeights(first, bits, kind if per_neuron or kind != "channel" else "tensor")
