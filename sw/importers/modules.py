"""torch modules to a chain of operations, and their own layers run step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from ..support.errors import NotExpressible
from ..support.values import exact_int
from .graph import Run
from .operations import Affine, Conv, Neurons, Operation, Pool, Reshape, Scaling, Shape
from .recording import NEAREST, parameter_dtype, record
from .semantics import Cell, Floats, finite

__all__ = ["Translate", "as_operations", "checked_module", "checked_shape"]

Translate = Callable[[str, nn.Module], Cell]

_SILENT = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def checked_module(module: Any) -> nn.Module:
    """A torch module.

    Raises
    ------
    TypeError
        If it is none.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a torch.nn.Module, not {module!r}")
    return module


def checked_shape(shape: Any) -> Shape:
    """The shape of one sample, without batch and steps.

    Raises
    ------
    TypeError, ValueError
        If it is none.
    """
    if not isinstance(shape, (tuple, list, torch.Size)) or not shape:
        raise TypeError(
            "sample_shape must be the shape of one sample, without batch and steps, such as "
            f"(784,), not {shape!r}"
        )
    return tuple(
        exact_int(f"sample_shape[{i}]", size, 1, 1 << 31) for i, size in enumerate(shape)
    )


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """The module in its evaluation mode, on whatever it was before afterwards."""
    training = {child: child.training for child in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for child, mode in training.items():
            child.training = mode


def as_operations(
    module: nn.Module,
    shape: Shape,
    sample: Any,
    neurons: Mapping[type, Translate],
    base: tuple[type, ...],
    silent: tuple[type, ...],
    reset: Callable[[nn.Module], None],
    nearest: str,
    readout: str | None,
) -> tuple[list[Operation], Callable[[Floats], Run]]:
    """The chain of a module, and a function that runs its own layers.

    Parameters
    ----------
    sample : what the module is called with; None: zeros of (1, *shape).
    neurons : by exact type, what translates it.
    base : classes all neurons of the framework derive from; another such neuron is refused.
    silent : modules of the framework that do nothing once trained.
    reset : puts a neuron back to the start of a sample.
    nearest : neurons that can be expressed, for messages.
    readout : as asked for; "membrane" where the module may return a membrane.

    Raises
    ------
    NotExpressible, ValueError
        Naming the layer.
    """
    def leaf(child: nn.Module) -> bool:
        return isinstance(child, base) and not isinstance(child, silent)

    for name, child in module.named_modules():
        if isinstance(child, _NORMS) and child.running_mean is None:
            raise NotExpressible(
                name, type(child).__name__,
                "it keeps no running statistics, so what it does depends on the batch",
                "track_running_stats=True",
            )
        _check_module(name, child)
    with _evaluating(module):
        _reset_all(module, neurons, reset)
        recorder, order = record(module, shape, sample, leaf, readout)
        _reset_all(module, neurons, reset)
        by_name = {name: child for child, name in recorder.names.items()}
        ops: list[Operation] = []
        run: list[tuple[str, nn.Module]] = []
        current = shape
        for name in order:
            child = by_name[name]
            if isinstance(child, (*_SILENT, *silent)):
                continue
            op = _operations(name, child, neurons, base, nearest, current)
            ops += op
            if isinstance(child, nn.Flatten):
                current = _reshaped(child, op, current)
                continue
            if not isinstance(child, base):
                _check_linear(name, child, op)
            run.append((name, child))

    def reference(inputs: Floats) -> Run:
        with _evaluating(module), torch.no_grad():
            return _run(run, neurons, reset, inputs)

    return ops, reference


def _check_module(name: str, child: nn.Module) -> None:
    """What would keep the module from being called, or the call from being understood."""
    kind = type(child).__name__
    if isinstance(child, (nn.RNNBase, nn.RNNCellBase)):
        raise NotExpressible(
            name, kind, "it is recurrent, and recurrence is not runnable on this array yet", NEAREST
        )
    for key, value in child.named_parameters(recurse=False):
        if isinstance(value, nn.parameter.UninitializedParameter):
            continue  # the call makes it
        if not value.numel():
            raise ValueError(f"{name} ({kind}): its {key} is empty, {tuple(value.shape)}")
        if value.dtype not in (torch.float16, torch.float32, torch.float64):
            finite(name, kind, key, value)


def _reset_all(
    module: nn.Module, neurons: Mapping[type, Translate], reset: Callable[[nn.Module], None]
) -> None:
    for child in module.modules():
        if type(child) in neurons:
            reset(child)


def _operations(
    name: str,
    child: nn.Module,
    neurons: Mapping[type, Translate],
    base: tuple[type, ...],
    nearest: str,
    shape: Shape,
) -> list[Operation]:
    kind = type(child).__name__
    if type(child) in neurons:
        return [Neurons(name, kind, neurons[type(child)](name, child))]
    if isinstance(child, base):
        known = [each for each in neurons if isinstance(child, each)]
        reason = (
            f"it is a subclass of {known[0].__name__}, whose rule may be another"
            if known
            else "no neuron of this array computes its rule"
        )
        raise NotExpressible(name, kind, reason, nearest)
    if isinstance(child, nn.Linear):
        weight = finite(name, kind, "weight", child.weight)
        bias = np.zeros(len(weight))
        if child.bias is not None:
            bias = finite(name, kind, "bias", child.bias)
        return [Affine(name, kind, weight, bias)]
    if isinstance(child, _NORMS):
        return [_batch_norm(name, kind, child)]
    if isinstance(child, nn.Flatten):
        start = child.start_dim - 1 if child.start_dim > 0 else child.start_dim
        end = child.end_dim - 1 if child.end_dim > 0 else child.end_dim
        return [Reshape(name, kind, start, end)]
    if isinstance(child, nn.Conv2d):
        if child.padding_mode != "zeros":
            raise NotExpressible(
                name, kind, f"padding_mode={child.padding_mode!r}", "padding_mode='zeros'"
            )
        weight = finite(name, kind, "weight", child.weight)
        bias = np.zeros(len(weight))
        if child.bias is not None:
            bias = finite(name, kind, "bias", child.bias)
        dilation, steps = _pair(child.dilation), _pair(child.stride)
        padding = child.padding if isinstance(child.padding, str) else _pair(child.padding)
        return [Conv(name, kind, weight, bias, steps, padding, dilation, child.groups)]
    if isinstance(child, (nn.AvgPool2d, nn.MaxPool2d)):
        if child.ceil_mode:
            raise NotExpressible(
                name, kind, "ceil_mode keeps odd edges", "ceil_mode=False, which drops them"
            )
        if isinstance(child, nn.AvgPool2d) and child.divisor_override is not None:
            raise NotExpressible(name, kind, "divisor_override is set", "the usual divisor")
        mode = "average" if isinstance(child, nn.AvgPool2d) else "max"
        pairs = [_pair(each) for each in (child.kernel_size, child.stride, child.padding)]
        return [Pool(name, kind, mode, *pairs)]
    raise NotExpressible(name, kind, "no layer of this array computes it", NEAREST)


def _batch_norm(name: str, kind: str, child: nn.BatchNorm1d | nn.BatchNorm2d) -> Scaling:
    mean = finite(name, kind, "running_mean", child.running_mean)
    variance = finite(name, kind, "running_var", child.running_var)
    factor = 1.0 / np.sqrt(variance + child.eps)
    offset = -mean * factor
    if child.affine:
        gamma = finite(name, kind, "weight", child.weight)
        factor, offset = factor * gamma, offset * gamma + finite(name, kind, "bias", child.bias)
    return Scaling(name, kind, factor, offset)


def _reshaped(child: nn.Module, op: Sequence[Operation], shape: Shape) -> Shape:
    reshape = op[0]
    assert isinstance(reshape, Reshape)
    return reshape.output_shape(shape)


def _check_linear(name: str, child: nn.Module, ops: Sequence[Operation]) -> None:
    """That a layer computes what its parameters say, on random numbers."""
    op = ops[0]
    if not isinstance(op, (Affine, Conv, Scaling)):
        return
    shape: tuple[int, ...] = (4, op.factor.size if isinstance(op, Scaling) else 0)
    if isinstance(op, Affine):
        shape = (4, op.weight.shape[1])
    elif isinstance(op, Conv):
        high, wide = (k * d + 3 for k, d in zip(op.weight.shape[2:], op.dilation, strict=True))
        shape = (4, op.weight.shape[1] * op.groups, high, wide)
    elif isinstance(child, nn.BatchNorm2d):
        shape = (*shape, 3, 3)
    generator = torch.Generator().manual_seed(1)
    values = torch.rand(shape, generator=generator, dtype=parameter_dtype(child))
    with torch.no_grad(), _single_step([child]):
        found = child(values).numpy().astype(np.float64)
    x = values.numpy().astype(np.float64)
    if isinstance(op, Affine):
        wanted = x @ op.weight.T + op.bias
    elif isinstance(op, Conv):
        wanted = nn.functional.conv2d(
            torch.from_numpy(x), torch.from_numpy(op.weight), torch.from_numpy(op.bias),
            op.stride, op.padding, op.dilation, op.groups,
        ).numpy()
    else:
        trailing = (-1, *[1] * (x.ndim - 2))
        wanted = x * op.factor.reshape(trailing) + op.offset.reshape(trailing)
    if found.shape != wanted.shape or not np.allclose(found, wanted, rtol=1e-3, atol=1e-4):
        raise NotExpressible(
            name, op.kind, "it computes something else than its weights and biases say",
            f"the plain torch.nn.{op.kind}",
        )


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, (tuple, list)):
        return int(value[0]), int(value[1])
    return int(value), int(value)


@contextmanager
def _single_step(children: Sequence[nn.Module]) -> Iterator[None]:
    """Modules that know several steps at once (SpikingJelly) on one."""
    modes = [(child, child.step_mode) for child in children if hasattr(child, "step_mode")]
    for child, _ in modes:
        child.step_mode = "s"  # type: ignore[assignment]
    try:
        yield
    finally:
        for child, mode in modes:
            child.step_mode = mode


def _run(
    chain: Sequence[tuple[str, nn.Module]],
    neurons: Mapping[type, Translate],
    reset: Callable[[nn.Module], None],
    inputs: Floats,
) -> Run:
    """The module's own layers, step by step."""
    spiking = [child for _, child in chain if type(child) in neurons]
    records: list[list[np.ndarray[Any, np.dtype[np.bool_]]]] = [[] for _ in spiking]
    summed = not spiking or chain[-1][1] is not spiking[-1]
    membrane = np.zeros(0)
    children = [child for _, child in chain]
    weights = (child for child in children if isinstance(child, (nn.Linear, nn.Conv2d)))
    dtype = parameter_dtype(next(weights, children[0]))
    with _single_step(children):
        for child in spiking:
            reset(child)
        for step in inputs:
            value = torch.tensor(step, dtype=dtype)
            index = 0
            for child in children:
                if isinstance(child, (nn.Linear, nn.BatchNorm1d)):
                    value = value.reshape(len(value), -1)
                output = child(value)
                value = output[0] if isinstance(output, tuple) else output
                if type(child) in neurons:
                    records[index].append(value.numpy().reshape(len(value), -1) > 0)
                    index += 1
            if summed:
                flat = value.numpy().reshape(len(value), -1).astype(np.float64)
                membrane = flat if not membrane.size else membrane + flat
        if not summed:
            membrane = _membrane(spiking[-1])
        for child in spiking:
            reset(child)
    spikes = [np.stack(each) for each in records]
    if summed:
        spikes.append(np.zeros((len(inputs), *membrane.shape), dtype=np.bool_))
    return Run(spikes, membrane)


def _membrane(child: nn.Module) -> Floats:
    value: Any = getattr(child, "mem", None)
    if value is None:
        value = child.v
    result: Floats = value.detach().numpy().reshape(len(value), -1).astype(np.float64)
    return result
