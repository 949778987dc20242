"""The functions that a torch module calls itself, outside of its layers.

While ``Functions`` is active, it notes from which tensors each tensor was computed, and by which
function. What the model asks of an accelerator is run on the CPU, where its copy is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from .copies import NARROW, tensors

__all__ = ["MOVING", "RANDOM", "Functions", "Origin", "Watch"]

MOVING = frozenset({
    "view", "view_as", "reshape", "reshape_as", "flatten", "unflatten", "unsqueeze", "squeeze",
    "permute", "transpose", "t", "T", "mT", "H", "mH", "movedim", "moveaxis", "swapaxes",
    "swapdims", "expand", "expand_as", "repeat", "repeat_interleave", "tile", "broadcast_to",
    "stack", "cat", "concat", "vstack", "hstack", "dstack", "split", "chunk", "unbind",
    "tensor_split", "getitem", "setitem", "select", "narrow", "index_select", "gather", "take",
    "contiguous",
    "clone", "detach", "data", "to", "float", "double", "half", "bfloat16", "type", "type_as",
    "cpu", "cuda", "iter", "flip", "fliplr", "flipud", "roll", "rot90", "copy", "pad",
    "requires_grad", "zeros_like", "empty_like",
})
"""Functions that move values and change none."""

RANDOM = frozenset({
    "rand", "randn", "randint", "rand_like", "randn_like", "randint_like", "randperm", "bernoulli",
    "normal", "uniform", "exponential", "poisson", "multinomial", "geometric", "log_normal",
    "cauchy", "random", "gumbel_softmax", "fractional_max_pool2d",
})
_DROPOUTS = frozenset({
    "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout",
    "feature_dropout",
})


@dataclass(frozen=True, eq=False)
class Origin:
    """Where a tensor comes from.

    Attributes
    ----------
    name : str
        The function that made it, or the layer.
    parents : tuple of Origin
        Those of the tensors that the function was given, as far as they are known.
    again : callable or None
        Calls the function again with other tensors in place of those of the parents.
    layer : bool
        Whether it comes from a layer, or is the sample.
    """

    name: str
    parents: tuple[Origin, ...] = ()
    again: Callable[[list[torch.Tensor]], Any] | None = field(default=None, repr=False)
    layer: bool = False

    def path(self) -> tuple[list[str], list[str]]:
        """Return the names of the layers it comes from, and of the functions in between.

        Functions that only move values are left out if others compute something.
        """
        layers: dict[str, None] = {}
        names: dict[str, None] = {}
        seen: set[int] = set()

        def visit(origin: Origin) -> None:
            if id(origin) in seen:
                return
            seen.add(id(origin))
            for parent in origin.parents:
                visit(parent)
            (layers if origin.layer else names).setdefault(origin.name)

        visit(self)
        computing = [name for name in names if name not in MOVING]
        moving = [name for name in names if name not in ("clone", "getitem", "detach")]
        return list(layers), computing or moving

    def repeated(self, value: torch.Tensor) -> torch.Tensor | None:
        """Return what the functions make of another value of the layer; None if that is unknown."""
        made: dict[int, Any] = {}

        def compute(origin: Origin) -> Any:
            if id(origin) not in made:
                made[id(origin)] = value if origin.layer else None
                if not origin.layer and origin.again is not None:
                    given = [compute(parent) for parent in origin.parents]
                    if all(isinstance(each, torch.Tensor) for each in given):
                        made[id(origin)] = origin.again(given)
            return made[id(origin)]

        found = compute(self)
        return found if isinstance(found, torch.Tensor) else None

    def sources(self) -> list[Origin]:
        """Return the layers' outputs that it comes from, and the random numbers."""
        found: dict[int, Origin] = {}
        seen: set[int] = set()

        def visit(origin: Origin) -> None:
            if id(origin) in seen:
                return
            seen.add(id(origin))
            if origin.layer or not origin.parents:
                found[id(origin)] = origin
            for parent in origin.parents:
                visit(parent)

        visit(self)
        return list(found.values())


class Watch(TorchFunctionMode):
    """Notes what draws random numbers, and keeps everything on the CPU, while it is active.

    Attributes
    ----------
    layer : list of str
        The layers that are running, as far as they are known.
    drawn : dict of str to str
        Functions that drew random numbers, and the layer in which, or "".
    narrowed : bool
        Whether something was converted to float16 or bfloat16.
    """

    def __init__(self) -> None:
        super().__init__()
        self.narrowed = False
        self.layer: list[str] = []
        self.drawn: dict[str, str] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = _name(func)
        args, kwargs = _on_cpu(name, args, kwargs or {})
        if name == "cuda":
            return args[0]
        self.narrowed |= _narrows(name, args, kwargs)
        if _draws(name, args, kwargs):
            self.drawn.setdefault(name, self.layer[-1] if self.layer else "")
        return self.call(func, name, args, kwargs)

    def call(self, func: Any, name: str, args: Any, kwargs: dict[str, Any]) -> Any:
        """Call a function."""
        return func(*args, **kwargs)


class Functions(Watch):
    """Notes from which tensors each tensor was computed.

    Parameters
    ----------
    called : callable
        Called with each function outside of layers, its name and its arguments. If it does not
        return None, what it returns takes the place of the function's result.

    Attributes
    ----------
    origins : dict of int to (tensor, Origin)
        Where tensors come from, by their ids.
    paused : bool
        Whether functions are not the model's own at present.
    """

    def __init__(self, called: Callable[..., Any]) -> None:
        super().__init__()
        self.called = called
        self.origins: dict[int, tuple[torch.Tensor, Origin]] = {}
        self.paused = False

    def origin(self, tensor: torch.Tensor) -> Origin | None:
        """Return where a tensor comes from, if that is known."""
        found = self.origins.get(id(tensor))
        return None if found is None else found[1]

    def made(self, tensor: torch.Tensor, origin: Origin) -> None:
        """Note where a tensor comes from."""
        self.origins[id(tensor)] = tensor, origin  # a tensor that is kept keeps its id

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if self.paused:
            return func(*args, **(kwargs or {}))
        return super().__torch_function__(func, types, args, kwargs)

    def call(self, func: Any, name: str, args: Any, kwargs: dict[str, Any]) -> Any:
        """Call a function of the model, and note what it made."""
        if self.layer:
            return func(*args, **kwargs)
        replaced = self.called(func, name, args, kwargs)
        if replaced is not None:
            return replaced
        known = [(t, o) for t in tensors([args, kwargs]) if (o := self.origin(t)) is not None]
        result = func(*args, **kwargs)
        self._note(func, name, args, kwargs, known, result)
        return result

    def _note(
        self, func: Any, name: str, args: Any, kwargs: Any, known: list[Any], result: Any
    ) -> None:
        own = getattr(func, "__name__", "")
        changed = own == "__setitem__" or (own.endswith("_") and not own.endswith("__"))
        if not known and name not in RANDOM:
            return
        # In place, or with random numbers, it cannot be called again.
        again = None
        if not changed and name not in RANDOM and name not in self.drawn:
            again = _again(func, args, kwargs, [t for t, _ in known])
        parents = tuple(origin for _, origin in known)
        given = {id(t) for t in tensors([args, kwargs])}
        made = [each for each in tensors(result) if changed or id(each) not in given]
        if changed and args and isinstance(args[0], torch.Tensor):
            made.append(args[0])
        if isinstance(result, torch.Tensor) or again is None:
            for each in made:
                self.made(each, Origin(name, parents, again))
            return
        for index, each in enumerate(tensors(result)):
            if id(each) not in given:  # what a function returns as it was given is nothing new
                self.made(each, Origin(name, parents, _part(again, index)))


def _part(
    again: Callable[[list[torch.Tensor]], Any], index: int
) -> Callable[[list[torch.Tensor]], Any]:
    """Return one of several tensors that a function returns."""
    return lambda given: list(tensors(again(given)))[index]


def _name(func: Any) -> str:
    name = str(getattr(func, "__name__", func))
    if name in ("__get__", "__set__"):
        name = str(getattr(getattr(func, "__self__", None), "__name__", name))
    return name.strip("_").removesuffix("_")


def _narrows(name: str, args: Any, kwargs: dict[str, Any]) -> bool:
    """Whether a function converts to a narrow type."""
    if name in ("half", "bfloat16"):
        return True
    types = [each for each in (*args, *kwargs.values()) if isinstance(each, torch.dtype)]
    return name in ("to", "type") and any(each in NARROW for each in types)


def _draws(name: str, args: Any, kwargs: dict[str, Any]) -> bool:
    if name in _DROPOUTS:
        # By default, functional.dropout drops; torch.dropout must be told.
        training = kwargs.get("training", kwargs.get("train", args[2] if len(args) > 2 else True))
        rate = kwargs.get("p", args[1] if len(args) > 1 else 0.5)
        return bool(rate) and bool(training)
    return name in RANDOM


def _again(
    func: Any, args: Any, kwargs: Any, old: list[torch.Tensor]
) -> Callable[[list[torch.Tensor]], Any]:
    def call(new: list[torch.Tensor]) -> Any:
        by_id = {id(one): other for one, other in zip(old, new, strict=True)}

        def placed(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                return by_id.get(id(value), value)
            if type(value) in (tuple, list):
                return type(value)(placed(each) for each in value)
            return value

        return func(*placed(args), **{key: placed(value) for key, value in kwargs.items()})

    return call


def _on_cpu(name: str, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return arguments of a function with the CPU in place of every other device."""
    if kwargs.get("device") is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    if name == "to":
        args = tuple(torch.device("cpu") if _is_device(each) else each for each in args)
    return args, kwargs


def _is_device(value: Any) -> bool:
    return isinstance(value, (str, torch.device)) or (
        isinstance(value, int) and not isinstance(value, bool)
    )
