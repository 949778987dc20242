"""SpikingJelly's containers that give neurons their own last spikes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from ...support.errors import NotExpressible
from ..framework import Framework
from ..operations import Affine, Neurons, Operation
from ..semantics import Floats
from .layers import SILENT, operations

__all__ = ["element_wise_recurrent", "innermost", "linear_recurrent"]

_INSIDE = "neurons of the documentation's table in it, alone or behind Linear layers"


def innermost(module: Any) -> Any:
    """Return the neurons in a container, or the module itself."""
    while hasattr(module, "sub_module"):
        inner = module.sub_module
        module = inner[-1] if isinstance(inner, nn.Sequential) else inner
    return module


def linear_recurrent(name: str, container: Any, framework: Framework) -> Sequence[Operation]:
    """Return weights and neurons of a ``LinearRecurrentContainer``: a ``Linear`` on the input and
    the last spikes, side by side."""
    [own] = operations(f"{name}.rc", container.rc, framework)
    if not isinstance(own, Affine):
        raise NotExpressible(own.name, own.kind, "it is no Linear", "a Linear")
    inputs = own.weight.shape[1] - container.sub_module_out_features
    inner, neurons = _inside(name, container, framework)
    weight, bias = own.weight, own.bias
    for each in inner:
        weight, bias = each.weight @ weight, each.weight @ bias + each.bias
    return [
        Affine(own.name, own.kind, weight[:, :inputs], bias),
        _recurrent(neurons, weight[:, inputs:]),
    ]


def element_wise_recurrent(
    name: str, container: Any, framework: Framework
) -> Sequence[Operation]:
    """Return the operations of an ``ElementWiseRecurrentContainer``: a function of the last spikes
    and the input, which must add a multiple of the spikes to the input."""
    kind = type(container).__name__
    factor = _added(container.element_wise_function)
    if factor is None:
        raise NotExpressible(
            name, kind, "its element_wise_function does something else than to add a multiple of "
            "the last spikes to the input", "element_wise_function=torch.add",
        )
    inner, neurons = _inside(name, container, framework)
    weight: Floats = np.asarray(factor)
    for each in inner:
        weight = each.weight @ weight if weight.ndim else each.weight * weight
    return [*inner, _recurrent(neurons, weight)]


def _added(function: Any) -> float | None:
    """Return the multiple of the last spikes that a function adds to the input; None if it does
    something else. It is tried on random inputs, since a spike is 0 or 1."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(64, 7, generator=generator, dtype=torch.float64) * 4
    spikes = torch.randint(0, 2, inputs.shape, generator=generator).to(inputs)
    with torch.no_grad():
        try:
            added = function(spikes.clone(), inputs.clone()) - inputs
        except Exception:  # whatever the function raises
            return None
    if not isinstance(added, torch.Tensor) or added.shape != inputs.shape:
        return None
    factor = float(added[spikes > 0].mean())
    return factor if torch.allclose(added, factor * spikes, rtol=0, atol=1e-9) else None


def _inside(
    name: str, container: Any, framework: Framework
) -> tuple[list[Affine], Neurons]:
    """Return the weights and the neurons in a container."""
    inner = container.sub_module
    several: Iterable[tuple[str, nn.Module]] = [("", inner)]
    if type(inner) is nn.Sequential:
        several = inner.named_children()
    ops: list[Operation] = []
    for key, child in several:
        if isinstance(child, SILENT):
            continue
        place = f"{name}.sub_module.{key}" if key else f"{name}.sub_module"
        if not isinstance(child, (nn.Linear, *_types(framework))):
            raise NotExpressible(
                place, type(child).__name__, "it is in a recurrent container", _INSIDE
            )
        ops += operations(place, child, framework)
    *weights, neurons = ops
    affine = [each for each in weights if isinstance(each, Affine)]
    if not isinstance(neurons, Neurons) or not neurons.cell.fires or len(affine) < len(weights):
        raise NotExpressible(
            name, type(container).__name__, "it has something else in it than weights and then "
            "neurons that fire", _INSIDE,
        )
    return affine, replace(neurons, name=name, kind=type(container).__name__)


def _types(framework: Framework) -> tuple[type, ...]:
    """Return the types of what may be in a container: neurons, those that are refused too."""
    return (*framework.neurons, *framework.refused)


def _recurrent(neurons: Neurons, weight: Floats) -> Neurons:
    source = f"{neurons.cell.source} in a {neurons.kind}"
    return replace(neurons, cell=replace(neurons.cell, recurrent=weight, source=source))
