"""Checks of what an importer of torch modules is given."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from ...support.errors import NotExpressible
from ...support.values import exact_int
from ..operations import Shape

__all__ = ["check_step", "checked_module", "checked_shape", "shown"]


def checked_module(module: Any) -> nn.Module:
    """Return ``module``.

    Raises
    ------
    TypeError
        If it is not a torch module.
    """
    if isinstance(module, (str, os.PathLike)):
        raise TypeError(
            f"module must be a torch.nn.Module, not {os.fspath(module)!r}: make the module, and "
            "load its weights into it (module.load_state_dict(torch.load(path)))"
        )
    if isinstance(module, Mapping):
        raise TypeError(
            "module must be a torch.nn.Module, not a dictionary of its weights: make the module, "
            "and load them into it (module.load_state_dict(weights))"
        )
    if isinstance(module, nn.Module):
        return module
    if isinstance(module, type) and issubclass(module, nn.Module):
        raise TypeError(
            f"module must be a torch.nn.Module, not the class {module.__name__}: make one of it, "
            f"{module.__name__}(...)"
        )
    if isinstance(module, (list, tuple)) and any(isinstance(each, nn.Module) for each in module):
        raise TypeError(
            f"module must be a torch.nn.Module, not a {type(module).__name__}: if these are its "
            "layers in order, give torch.nn.Sequential(*layers)"
        )
    raise TypeError(f"module must be a torch.nn.Module, not {shown(module)}")


def shown(value: Any) -> str:
    """Return a value in a few words, for messages."""
    text = repr(value)
    return text if len(text) <= 60 and "\n" not in text else f"a {type(value).__name__}"


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
            f"(784,), not {shown(shape)}"
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
