"""Turns torch modules into networks: finds the chain of their layers, and runs these layers step by
step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from ...network import Network
from ...support.errors import NotExpressible
from ...support.values import exact_int
from ..convert import convert
from ..framework import Framework
from ..graph import FloatNetwork, Run, assemble
from ..operations import Affine, Conv, Neurons, Operation, Pool, Reshape, Scaling, Shape
from ..semantics import Floats, finite
from ..settings import Settings
from .recording import NEAREST, parameter_dtype, record

__all__ = ["as_operations", "check_step", "checked_module", "checked_shape", "convert_module"]

# They do nothing in evaluation mode.
_SILENT = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def checked_module(module: Any) -> nn.Module:
    """Return ``module``.

    Raises
    ------
    TypeError
        If it is not a torch module.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a torch.nn.Module, not {module!r}")
    return module


def checked_shape(shape: Any) -> Shape:
    """Return the shape of one sample, without batch and steps.

    Raises
    ------
    TypeError
        If it is not a tuple of integers.
    ValueError
        If a size is out of range.
    """
    if not isinstance(shape, (tuple, list, torch.Size)) or not shape:
        raise TypeError(
            "sample_shape must be the shape of one sample, without batch and steps, such as "
            f"(784,), not {shape!r}"
        )
    return tuple(
        exact_int(f"sample_shape[{i}]", size, 1, 1 << 31) for i, size in enumerate(shape)
    )


def check_step(
    name: str,
    kind: str,
    setting: str,
    function: Callable[[torch.Tensor], torch.Tensor],
    rule: str,
    nearest: str,
) -> None:
    """Refuse a spike function that is not a step in the forward pass.

    Parameters
    ----------
    name : str
        Name of the neuron.
    kind : str
        Type of the neuron.
    setting : str
        What the framework calls the function.
    function : callable
        Distances of the membrane from the threshold to spikes.
    rule : str
        When the neuron fires, as a comparison with ``>=`` or ``>``.
    nearest : str
        What to use instead.

    Raises
    ------
    NotExpressible
        Naming the neuron.
    """
    with torch.no_grad():
        found = function(torch.tensor([-1.0, -0.25, 0.0, 0.25, 1.0])).tolist()
    if found != [0, 0, int(">=" in rule), 1, 1]:
        raise NotExpressible(
            name, kind, f"its {setting} is not the step of {rule} in the forward pass", nearest
        )


def convert_module(
    module: nn.Module, shape: Shape, sample: Any, framework: Framework, settings: Settings
) -> Network:
    """Import a torch module.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    shape : tuple of int
        Shape of one sample.
    sample : tensor or array_like or None
        What the module is called with; None for zeros of ``(1, *shape)``.
    framework : Framework
        What is known about its neurons.
    settings : Settings
        The importer's options.

    Returns
    -------
    Network
        With its report.

    Raises
    ------
    NotExpressible, TypeError, ValueError
        Naming the layer or the argument.
    """
    operations, reference = as_operations(module, shape, sample, framework, settings.readout)
    layers = assemble(operations, shape, settings.readout)
    name = f"{framework.name} module {type(module).__name__}"
    network = FloatNetwork(name, shape, layers, (framework.assumed,), reference)
    return convert(network, settings)


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Put the module into evaluation mode, and restore the mode of every part afterwards."""
    training = {child: child.training for child in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for child, mode in training.items():
            child.training = mode


def as_operations(
    module: nn.Module, shape: Shape, sample: Any, framework: Framework, readout: str | None
) -> tuple[list[Operation], Callable[[Floats], Run]]:
    """Return the operations of a module in order, and a function that runs its own layers.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    shape : tuple of int
        Shape of one sample.
    sample : tensor or array_like or None
        What the module is called with; None for zeros of ``(1, *shape)``.
    framework : Framework
        What is known about its neurons.
    readout : str or None
        As asked for; the module may return a membrane if it is "membrane".

    Raises
    ------
    NotExpressible, ValueError
        Naming the layer.
    """
    for name, child in module.named_modules():
        _check_module(name, child)
    with _evaluating(module):
        framework.reset_all(module)
        recorder, order = record(module, shape, sample, framework.is_layer, readout)
        framework.reset_all(module)
        by_name = {name: child for child, name in recorder.names.items()}
        operations: list[Operation] = []
        chain: list[nn.Module] = []
        current = shape
        for name in order:
            child = by_name[name]
            if isinstance(child, (*_SILENT, *framework.silent)):
                continue
            op = _operation(name, child, framework)
            operations.append(op)
            if isinstance(op, Reshape):
                current = op.output_shape(current)
                continue
            if not isinstance(op, Neurons):
                _check_linear(op, child)
            chain.append(child)

    def reference(inputs: Floats) -> Run:
        with _evaluating(module), torch.no_grad():
            return _run(chain, framework, inputs)

    return operations, reference


def _check_module(name: str, child: nn.Module) -> None:
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


def _operation(name: str, child: nn.Module, framework: Framework) -> Operation:
    """Return the operation of one layer."""
    kind = type(child).__name__
    if isinstance(child, framework.base):
        return _neurons(name, kind, child, framework)
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
    raise NotExpressible(name, kind, "no layer of this array computes it", NEAREST)


def _neurons(name: str, kind: str, child: nn.Module, framework: Framework) -> Neurons:
    if framework.is_neuron(child):
        return Neurons(name, kind, framework.neurons[type(child)](name, child))
    known = [each for each in framework.neurons if isinstance(child, each)]
    reason = (
        f"it is a subclass of {known[0].__name__}, whose rule may be another"
        if known
        else "no neuron of this array computes its rule"
    )
    raise NotExpressible(name, kind, reason, framework.nearest)


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


def _batch_norm(name: str, kind: str, child: nn.BatchNorm1d | nn.BatchNorm2d) -> Scaling:
    mean = finite(name, kind, "running_mean", child.running_mean)
    variance = finite(name, kind, "running_var", child.running_var)
    factor = 1.0 / np.sqrt(variance + child.eps)
    offset = -mean * factor
    if child.affine:
        gamma = finite(name, kind, "weight", child.weight)
        factor, offset = factor * gamma, offset * gamma + finite(name, kind, "bias", child.bias)
    return Scaling(name, kind, factor, offset)


def _check_linear(op: Operation, child: nn.Module) -> None:
    """Refuse a layer that does not compute what its parameters say; it is tried on random numbers.

    A subclass may compute something else, and so may a layer with hooks or a parametrization.
    """
    if not isinstance(op, (Affine, Conv, Scaling)):
        return
    generator = torch.Generator().manual_seed(1)
    values = torch.rand(_trial_shape(op, child), generator=generator, dtype=parameter_dtype(child))
    with torch.no_grad(), _single_step([child]):
        found = child(values).numpy().astype(np.float64)
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


@contextmanager
def _single_step(children: Sequence[nn.Module]) -> Iterator[None]:
    """Put modules with a step mode (those of SpikingJelly) into the mode of one step per call."""
    modes = [(child, child.step_mode) for child in children if hasattr(child, "step_mode")]
    for child, _ in modes:
        child.step_mode = "s"  # type: ignore[assignment]
    try:
        yield
    finally:
        for child, mode in modes:
            child.step_mode = mode


def _run(chain: Sequence[nn.Module], framework: Framework, inputs: Floats) -> Run:
    """Run the module's own layers step by step."""
    spiking = [child for child in chain if framework.is_neuron(child)]
    records: dict[nn.Module, list[np.ndarray[Any, np.dtype[np.bool_]]]] = {
        child: [] for child in spiking
    }
    # The outputs of weights that no neurons follow are summed over the steps, as ``assemble`` does.
    summed = not spiking or chain[-1] is not spiking[-1]
    membrane = np.zeros(0)
    weights = (child for child in chain if isinstance(child, (nn.Linear, nn.Conv2d)))
    dtype = parameter_dtype(next(weights, chain[0]))
    with _single_step(chain):
        for child in spiking:
            framework.reset(child)
        for step in inputs:
            value = torch.tensor(step, dtype=dtype)
            for child in chain:
                value = _called(child, value)
                if child in records:
                    records[child].append(value.numpy().reshape(len(value), -1) > 0)
            if summed:
                flat = value.numpy().reshape(len(value), -1).astype(np.float64)
                membrane = flat if not membrane.size else membrane + flat
        if not summed:
            membrane = _membrane(spiking[-1])
        for child in spiking:
            framework.reset(child)
    spikes = [np.stack(each) for each in records.values()]
    if summed:
        spikes.append(np.zeros((len(inputs), *membrane.shape), dtype=np.bool_))
    return Run(spikes, membrane)


def _called(child: nn.Module, value: torch.Tensor) -> torch.Tensor:
    """Return the output of a layer, without its state."""
    if isinstance(child, (nn.Linear, nn.BatchNorm1d)):
        value = value.reshape(len(value), -1)
    output = child(value)
    first: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return first


def _membrane(child: nn.Module) -> Floats:
    # snnTorch calls it mem, SpikingJelly v.
    value: Any = getattr(child, "mem", None)
    if value is None:
        value = child.v
    result: Floats = value.detach().numpy().reshape(len(value), -1).astype(np.float64)
    return result
