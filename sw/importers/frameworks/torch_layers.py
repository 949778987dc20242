"""Reads layers of torch, and of what is derived from them, as operations."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn
from torch.nn.utils import parametrize

from ...support.errors import NotExpressible
from ..operations import AdaptivePool, Affine, Conv, Operation, Pad, Pool, Reshape, Scaling, Votes
from ..semantics import Floats, finite
from ..tracing.layers import NEAREST, NORMS, is_brevitas
from .brevitas import quantized_bias, quantized_weight

__all__ = ["kind_of", "torch_operation"]

_POOLS = (nn.AvgPool1d, nn.AvgPool2d, nn.MaxPool1d, nn.MaxPool2d)
_ADAPTIVE = (
    nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d,
)
_PADS = (nn.ZeroPad1d, nn.ZeroPad2d, nn.ConstantPad1d, nn.ConstantPad2d)
_OF_THE_SAMPLE = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.modules.instancenorm._InstanceNorm)
_LP_POOLS = (nn.LPPool1d, nn.LPPool2d)
_ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid,
)
_OF_OUTPUTS = (nn.Softmax, nn.LogSoftmax, nn.Softmax2d)
_CLOSE = {
    nn.ConvTranspose1d: "Conv1d", nn.ConvTranspose2d: "Conv2d",
    nn.Bilinear: "Linear",
    nn.Conv3d: "Conv2d on frames, with the time steps of the network in place of the depth",
    nn.BatchNorm3d: "BatchNorm2d",
    nn.AvgPool3d: "AvgPool2d", nn.MaxPool3d: "MaxPool2d behind the neurons",
    nn.AdaptiveAvgPool3d: "AdaptiveAvgPool2d", nn.AdaptiveMaxPool3d: "MaxPool2d",
    nn.Upsample: "a convolution on the larger map, or the model without it",
    nn.Embedding: "spikes of the vocabulary, one per word, and Linear",
}


def kind_of(module: nn.Module) -> str:
    """Return the type of a layer as its author knows it."""
    if parametrize.is_parametrized(module):
        return parametrize.type_before_parametrizations(module).__name__
    return type(module).__name__


def torch_operation(name: str, child: nn.Module) -> Operation:
    """Return the operation of one layer.

    Raises
    ------
    NotExpressible, ValueError
        Naming the layer.
    """
    kind = kind_of(child)
    if isinstance(child, nn.Linear):
        weight, bias, step = _weight_and_bias(name, kind, child)
        return Affine(name, kind, weight, bias, step)
    if isinstance(child, (nn.Conv1d, nn.Conv2d)):
        return _convolution(name, kind, child)
    if isinstance(child, nn.BatchNorm3d):
        raise NotExpressible(name, kind, "it is for maps of three axes", "BatchNorm2d")
    if isinstance(child, NORMS):
        return _batch_norm(name, kind, child)
    if isinstance(child, nn.Flatten):
        # torch counts the batch as axis 0; a shape here is that of one sample.
        return Reshape(name, kind, _axis(child.start_dim), _axis(child.end_dim))
    if isinstance(child, nn.Unflatten):
        return _unflatten(name, kind, child)
    if isinstance(child, _POOLS):
        return _pool(name, kind, child)
    if isinstance(child, _ADAPTIVE):
        return _adaptive(name, kind, child)
    if isinstance(child, _PADS):
        return _pad(name, kind, child)
    raise _refused(name, kind, child)


def _axis(dim: int) -> int:
    return dim - 1 if dim > 0 else dim


def _refused(name: str, kind: str, child: nn.Module) -> NotExpressible:
    if isinstance(child, _OF_THE_SAMPLE):
        return NotExpressible(
            name, kind, "what it multiplies by depends on the sample and the step",
            "BatchNorm1d or BatchNorm2d, whose running statistics are part of the weights",
        )
    if isinstance(child, _LP_POOLS):
        return NotExpressible(
            name, kind, f"it takes the norm of power {float(child.norm_type):g} of a cell",
            "AvgPool, or MaxPool2d behind the neurons",
        )
    if isinstance(child, (nn.Sequential, nn.ModuleList, nn.ModuleDict)):
        return NotExpressible(name, kind, "there is no layer in it", "the model without it")
    if isinstance(child, _ACTIVATIONS):
        return NotExpressible(
            name, kind, "it is an activation function of real numbers, and layers send spikes here",
            "spiking neurons in its place, trained or converted (Leaky of snnTorch, IFNode or "
            "LIFNode of SpikingJelly)",
        )
    if isinstance(child, _OF_OUTPUTS):
        return NotExpressible(
            name, kind, "no layer of this array computes it",
            "the model without it: it does not change which output is largest",
        )
    nearest = next((near for each, near in _CLOSE.items() if isinstance(child, each)), NEAREST)
    return NotExpressible(name, kind, "no layer of this array computes it", nearest)


def _weight_and_bias(
    name: str, kind: str, child: Any
) -> tuple[Floats, Floats, Floats | None]:
    step = None
    if is_brevitas(child):
        weight, step = quantized_weight(name, kind, child)
        bias = quantized_bias(name, kind, child)
    else:
        # WSLinear and WSConv2d of SpikingJelly standardise their weights in this method.
        standardised = hasattr(child, "get_weight") and hasattr(child, "gain")
        values = child.get_weight() if standardised else child.weight
        weight = finite(name, kind, "weight", values)
        bias = None if child.bias is None else finite(name, kind, "bias", child.bias)
    return weight, np.zeros(len(weight)) if bias is None else bias, step


def _convolution(name: str, kind: str, child: nn.Conv1d | nn.Conv2d) -> Conv:
    if child.padding_mode != "zeros":
        raise NotExpressible(
            name, kind, f"padding_mode={child.padding_mode!r}", "padding_mode='zeros'"
        )
    weight, bias, step = _weight_and_bias(name, kind, child)
    axes = weight.ndim - 2
    padding = child.padding if isinstance(child.padding, str) else _sizes(child.padding, axes)
    return Conv(
        name, kind, weight, bias, _sizes(child.stride, axes), padding,
        _sizes(child.dilation, axes), child.groups, step,
    )


def _pool(name: str, kind: str, child: Any) -> Pool | Votes:
    average = isinstance(child, (nn.AvgPool1d, nn.AvgPool2d))
    axes = 1 if isinstance(child, (nn.AvgPool1d, nn.MaxPool1d)) else 2
    if not average:
        if child.return_indices:
            raise NotExpressible(name, kind, "return_indices=True", "return_indices=False")
        if any(each != 1 for each in _sizes(child.dilation, axes)):
            raise NotExpressible(name, kind, f"dilation={child.dilation}", "dilation=1")
    size, stride, padding = (
        _sizes(each, axes) for each in (child.kernel_size, child.stride, child.padding)
    )
    if average and axes == 1 and (stride, padding, child.ceil_mode) == (size, (0,), False):
        return Votes(name, kind, size[0])
    return Pool(
        name, kind, "average" if average else "max", size, stride, padding, child.ceil_mode,
        getattr(child, "count_include_pad", True), getattr(child, "divisor_override", None),
    )


def _adaptive(name: str, kind: str, child: Any) -> AdaptivePool:
    axes = 1 if isinstance(child, (nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d)) else 2
    average = isinstance(child, (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d))
    given = child.output_size
    sizes = tuple(given) if isinstance(given, (tuple, list)) else (given,) * axes
    output = tuple(None if each is None else int(each) for each in sizes)
    return AdaptivePool(name, kind, "average" if average else "max", output)


def _pad(name: str, kind: str, child: Any) -> Pad:
    if child.value != 0:
        raise NotExpressible(name, kind, f"it pads with {child.value:g}", "zeros")
    sides = tuple(child.padding)
    if min(sides) < 0:
        raise NotExpressible(name, kind, f"its padding of {sides} cuts", "padding of 0 or more")
    # torch begins with the last axis.
    pairs = [(sides[at], sides[at + 1]) for at in range(0, len(sides), 2)]
    return Pad(name, kind, tuple(reversed(pairs)))


def _unflatten(name: str, kind: str, child: nn.Unflatten) -> Reshape:
    if isinstance(child.dim, str):
        raise NotExpressible(name, kind, "it names its axis", "the axis as an integer")
    axis = _axis(child.dim)
    sizes: Any = child.unflattened_size
    return Reshape(name, kind, axis, axis, tuple(int(each) for each in sizes))


def _batch_norm(name: str, kind: str, child: Any) -> Scaling:
    mean = finite(name, kind, "running_mean", child.running_mean)
    variance = finite(name, kind, "running_var", child.running_var)
    factor = 1.0 / np.sqrt(variance + child.eps)
    if child.weight is not None:
        factor = factor * finite(name, kind, "weight", child.weight)
    offset = -mean * factor
    if child.bias is not None:
        offset = offset + finite(name, kind, "bias", child.bias)
    return Scaling(name, kind, factor, offset)


def _sizes(value: Any, axes: int) -> tuple[int, ...]:
    if isinstance(value, (tuple, list)):
        sizes = tuple(int(each) for each in value)
        return sizes * axes if len(sizes) == 1 else sizes
    return (int(value),) * axes
