"""What an importer knows about its framework, and the import of optional packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..support.errors import NotExpressible, ToolError
from .operations import Neurons, Operation
from .semantics import Cell

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = [
    "FRAMEWORKS", "Compose", "Framework", "Translate", "check_home", "imported", "overridden",
]

FRAMEWORKS = {
    "snntorch": "snnTorch", "spikingjelly": "SpikingJelly", "sinabs": "sinabs",
    "rockpool": "rockpool", "norse": "Norse",
}
"""The names of the frameworks whose modules can be read, by their packages."""

Translate = Callable[[str, Any], Cell]
"""A function of a neuron's name and module that gives its rule, or refuses it."""

Compose = Callable[[str, Any, "Framework"], Sequence[Operation]]
"""A function of a module's name, the module and its framework that gives its operations."""

_CALLS = ("__call__", "__getattr__", "__getattribute__")
_HARMLESS = ("extra_repr", "parameters")


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


def check_home(module: nn.Module, name: str) -> None:
    """Refuse a module with parts of another framework than the one named.

    Raises
    ------
    NotExpressible
        Naming the first of them.
    """
    for place, child in module.named_modules():
        homes = (base.__module__.partition(".")[0] for base in type(child).__mro__)
        home = next((each for each in homes if each in FRAMEWORKS), None)
        if home is not None and FRAMEWORKS[home] != name:
            kind = type(child).__name__
            raise NotExpressible(
                place or kind, kind, f"it is a module of {FRAMEWORKS[home]}, and this importer "
                f"reads those of {name}",
                f"from_{home}, for a module all of whose neurons are of {FRAMEWORKS[home]}",
            )


def overridden(module: Any, known: type) -> str:
    """Return the name of what a subclass, or the object itself, has in place of what is in
    ``known``; "" if there is nothing.

    A constructor may be replaced, because the values that it sets are read from the object.
    """
    mine = type(module).__mro__
    for kind in mine[: mine.index(known)]:
        for name in vars(kind):
            private = name.startswith("__") and name not in _CALLS
            if hasattr(known, name) and not private and name not in _HARMLESS:
                return name
    own = (name for name in vars(module) if name not in _HARMLESS)
    return next((name for name in own if callable(getattr(known, name, None))), "")


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
        The function that translates the neurons of each type. It also translates those of a
        subclass that replaces none of the type's methods.
    base : type or tuple of type
        The classes that the neurons of the framework derive from.
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
    refused : mapping of type to (str, str)
        Why the neurons of each type cannot be expressed, and the nearest that can.
    whole : tuple of type
        Neurons that take all steps of a sample in one call, as the first axis, and keep no state.
    flat : tuple of type
        Modules that take a flat sample.
    quiet : callable
        Whether neurons return membranes in place of spikes.
    state : callable
        Returns the membranes of neurons after a step.
    unfolded : callable
        Gives ``(steps, batch, ...)`` of what a neuron takes or returns in one call. By default, a
        call is one step, or all of them in step mode "m", which has them as the first axis.
    run : callable or None
        Runs a neuron, or a module of ``composed``, from the start of a sample: (steps, batch, ...)
        inputs to outputs and membranes of the same axes. None for layers that are called once per
        step, and keep what they need in between.
    step_axis : {0, 1}
        Axis of the steps in what a module takes that is given several of them.
    output : callable
        Gives what counts as a module's output, of what it returns.
    takes_state : callable
        Whether a module is called with its states as second argument, and returns them behind its
        output.
    derives : bool
        Whether neurons compute their decays in the type of the module, which float64 would round
        otherwise.
    unmoved : tuple of type
        Layers that draw random numbers even where they multiply them by 0. Where they do not, their
        function in ``neurons`` refuses them.
    prepare : callable
        Changes a copy of a module such that it takes any number of steps.
    """

    name: str
    neurons: Mapping[type, Translate]
    base: type | tuple[type, ...]
    silent: tuple[type, ...]
    reset: Callable[[Any], None]
    nearest: str
    assumed: str
    composed: Mapping[type, Compose] = field(default_factory=dict)
    refused: Mapping[type, tuple[str, str]] = field(default_factory=dict)
    whole: tuple[type, ...] = ()
    flat: tuple[type, ...] = ()
    quiet: Callable[[Any], bool] = field(default=lambda child: False)
    state: Callable[[Any], torch.Tensor] = field(default=lambda child: child.mem)
    unfolded: Callable[[Any, torch.Tensor], torch.Tensor] = _steps_first
    run: Callable[[Any, torch.Tensor], tuple[torch.Tensor, torch.Tensor]] | None = None
    step_axis: int = 0
    output: Callable[[Any], Any] = field(default=lambda returned: returned)
    takes_state: Callable[[Any], bool] = field(default=lambda module: False)
    derives: bool = False
    unmoved: tuple[type, ...] = ()
    prepare: Callable[[Any], None] = field(default=lambda module: None)

    def known(self, module: nn.Module) -> type | None:
        """Return the type that a module is of, or whose rule it has; None if it has another."""
        kind = self._nearest_type(module)
        if kind is None or kind in self.refused or overridden(module, kind):
            return None
        return kind

    def _nearest_type(self, module: nn.Module) -> type | None:
        """Return the first of a module's classes of which something is known."""
        maps = (self.refused, self.neurons, self.composed)
        return next((kind for kind in type(module).__mro__ if any(kind in m for m in maps)), None)

    def steps_of(self, module: nn.Module, values: torch.Tensor) -> torch.Tensor:
        """Return ``(steps, batch, ...)`` of what a neuron takes or returns in one call."""
        return values if isinstance(module, self.whole) else self.unfolded(module, values)

    def is_neuron(self, module: nn.Module) -> bool:
        """Whether a module is, or ends in, neurons that can be expressed."""
        return isinstance(module, self.base) and self.known(module) is not None

    def fires(self, module: nn.Module) -> bool:
        """Whether a module's output is spikes."""
        return self.is_neuron(module) and not self.quiet(module)

    def is_layer(self, module: nn.Module) -> bool:
        """Whether a module is a layer of the framework of any kind, even if it has children."""
        if isinstance(module, self.silent):
            return False
        return isinstance(module, (self.base, *self.composed))

    def reset_all(self, module: nn.Module) -> None:
        """Reset every neuron of a module to the start of a sample."""
        # rockpool has a method ``modules`` of another kind.
        for _, child in module.named_modules():
            if self.is_neuron(child):
                self.reset(child)

    def operations(self, name: str, module: nn.Module) -> Sequence[Operation]:
        """Return the operations of a layer of the framework.

        Raises
        ------
        NotExpressible
            With the reason, and the nearest that can be expressed.
        """
        self.check(name, module)
        known = self.known(module) or type(module)
        if known in self.composed:
            return self.composed[known](name, module, self)
        return [Neurons(name, type(module).__name__, self.neurons[known](name, module))]

    def check(self, name: str, module: nn.Module) -> None:
        """Refuse a layer of the framework that cannot be expressed.

        Raises
        ------
        NotExpressible
            With the reason, and the nearest that can be expressed.
        """
        if not self.is_layer(module) or self.known(module) is not None:
            return
        reason, nearest = "no neuron of this array computes its rule", self.nearest
        kind = self._nearest_type(module)
        if kind is not None and kind in self.refused:
            reason, nearest = self.refused[kind]
        elif kind is not None:
            reason = (
                f"it has a method {overridden(module, kind)} in place of that of "
                f"{kind.__name__}, so its rule may be another"
            )
            nearest = f"the plain {kind.__name__}"
        raise NotExpressible(name, type(module).__name__, reason, nearest)
