"""The layers of a torch module: which of its modules they are, and their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import nn

__all__ = ["EACH_STEP", "NEAREST", "NORMS", "is_brevitas", "leaves", "named_layers"]

NEAREST = (
    "Linear, Conv1d, Conv2d, BatchNorm, Flatten, Unflatten, Dropout, average pools in front of "
    "neurons, MaxPool2d behind the neurons of a convolution, and the neurons of the "
    "documentation's table"
)
EACH_STEP = (
    "it is a norm of its own for each step, and the weights are the same in all of them",
    "one BatchNorm for all steps, trained again",
)
NORMS = nn.modules.batchnorm._BatchNorm
"""The base of all batch normalisations."""


def named_layers(
    module: nn.Module, leaf: Callable[[nn.Module], bool]
) -> dict[nn.Module, str]:
    """Return the layers of a module and their names, the first one if a layer has several.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    leaf : callable
        Whether a module with children counts as a layer.
    """
    names: dict[nn.Module, str] = {}
    for name, child in leaves(module, leaf):
        names.setdefault(child, name or type(child).__name__)
    return names


def leaves(
    module: nn.Module, leaf: Callable[[nn.Module], bool], name: str = ""
) -> Iterator[tuple[str, nn.Module]]:
    """Iterate over the layers of a module and their names."""
    children = list(module.named_children())
    if not children or _has_parts(module) or leaf(module):
        yield name, module
        return
    for key, child in children:
        yield from leaves(child, leaf, f"{name}.{key}" if name else key)


def is_brevitas(module: nn.Module) -> bool:
    """Whether a module is a layer of brevitas, or of a class derived from one."""
    return any(each.__module__.startswith("brevitas.nn.") for each in type(module).__mro__)


def _has_parts(module: nn.Module) -> bool:
    """Whether a module is one layer even if it has children.

    A layer of torch has them if its weights are parametrized, and those of brevitas always do.
    """
    return isinstance(module, (nn.Linear, nn.modules.conv._ConvNd, NORMS)) or is_brevitas(module)
