"""Layers that a torch module calls as functions, such as ``max_pool2d``, as the modules they equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

__all__ = ["Reshaped", "as_module", "same_layer"]


class Reshaped(nn.Module):
    """Gives each sample of a batch a shape, in C order.

    Parameters
    ----------
    sizes : tuple of int
        The shape.
    """

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.sizes = sizes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, *sizes)``."""
        return x.reshape(len(x), *self.sizes)


def as_module(func: Any, args: Any, kwargs: Any) -> tuple[torch.Tensor, nn.Module] | None:
    """Return what a function is given, and the module that computes the same; None if none does."""
    known = _FUNCTIONS.get(func)
    if known is None:
        return None
    make, names = known
    given = dict(zip(names, args, strict=False)) | dict(kwargs)
    tensor = given.pop("input", None)
    if not isinstance(tensor, torch.Tensor):
        return None
    module = make(given | {"axes": tensor.ndim}) if make is _norm else make(given)
    return None if module is None else (tensor, module.eval())


def same_layer(one: nn.Module, other: nn.Module) -> bool:
    """Whether two modules of ``as_module`` compute the same."""
    if type(one) is not type(other) or one.extra_repr() != other.extra_repr():
        return False
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def _kept(value: Any) -> Any:
    if value is None:
        return None
    return nn.Parameter(value.detach().clone(), requires_grad=False)


def _linear(given: dict[str, Any]) -> nn.Module | None:
    weight, bias = given["weight"], given.get("bias")
    if weight.ndim != 2:
        return None
    layer = nn.Linear(1, 1, bias=bias is not None, dtype=weight.dtype)
    layer.out_features, layer.in_features = weight.shape
    layer.weight, layer.bias = _kept(weight), _kept(bias)
    return layer


def _convolution(kind: type[nn.Conv1d] | type[nn.Conv2d], axes: int) -> Callable[..., Any]:
    def make(given: dict[str, Any]) -> nn.Module | None:
        weight, bias = given.pop("weight"), given.pop("bias", None)
        if weight.ndim != axes + 2:
            return None
        groups = given.get("groups", 1)
        layer = kind(
            weight.shape[1] * groups, weight.shape[0], tuple(weight.shape[2:]), bias=False,
            dtype=weight.dtype, **given,
        )
        layer.weight = _kept(weight)
        if bias is not None:
            layer.bias = _kept(bias)
        return layer

    return make


def _pool(kind: Any) -> Callable[..., Any]:
    def make(given: dict[str, Any]) -> nn.Module | None:
        if given.pop("return_indices", False):
            return None
        stride = given.pop("stride", None)
        size = given.pop("kernel_size")
        made: nn.Module = kind(size, None if stride in (None, [], ()) else stride, **given)
        return made

    return make


def _adaptive(kind: Any) -> Callable[..., Any]:
    return lambda given: kind(given["output_size"])


def _norm(given: dict[str, Any]) -> nn.Module | None:
    if given.get("training") or given.get("running_mean") is None:
        return None
    mean, weight, bias = given["running_mean"], given.get("weight"), given.get("bias")
    kind = nn.BatchNorm2d if given["axes"] == 4 else nn.BatchNorm1d
    layer = kind(len(mean), eps=given.get("eps", 1e-5), affine=weight is not None, dtype=mean.dtype)
    layer.running_mean, layer.running_var = mean.clone(), given["running_var"].clone()
    if weight is not None:
        layer.weight = _kept(weight)
        layer.bias = _kept(torch.zeros_like(weight) if bias is None else bias)
    return layer


_WEIGHTS = ("input", "weight", "bias")
_CONVOLUTION = (*_WEIGHTS, "stride", "padding", "dilation", "groups")
_MAXIMUM = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode")
_MEAN = ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")
_FUNCTIONS: dict[Any, tuple[Callable[..., Any], Sequence[str]]] = {
    nn.functional.linear: (_linear, _WEIGHTS),
    torch.conv1d: (_convolution(nn.Conv1d, 1), _CONVOLUTION),
    torch.conv2d: (_convolution(nn.Conv2d, 2), _CONVOLUTION),
    torch.max_pool1d: (_pool(nn.MaxPool1d), _MAXIMUM),
    torch.max_pool2d: (_pool(nn.MaxPool2d), _MAXIMUM),
    nn.functional.max_pool1d: (_pool(nn.MaxPool1d), _MAXIMUM),
    nn.functional.max_pool2d: (_pool(nn.MaxPool2d), _MAXIMUM),
    nn.functional.avg_pool1d: (_pool(nn.AvgPool1d), _MEAN),
    nn.functional.avg_pool2d: (_pool(nn.AvgPool2d), (*_MEAN, "divisor_override")),
    nn.functional.adaptive_avg_pool1d: (_adaptive(nn.AdaptiveAvgPool1d), ("input", "output_size")),
    nn.functional.adaptive_avg_pool2d: (_adaptive(nn.AdaptiveAvgPool2d), ("input", "output_size")),
    nn.functional.batch_norm: (_norm, ("input", "running_mean", "running_var", *_WEIGHTS[1:])),
}
