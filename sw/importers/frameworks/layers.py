"""Reads the layers of a torch module as operations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from ...support.errors import NotExpressible
from ..framework import Framework
from ..operations import Affine, Conv, Operation, Reshape, Scaling
from ..semantics import Floats, finite
from ..tracing.copies import parameter_dtype
from ..tracing.forward import in_one_step, single_step
from ..tracing.layers import EACH_STEP, NEAREST, NORMS, is_brevitas
from .brevitas import check_brevitas
from .torch_layers import kind_of, torch_operation

__all__ = ["SILENT", "check_module", "operations"]


SILENT = (
    nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)
"""They do nothing in evaluation mode."""
# Layers of SpikingJelly that keep something from step to step, although they are no neurons.
_BY_NAME = {
    **dict.fromkeys((f"BatchNormThroughTime{axes}d" for axes in (1, 2, 3)), EACH_STEP),
    **dict.fromkeys(
        (f"TemporalEffectiveBatchNorm{axes}d" for axes in (1, 2, 3)),
        ("it has another scale for each step", "one BatchNorm for all steps, trained again"),
    ),
    "NeuNorm": ("it divides by a running mean of the spikes", "BatchNorm2d"),
    "DropConnectLinear": ("it draws random numbers after training too", "Linear"),
}


def check_module(name: str, child: nn.Module) -> None:
    """Refuse what would keep the module from being called, or its call from being understood."""
    kind = kind_of(child)
    if isinstance(child, NORMS) and child.running_mean is None:
        raise NotExpressible(
            name, kind, "it keeps no running statistics, so what it does depends on the batch",
            "track_running_stats=True",
        )
    if is_brevitas(child):
        check_brevitas(name, kind, child)
    if kind in _BY_NAME:
        raise NotExpressible(name, kind, *_BY_NAME[kind])
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
    _run_own_hooks(child)
    op = torch_operation(name, child)
    _check_linear(op, child)
    return [op]


def _run_own_hooks(child: nn.Module) -> None:
    """Put the weights in effect in place where hooks of torch.nn.utils compute them in each call,
    as those of the old weight_norm and spectral_norm do."""
    for hook in child._forward_pre_hooks.values():
        if type(hook).__module__.startswith("torch.nn.utils."):
            with torch.no_grad():
                hook(child, ())


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


def _check_linear(op: Operation, child: nn.Module) -> None:
    """Refuse a layer that does not compute what its parameters say; it is tried on random numbers.

    A subclass may compute something else, and so may a layer with hooks or a parametrization.
    """
    if not isinstance(op, (Affine, Conv, Scaling)):
        return
    generator = torch.Generator().manual_seed(1)
    dtype = parameter_dtype(child)
    drawn = torch.rand(_trial_shape(op, child), generator=generator).to(dtype)
    with torch.no_grad(), single_step([child]):
        found = _numbers(in_one_step(child, drawn))
    wanted = _computed(op, _numbers(drawn))
    # float16 parameters and a different order of the sums cause errors well below these.
    error = max(1e-3, 4 * torch.finfo(dtype).eps)
    if found.shape != wanted.shape or not np.allclose(found, wanted, rtol=error, atol=error / 10):
        hooks = " without hooks on it" if child._forward_hooks else ""
        raise NotExpressible(
            op.name, op.kind, "it computes something else than its weights and biases say",
            f"the plain torch.nn.{op.kind}{hooks}",
        )


def _numbers(values: torch.Tensor) -> Floats:
    result: Floats = values.detach().double().numpy()
    return result


def _trial_shape(op: Affine | Conv | Scaling, child: nn.Module) -> tuple[int, ...]:
    """Return the shape of a small batch that the layer takes."""
    if isinstance(op, Affine):
        return (4, op.weight.shape[1])
    if isinstance(op, Conv):
        axes = (k * d + 3 for k, d in zip(op.weight.shape[2:], op.dilation, strict=True))
        return (4, op.weight.shape[1] * op.groups, *axes)
    on_map = kind_of(child).endswith("2d") or isinstance(child, nn.SyncBatchNorm)
    return (4, op.factor.size, *((3, 3) if on_map else ()))


def _computed(op: Affine | Conv | Scaling, x: Floats) -> Floats:
    """Return the result of the operation for a batch."""
    if isinstance(op, Affine):
        return x @ op.weight.T + op.bias
    if isinstance(op, Conv):
        convolved = nn.functional.conv1d if op.weight.ndim == 3 else nn.functional.conv2d
        result: Floats = convolved(
            torch.from_numpy(x), torch.from_numpy(op.weight), torch.from_numpy(op.bias),
            op.stride, op.padding, op.dilation, op.groups,
        ).numpy()
        return result
    trailing = (-1, *[1] * (x.ndim - 2))
    return x * op.factor.reshape(trailing) + op.offset.reshape(trailing)
