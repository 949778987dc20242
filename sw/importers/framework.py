"""What an importer knows about its framework, and the import of optional packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..support.errors import ToolError
from .operations import Operation
from .semantics import Cell

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["Compose", "Framework", "Translate", "imported"]

Translate = Callable[[str, Any], Cell]
"""A function of a neuron's name and module that gives its rule, or refuses it."""

Compose = Callable[[str, Any, "Framework"], Sequence[Operation]]
"""A function of a module's name, the module and its framework that gives its operations."""


def imported(name: str, extra: str = "import") -> Any:
    """Import an optional package, or one of its modules.

    Parameters
    ----------
    name : str
        Name of the module.
    extra : str
        Extra of this package that installs it.

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
            f"{package} is not installed: pip install 'stablespike[{extra}]'"
        ) from error


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
    base : type or tuple of type
        The classes that all neurons of the framework derive from.
    silent : tuple of type
        Modules of the framework that do nothing once training is over.
    reset : callable
        Resets a neuron to the start of a sample.
    nearest : str
        The neurons that can be expressed, for messages.
    assumed : str
        The semantics of the framework's neurons, for reports.
    composed : mapping of type to callable
        The function that gives the operations of each type of module that is more than neurons,
        such as weights and neurons, or is none.
    run : callable or None
        Runs a neuron, or a module of ``composed``, from the start of a sample: (steps, batch, ...)
        inputs to outputs of the same axes and to the membranes after the last step. None for
        layers that are called once per step, and keep what they need in between.
    step_axis : {0, 1}
        Axis of the steps in what a module takes that is given several of them.
    """

    name: str
    neurons: Mapping[type, Translate]
    base: type | tuple[type, ...]
    silent: tuple[type, ...]
    reset: Callable[[Any], None]
    nearest: str
    assumed: str
    composed: Mapping[type, Compose] = field(default_factory=dict)
    run: Callable[[Any, torch.Tensor], tuple[torch.Tensor, torch.Tensor]] | None = None
    step_axis: int = 0

    def is_neuron(self, module: nn.Module) -> bool:
        """Whether a module is a neuron that can be expressed."""
        return type(module) in self.neurons

    def is_layer(self, module: nn.Module) -> bool:
        """Whether a module is a neuron of any kind, even if it has children."""
        return isinstance(module, self.base) and not isinstance(module, self.silent)

    def reset_all(self, module: nn.Module) -> None:
        """Reset every neuron of a module to the start of a sample."""
        # rockpool has a method ``modules`` of another kind.
        for _, child in module.named_modules():
            if self.is_neuron(child):
                self.reset(child)
