"""The order in which a torch module calls its layers, recorded on one sample.

While a call is recorded, the output of every layer is replaced by its own random numbers, of both
signs and many sizes. The input of a layer is then either found among them exactly, or it is
something that the model computed in between, which no layer here would repeat. So branches, shared
layers, additions and activation functions are detected, while loops over time steps, which only
repeat the same calls, do no harm. Functions that equal a layer, such as ``max_pool2d``, are
recorded as that layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ...support.errors import NotExpressible
from .copies import tensors
from .functional import as_module, same_layer
from .functions import MOVING, RANDOM, Functions, Origin
from .layers import NEAREST, named_layers

__all__ = ["SAMPLE", "Match", "Recorder"]

SAMPLE = "the sample"
_ONE_CHAIN = (
    "layers called one after the other, with nothing but reshaping between them; input_scale for "
    "a scaled input"
)
# Tags are from 2**-12 to 2**15 and have 8 significant bits, so no type of real numbers rounds them.
_TAG_BITS, _TAG_LOW, _TAG_HIGH = 8, -19, 8
_LEGAL_DRAWS = 8


@dataclass(frozen=True)
class Match:
    """Where the input of a layer was found.

    Attributes
    ----------
    maker : str
        The layer that gave it, or ``SAMPLE``.
    rows : tuple of int
        Which parts of what it gave these may be, if its input is one of several equal parts.
    repeats : int
        How often its input repeats what the layer gave.
    """

    maker: str
    rows: tuple[int, ...] = (0,)
    repeats: int = 1


class Recorder:
    """Records the calls of a module's layers by hooks on them.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    leaf : callable
        Whether a module with children counts as a layer.
    fires : callable
        Whether a module is a neuron, whose output is 0 or 1.
    legal : callable
        Draws legal values of the input, of a shape.

    Attributes
    ----------
    names : dict of module to str
        Names of the layers. A layer with several names has the first.
    made : list of (str, tensor)
        The result of each call, in order: the layer's name, and the random numbers that replaced
        its output.
    sources : dict of str to list of str
        For each layer, the names of those whose output it received.
    given : dict of str to list of (tuple of int, Match)
        For each layer and call, the shape of its input and where it was found.
    sample : tensor
        The random numbers with which the module was called.
    functions : Functions
        What the module called besides.
    """

    def __init__(
        self,
        module: nn.Module,
        leaf: Callable[[nn.Module], bool],
        fires: Callable[[nn.Module], bool],
        legal: Callable[[tuple[int, ...]], torch.Tensor],
    ) -> None:
        self.names = named_layers(module, leaf)
        self.generator = torch.Generator().manual_seed(0)
        self.made: list[tuple[str, torch.Tensor]] = []
        self.sources: dict[str, list[str]] = {}
        self.given: dict[str, list[tuple[tuple[int, ...], Match]]] = {}
        self.sample = torch.zeros(0)
        self.functions = Functions(self._function)
        self.fires, self.legal = fires, legal
        self.own = tuple(self.names)
        """The layers that are modules of the model; others are functions that it called."""

    def called(
        self,
        module: nn.Module,
        shape: tuple[int, ...],
        dtype: torch.dtype,
        values: torch.Tensor | None = None,
    ) -> Any:
        """Call a module with random numbers of a shape, or with values, and return what it returns.
        """
        self.sample = self.tag(torch.empty(shape, dtype=dtype)) if values is None else values
        given = self.sample.clone()
        self.functions.made(given, Origin(SAMPLE, layer=True))
        hooks = []
        for child in self.own:
            hooks.append(child.register_forward_pre_hook(self._enter, with_kwargs=True))
            hooks.append(child.register_forward_hook(self._leave, with_kwargs=True))
        try:
            with self.functions:
                return module(given)
        finally:
            for hook in hooks:
                hook.remove()

    def layer(self, name: str) -> nn.Module:
        """Return the layer of a name."""
        return next(module for module, each in self.names.items() if each == name)

    def kind(self, name: str) -> str:
        """Return the type of a layer."""
        return type(self.layer(name)).__name__

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of what a layer gave."""
        return next(tuple(value.shape) for maker, value in self.made if maker == name)

    def tag(self, like: torch.Tensor) -> torch.Tensor:
        """Return new random numbers of the shape of a tensor."""
        dtype = like.dtype if like.is_floating_point() else self.sample.dtype

        def draw(low: int, high: int) -> torch.Tensor:
            return torch.randint(low, high, like.shape, generator=self.generator)

        half = 1 << (_TAG_BITS - 1)
        sizes = torch.ldexp(draw(half, 2 * half).double(), draw(_TAG_LOW, _TAG_HIGH))
        return (sizes * (2 * draw(0, 2) - 1)).to(dtype)

    def _enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        self.functions.layer.append(self.names[module])

    def _leave(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
        """Find where the input of a layer came from, and replace its output."""
        name = self.functions.layer.pop()
        # What is done to record the layer is not what the model does.
        self.functions.paused = True
        try:
            given = next(tensors([args, kwargs]), None)
            if given is None:
                raise NotExpressible(
                    name, type(module).__name__, "it is called without a tensor", NEAREST
                )
            match = self._match(given)
            if match is None:
                raise self._not_found(name, type(module).__name__, given)
            return self._replaced(name, module, given, match, output)
        finally:
            self.functions.paused = False

    def _function(self, func: Any, name: str, args: Any, kwargs: Any) -> Any:
        """Record a function that equals a layer; returns None for others."""
        found = as_module(func, args, kwargs)
        match = None if found is None else self._match(found[0])
        if found is None or match is None:
            return None
        own = self._named(name, found[1], match.maker)
        return self._replaced(own, self.layer(own), found[0], match, func(*args, **kwargs))

    def _named(self, name: str, module: nn.Module, maker: str) -> str:
        """Return the name of the layer that a function equals, a new one if it is new."""
        for other, known in self.names.items():
            same = other not in self.own and self.sources[known] == [maker]
            if same and same_layer(other, module):
                return known
        taken, number, free = set(self.names.values()), 1, name
        while free in taken:
            number, free = number + 1, f"{name}_{number + 1}"
        self.names[module] = free
        return free

    def _replaced(
        self, name: str, module: nn.Module, given: torch.Tensor, match: Match, output: Any
    ) -> Any:
        seen = self.sources.setdefault(name, [])
        if match.maker not in seen:
            seen.append(match.maker)
        self.given.setdefault(name, []).append((tuple(given.shape), match))
        if isinstance(output, list) and output and isinstance(output[0], torch.Tensor):
            # One output per step, as of the neurons of SpikingJelly that never fire.
            return [self._tagged(name, value) for value in output]
        if not isinstance(output, (torch.Tensor, tuple)):
            raise NotExpressible(
                name, type(module).__name__, f"it returns a {type(output).__name__}", NEAREST
            )
        values = output if isinstance(output, tuple) else (output,)
        replaced = []
        for i, value in enumerate(values):
            if not isinstance(value, torch.Tensor):
                replaced.append(value)
                continue
            maker = name if i == 0 else f"output {i} (a state) of {name}"
            replaced.append(self._tagged(maker, value))
        return tuple(replaced) if isinstance(output, tuple) else replaced[0]

    def _tagged(self, maker: str, value: torch.Tensor) -> torch.Tensor:
        """Return random numbers in place of what a layer gave, and note them."""
        tagged = self.tag(value)
        self.made.append((maker, tagged))
        copy = tagged.clone()  # the model may change it in place
        self.functions.made(copy, Origin(maker, layer=True))
        return copy

    def _match(self, given: torch.Tensor) -> Match | None:
        """Return where values come from, in whatever shape."""
        origin = self.functions.origin(given)
        given = given.detach()
        # Search from the last call backward.
        for maker, value in self._values():
            found = _part(given, value)
            if found is not None:
                return Match(maker, *found)
        return self._stacked(given) or (None if origin is None else self._unchanged(origin))

    def _values(self) -> Iterator[tuple[str, torch.Tensor]]:
        yield from reversed([(SAMPLE, self.sample), *self.made])

    def _stacked(self, given: torch.Tensor) -> Match | None:
        """Find values that are what a layer gave in its last calls, one after the other."""
        for maker in dict.fromkeys(maker for maker, _ in reversed(self.made)):
            calls = [value.reshape(-1) for each, value in self.made if each == maker]
            count = given.numel() // max(calls[-1].numel(), 1)
            if not 1 < count <= len(calls) or given.numel() != count * calls[-1].numel():
                continue
            if torch.equal(torch.cat(calls[-count:]), given.reshape(-1)):
                return Match(maker)
        return None

    def _unchanged(self, origin: Origin) -> Match | None:
        """Find values that were computed by functions that change no spike and no legal input.

        The functions are called again with such values in place of the random numbers.
        """
        sources = origin.sources()
        if origin.layer or len(sources) != 1 or not sources[0].layer:
            return None
        source = sources[0]
        if source.name == SAMPLE:
            value, draw = self.sample, self.legal
        else:
            layer = next((m for m, each in self.names.items() if each == source.name), None)
            if layer is None or not self.fires(layer):
                return None
            value = next(v for maker, v in reversed(self.made) if maker == source.name)
            draw = self._spikes
        found: tuple[tuple[int, ...], int] | None = None
        for _ in range(_LEGAL_DRAWS):
            drawn = draw(tuple(value.shape)).to(value.dtype)
            try:
                computed = origin.repeated(drawn.clone())
            except Exception:  # whatever such values make the functions raise
                return None
            part = None if computed is None else _part(computed.to(value.dtype), drawn)
            if part is None or (found is not None and part[1] != found[1]):
                return None
            # Parts of few values may be equal by chance.
            rows = part[0] if found is None else tuple(set(part[0]) & set(found[0]))
            if not rows:
                return None
            found = rows, part[1]
        return None if found is None else Match(source.name, *found)

    def _spikes(self, shape: tuple[int, ...]) -> torch.Tensor:
        return torch.randint(0, 2, shape, generator=self.generator)

    def _not_found(self, name: str, kind: str, given: torch.Tensor) -> NotExpressible:
        origin = self.functions.origin(given)
        layers, functions = ([], []) if origin is None else origin.path()
        called = ", ".join(functions)
        random = [each for each in functions if each in RANDOM or each in self.functions.drawn]
        if random:
            return NotExpressible(
                name, kind, f"its input has random numbers in it ({called}), so no two runs are "
                "equal", "the layers without them, and samples that are drawn beforehand",
            )
        flat = given.detach().reshape(-1)
        if all(each in MOVING for each in functions):
            for maker, value in self._values():
                if _reordered(flat, value.reshape(-1)):
                    how = called or "a transpose or permutation"
                    return NotExpressible(
                        name, kind, f"its input is what {maker} gave in another order ({how})",
                        "the same order",
                    )
        if called and layers:
            called += f" of what {' and '.join(layers)} gave"
        what = called or "an addition, a concatenation, an activation function, a scaling"
        return NotExpressible(
            name, kind, "its input is not what any layer gave: something was computed in between "
            f"({what})", _ONE_CHAIN,
        )


def _part(given: torch.Tensor, value: torch.Tensor) -> tuple[tuple[int, ...], int] | None:
    """Return which of the equal parts of a value are given, and how often; None if none is."""
    flat, parts = given.reshape(-1), value.reshape(-1)
    size = flat.numel()
    if not size or not parts.numel():
        return None
    if parts.numel() % size == 0:
        equal = (parts.reshape(-1, size) == flat).all(1)
        rows = tuple(equal.nonzero().reshape(-1).tolist())
        return (rows, 1) if rows else None
    if size % parts.numel() == 0 and (flat.reshape(-1, parts.numel()) == parts).all():
        return (0,), size // parts.numel()
    return None


def _reordered(flat: torch.Tensor, parts: torch.Tensor) -> bool:
    """Whether values are those of a part of others, in another order."""
    if not flat.numel() or parts.numel() % flat.numel():
        return False
    rows = parts.reshape(-1, flat.numel()).sort(1)[0]
    return bool((rows == flat.sort()[0]).all(1).any())
