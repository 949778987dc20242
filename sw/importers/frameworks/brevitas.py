"""Reads layers of brevitas: their integer weights, and the size of a weight step.

brevitas need not be installed; its layers are known by where their classes are defined.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from ...support.errors import NotExpressible
from ..semantics import Floats, finite

__all__ = ["check_brevitas", "quantized_bias", "quantized_weight"]

_WEIGHTS = "QuantLinear, QuantConv1d or QuantConv2d"


def check_brevitas(name: str, kind: str, child: Any) -> None:
    """Refuse a layer of brevitas that does more than to round its weights and biases.

    Raises
    ------
    NotExpressible
        Naming it.
    """
    if isinstance(child, (nn.Identity, nn.Dropout)):
        return
    if not isinstance(child, (nn.Linear, nn.Conv1d, nn.Conv2d)):
        if hasattr(child, "act_quant"):
            raise NotExpressible(
                name, kind, "it rounds activations, and between layers there are spikes, 0 or 1",
                "the model without it; in front of the first layer, input=PixelInput(shape, bits) "
                "or FrameInput (with zero= for signed values) and input_scale=, the size of a step "
                "of the rounded input",
            )
        raise NotExpressible(
            name, kind, "no layer of this array computes it", f"{_WEIGHTS}, without rounded "
            "inputs and outputs",
        )
    for key in ("input_quant", "output_quant"):
        if getattr(getattr(child, key, None), "is_quant_enabled", False):
            raise NotExpressible(
                name, kind, f"its {key} rounds its {key.partition('_')[0]}; spikes are 0 or 1, and "
                "sums are exact", f"{key}=None",
            )
    if getattr(child.bias_quant, "requires_input_scale", False):
        raise NotExpressible(
            name, kind, "its bias_quant takes its scale from a rounded input",
            "bias_quant=None, or one with a scale of its own, such as "
            "Int8BiasPerTensorFloatInternalScaling",
        )
    if child.return_quant_tensor:
        raise NotExpressible(
            name, kind, "it hands on a tensor of brevitas with its scale",
            "return_quant_tensor=False",
        )


def quantized_weight(name: str, kind: str, child: Any) -> tuple[Floats, Floats | None]:
    """Return the weights with which a layer computes, and the size of their steps.

    Returns
    -------
    weight : float64
        Weights, of the shape of the layer's.
    step : () or (out,) float64, or None
        None if they are not integers times a step.
    """
    quantized = child.quant_weight()
    if isinstance(quantized, torch.Tensor):  # its weights are not rounded
        return finite(name, kind, "weight", quantized), None
    value = finite(name, kind, "weight", quantized.value)
    if type(quantized).__name__ != "IntQuantTensor":
        return value, None
    scale = finite(name, kind, "scale", quantized.scale)
    zero = finite(name, kind, "zero_point", quantized.zero_point)
    integers = np.round(value / scale)
    # brevitas rounds the product to float32; in float64 it is exact, so that the step is found.
    weight = integers * scale
    if not np.allclose(weight, value, rtol=1e-5, atol=1e-30) or (zero != np.round(zero)).any():
        return value, None
    if scale.size == 1:
        return weight, scale.reshape(())
    return weight, scale.reshape(-1) if scale.size == len(weight) == len(scale) else None


def quantized_bias(name: str, kind: str, child: Any) -> Floats | None:
    """Return the biases with which a layer computes, or None if it has none."""
    if child.bias is None:
        return None
    rounded = getattr(child.bias_quant, "is_quant_enabled", False)
    bias = child.quant_bias() if rounded else child.bias
    return finite(name, kind, "bias", getattr(bias, "value", bias))
