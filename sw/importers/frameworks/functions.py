"""The functions that a torch module calls itself, outside of its layers.

While ``Functions`` is active, it notes from which tensors each tensor was computed, and by which
function. It runs what the model asks of an accelerator on the CPU, where its copy is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from .copies import tensors

__all__ = ["MOVING", "RANDOM", "Functions", "Origin"]

MOVING = frozenset({
    "view", "view_as", "reshape", "reshape_as", "flatten", "unflatten", "unsqueeze", "squeeze",
    "permute", "transpose", "t", "T", "mT", "H", "mH", "movedim", "moveaxis", "swapaxes",
    "swapdims", "expand", "expand_as", "repeat", "repeat_interleave", "tile", "broadcast_to",
    "stack", "cat", "concat", "vstack", "hstack", "dstack", "split", "chunk", "unbind", "tensor_split",
    "getitem", "setitem", "select", "narrow", "index_select", "gather", "take", "contiguous",
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
        Calls the function again with another tensor in place of the single one that is known.
    layer : bool
        Whether it comes from a layer, or is the sample.
    """

    name: str
    parents: tuple[Origin, ...] = ()
    again: Callable[[torch.Tensor], Any] | None = field(default=None, repr=False)
    layer: bool = False

    def functions(self) -> list[str]:
        """Return the names of the functions between the layers and here, the first one first."""
        names: dict[str, None] = {}
        seen: set[int] = set()

        def visit(origin: Origin) -> None:
            if id(origin) in seen or origin.layer:
                return
            seen.add(id(origin))
            for parent in origin.parents:
                visit(parent)
            names.setdefault(origin.name)

        visit(self)
        computing = [name for name in names if name not in MOVING]
        return computing or [name for name in names if name not in ("clone", "getitem", "detach")]

    def repeated(self, value: torch.Tensor) -> torch.Tensor | None:
        """Return what the functions make of another value of the layer; None if that is unknown."""
        if self.layer:
            return value
        if self.again is None or len(self.parents) != 1:
            return None
        given = self.parents[0].repeated(value)
        if given is None:
            return None
        made = self.again(given)
        return made if isinstance(made, torch.Tensor) else None


class Functions(TorchFunctionMode):
    """Notes the functions that are called while it is active.

    Parameters
    ----------
    called : callable, optional
        Called with each function outside of layers, its name and its arguments. If it does not
        return None, what it returns takes the place of the function's result.

    Attributes
    ----------
    origins : dict of int to (tensor, Origin)
        Where tensors come from, by their ids.
    layer : list of str
        The layers that are running.
    drawn : dict of str to str
        Functions that drew random numbers, and the layer in which, or "".
    paused : bool
        Whether functions are not the model's own at present.
    """

    def __init__(self, called: Callable[..., Any] | None = None) -> None:
        super().__init__()
        self.called = called
        self.origins: dict[int, tuple[torch.Tensor, Origin]] = {}
        self.layer: list[str] = []
        self.drawn: dict[str, str] = {}
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
        name = _name(func)
        args, kwargs = _on_cpu(name, args, dict(kwargs or {}))
        if name == "cuda":
            return args[0]
        if _draws(name, args, kwargs):
            self.drawn.setdefault(name, self.layer[-1] if self.layer else "")
        if self.layer:
            return func(*args, **kwargs)
        if self.called is not None:
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
        if name in RANDOM:
            origin = Origin(name, tuple(o for _, o in known))
        elif not known:
            return
        else:
            again = None
            if len({id(t) for t, _ in known}) == 1 and not changed:
                again = _again(func, args, kwargs, known[0][0])
            origin = Origin(name, tuple(dict.fromkeys(o for _, o in known)), again)
        given = {id(t) for t in tensors([args, kwargs])}
        for each in tensors(result):
            # A function that returns its argument did nothing, unless it changed it in place.
            if id(each) not in given or changed:
                self.made(each, origin)
        if changed and args and isinstance(args[0], torch.Tensor):
            self.made(args[0], origin)


def _name(func: Any) -> str:
    name = str(getattr(func, "__name__", func))
    if name in ("__get__", "__set__"):
        name = str(getattr(getattr(func, "__self__", None), "__name__", name))
    return name.strip("_").removesuffix("_")


def _draws(name: str, args: Any, kwargs: dict[str, Any]) -> bool:
    if name in _DROPOUTS:
        # By default, functional.dropout drops; torch.dropout must be told.
        training = kwargs.get("training", kwargs.get("train", args[2] if len(args) > 2 else True))
        rate = kwargs.get("p", args[1] if len(args) > 1 else 0.5)
        return bool(rate) and bool(training)
    return name in RANDOM


def _again(func: Any, args: Any, kwargs: Any, old: torch.Tensor) -> Callable[[torch.Tensor], Any]:
    def call(new: torch.Tensor) -> Any:
        def placed(value: Any) -> Any:
            if value is old:
                return new
            if isinstance(value, (tuple, list)) and type(value) in (tuple, list):
                return type(value)(placed(each) for each in value)
            return value

        return func(*placed(args), **{key: placed(value) for key, value in kwargs.items()})

    return call


def _on_cpu(name: str, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return arguments of a function with the CPU in place of every other device."""
    if kwargs.get("device") is not None:
        kwargs["device"] = torch.device("cpu")
    if name == "to":
        args = tuple(torch.device("cpu") if _is_device(each) else each for each in args)
    return args, kwargs


def _is_device(value: Any) -> bool:
    return isinstance(value, (str, torch.device)) or (
        isinstance(value, int) and not isinstance(value, bool)
    )
