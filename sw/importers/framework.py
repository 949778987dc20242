"""What an importer knows about its framework, and the import of optional packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..support.errors import ToolError
from .semantics import Cell

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["Framework", "Translate", "imported"]

Translate = Callable[[str, Any], Cell]
"""A function of a neuron's name and module that gives its rule, or refuses it."""


def imported(name: str) -> Any:
    """Import an optional package, or one of its modules.

    Raises
    ------
    ToolError
        If it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ToolError(
            f"{package} is not installed: pip install 'stablespike[import]'"
        ) from error


def _steps_first(module: Any, values: torch.Tensor) -> torch.Tensor:
    return values if getattr(module, "step_mode", "s") == "m" else values[None]


@dataclass(frozen=True)
class Framework:
    """A framework of torch modules.

    Attributes
    ----------
    name : str
        Name of the framework, for reports.
    neurons : mapping of type to callable
        The function that translates the neurons of each type. Subclasses are refused, since their
        rule may differ.
    base : type
        The class that all neurons of the framework derive from.
    silent : tuple of type
        Modules of the framework that do nothing once training is over.
    reset : callable
        Resets a neuron to the start of a sample.
    nearest : str
        The neurons that can be expressed, for messages.
    assumed : str
        The semantics of the framework's neurons, for reports.
    unfolded : callable
        Gives ``(steps, batch, ...)`` of what a neuron takes or returns in one call. By default, a
        call is one step, or all of them in step mode "m", which has them as the first axis.
    """

    name: str
    neurons: Mapping[type, Translate]
    base: type
    silent: tuple[type, ...]
    reset: Callable[[Any], None]
    nearest: str
    assumed: str
    unfolded: Callable[[Any, torch.Tensor], torch.Tensor] = _steps_first

    def is_neuron(self, module: nn.Module) -> bool:
        """Whether a module is a neuron that can be expressed."""
        return type(module) in self.neurons

    def is_layer(self, module: nn.Module) -> bool:
        """Whether a module is a neuron of any kind, even if it has children."""
        return isinstance(module, self.base) and not isinstance(module, self.silent)

    def reset_all(self, module: nn.Module) -> None:
        """Reset every neuron of a module to the start of a sample."""
        for child in module.modules():
            if self.is_neuron(child):
                self.reset(child)
