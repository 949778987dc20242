"""Single numbers that a torch module keeps between calls, such as counters."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

import torch
from torch import nn

from ..framework import Framework

__all__ = ["numbers", "set_numbers"]


def _holders(module: nn.Module, framework: Framework) -> Iterator[tuple[str, dict[str, Any]]]:
    """Iterate over what the module's parts that are no neurons keep, by their names."""
    for name, child in module.named_modules():
        if not framework.is_layer(child):
            for kept in (vars(child), child._buffers):
                yield name, kept


def numbers(module: nn.Module, framework: Framework) -> dict[str, float]:
    """Return the single numbers that a module keeps, by their names."""
    found = {}
    for name, kept in _holders(module, framework):
        for key, value in kept.items():
            single = isinstance(value, torch.Tensor) and value.numel() == 1
            if single or (isinstance(value, (int, float)) and not isinstance(value, bool)):
                number = float(value)
                if isfinite(number):
                    found[f"{name}.{key}" if name else key] = number
    return found


def set_numbers(module: nn.Module, framework: Framework, values: dict[str, float]) -> None:
    """Set single numbers that a module keeps."""
    for name, kept in _holders(module, framework):
        for key, value in kept.items():
            new = values.get(f"{name}.{key}" if name else key)
            if new is None:
                continue
            if isinstance(value, torch.Tensor):
                kept[key] = torch.full_like(value, new)
            else:
                kept[key] = type(value)(new)
