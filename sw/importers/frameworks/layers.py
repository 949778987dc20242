"""Reads the layers of a torch module as operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ...support.errors import NotExpressible
from ..framework import Framework
from ..operations import Affine, Conv, Operation, Pool, Reshape, Scaling, Votes
from ..semantics import Floats, finite
from ..tracing.copies import parameter_dtype
from ..tracing.forward import single_step
from ..tracing.recording import NEAREST

__all__ = ["SILENT", "check_linear", "check_module", "operation", "operations"]

SILENT = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)
"""They do nothing in evaluation mode."""
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def check_module(name: str, child: nn.Module) -> None:
    """Refuse what would keep the module from being called, or its call from being understood."""
    kind = type(child).__name__
    if isinstance(child, _NORMS) and child.running_mean is None:
        raise NotExpressible(
            name, kind, "it keeps no running statistics, so what it does depends on the batch",
            "track_running_stats=True",
        )
    if isinstance(child, (nn.RNNBase, nn.RNNCellBase)):
        raise NotExpressible(
            name, kind, "it is recurrent, and recurrence is not runnable on this array yet", NEAREST
        )
    for key, value in child.named_parameters(recurse=False):
        if isinstance(value, nn.parameter.UninitializedParameter):
            continue  # a lazy layer creates it when it is called
        if not value.numel():
            raise ValueError(f"{name} ({kind}): its {key} is empty, {tuple(value.shape)}")
        if value.dtype not in (torch.float16, torch.float32, torch.float64):
            finite(name, kind, key, value)


def operations(
    name: str, child: nn.Module, framework: Framework, leading: int = 1
) -> Sequence[Operation]:
    """Return the operations of one layer; it is tried whether they are what it computes.

    Parameters
    ----------
    name : str
        Its name.
    child : torch.nn.Module
        The layer.
    framework : Framework
        What is known about its framework.
    leading : int
        How many axes its input had in front of those of a sample.

    Raises
    ------
    NotExpressible, ValueError
        Naming it.
    """
    if framework.is_layer(child):
        return framework.operations(name, child)
    if type(child) is nn.Flatten or (isinstance(child, nn.Flatten) and leading > 1):
        return [_flatten(name, child, leading)]
    op = operation(name, child)
    check_linear(op, child)
    return [op]


def _flatten(name: str, child: nn.Flatten, leading: int) -> Reshape:
    kind = type(child).__name__
    start = child.start_dim - leading if child.start_dim > 0 else child.start_dim
    end = child.end_dim - leading if child.end_dim > 0 else child.end_dim
    if start < 0 < child.start_dim:
        raise NotExpressible(
            name, kind, f"start_dim={child.start_dim} flattens steps or samples into the values of "
            f"one step, since its input has {leading} axes in front of them",
            f"start_dim={leading}",
        )
    return Reshape(name, kind, start, end)


def operation(name: str, child: nn.Module) -> Operation:
    """Return the operation of one layer of torch."""
    kind = type(child).__name__
    if isinstance(child, nn.Linear):
        return Affine(name, kind, *_weight_and_bias(name, kind, child))
    if isinstance(child, _NORMS):
        return _batch_norm(name, kind, child)
    if isinstance(child, nn.Flatten):
        # torch counts the batch as axis 0; a shape here is that of one sample.
        start = child.start_dim - 1 if child.start_dim > 0 else child.start_dim
        end = child.end_dim - 1 if child.end_dim > 0 else child.end_dim
        return Reshape(name, kind, start, end)
    if isinstance(child, nn.Conv2d):
        return _convolution(name, kind, child)
    if isinstance(child, (nn.AvgPool2d, nn.MaxPool2d)):
        return _pool(name, kind, child)
    if isinstance(child, nn.AvgPool1d):
        return _votes(name, kind, child)
    raise NotExpressible(name, kind, "no layer of this array computes it", NEAREST)


def _weight_and_bias(
    name: str, kind: str, child: nn.Linear | nn.Conv2d
) -> tuple[Floats, Floats]:
    weight = finite(name, kind, "weight", child.weight)
    if child.bias is None:
        return weight, np.zeros(len(weight))
    return weight, finite(name, kind, "bias", child.bias)


def _convolution(name: str, kind: str, child: nn.Conv2d) -> Conv:
    if child.padding_mode != "zeros":
        raise NotExpressible(
            name, kind, f"padding_mode={child.padding_mode!r}", "padding_mode='zeros'"
        )
    weight, bias = _weight_and_bias(name, kind, child)
    dilation, steps = _pair(child.dilation), _pair(child.stride)
    padding = child.padding if isinstance(child.padding, str) else _pair(child.padding)
    return Conv(name, kind, weight, bias, steps, padding, dilation, child.groups)


def _pool(name: str, kind: str, child: nn.AvgPool2d | nn.MaxPool2d) -> Pool:
    if child.ceil_mode:
        raise NotExpressible(
            name, kind, "ceil_mode keeps odd edges", "ceil_mode=False, which drops them"
        )
    if isinstance(child, nn.AvgPool2d) and child.divisor_override is not None:
        raise NotExpressible(name, kind, "divisor_override is set", "the usual divisor")
    mode = "average" if isinstance(child, nn.AvgPool2d) else "max"
    pairs = [_pair(each) for each in (child.kernel_size, child.stride, child.padding)]
    return Pool(name, kind, mode, *pairs)


def _votes(name: str, kind: str, child: nn.AvgPool1d) -> Votes:
    size, stride, padding = (
        int(np.reshape(each, -1)[0]) for each in (child.kernel_size, child.stride, child.padding)
    )
    if stride != size or padding or child.ceil_mode:
        raise NotExpressible(
            name, kind, f"window {size}, stride {stride}, padding {padding}, "
            f"ceil_mode={child.ceil_mode}", "stride = window, no padding, ceil_mode=False",
        )
    return Votes(name, kind, size)


def _batch_norm(name: str, kind: str, child: nn.BatchNorm1d | nn.BatchNorm2d) -> Scaling:
    mean = finite(name, kind, "running_mean", child.running_mean)
    variance = finite(name, kind, "running_var", child.running_var)
    factor = 1.0 / np.sqrt(variance + child.eps)
    offset = -mean * factor
    if child.affine:
        gamma = finite(name, kind, "weight", child.weight)
        factor, offset = factor * gamma, offset * gamma + finite(name, kind, "bias", child.bias)
    return Scaling(name, kind, factor, offset)


def check_linear(op: Operation, child: nn.Module) -> None:
    """Refuse a layer that does not compute what its parameters say; it is tried on random numbers.

    A subclass may compute something else, and so may a layer with hooks or a parametrization.
    """
    if not isinstance(op, (Affine, Conv, Scaling)):
        return
    generator = torch.Generator().manual_seed(1)
    values = torch.rand(_trial_shape(op, child), generator=generator, dtype=parameter_dtype(child))
    with torch.no_grad(), single_step([child]):
        # rockpool's own call returns more than the output.
        found = nn.Module.__call__(child, values).numpy().astype(np.float64)
    wanted = _computed(op, values.numpy().astype(np.float64))
    # float16 parameters and a different order of the sums cause errors well below these.
    if found.shape != wanted.shape or not np.allclose(found, wanted, rtol=1e-3, atol=1e-4):
        raise NotExpressible(
            op.name, op.kind, "it computes something else than its weights and biases say",
            f"the plain torch.nn.{op.kind}",
        )


def _trial_shape(op: Affine | Conv | Scaling, child: nn.Module) -> tuple[int, ...]:
    """Return the shape of a small batch that the layer takes."""
    if isinstance(op, Affine):
        return (4, op.weight.shape[1])
    if isinstance(op, Conv):
        high, wide = (k * d + 3 for k, d in zip(op.weight.shape[2:], op.dilation, strict=True))
        return (4, op.weight.shape[1] * op.groups, high, wide)
    return (4, op.factor.size, *((3, 3) if isinstance(child, nn.BatchNorm2d) else ()))


def _computed(op: Affine | Conv | Scaling, x: Floats) -> Floats:
    """Return the result of the operation for a batch."""
    if isinstance(op, Affine):
        return x @ op.weight.T + op.bias
    if isinstance(op, Conv):
        result: Floats = nn.functional.conv2d(
            torch.from_numpy(x), torch.from_numpy(op.weight), torch.from_numpy(op.bias),
            op.stride, op.padding, op.dilation, op.groups,
        ).numpy()
        return result
    trailing = (-1, *[1] * (x.ndim - 2))
    return x * op.factor.reshape(trailing) + op.offset.reshape(trailing)


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, (tuple, list)):
        return int(value[0]), int(value[1])
    return int(value), int(value)
