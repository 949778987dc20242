"""Copies of a torch module to read and to run, so that the module itself stays as it is."""

from __future__ import annotations

import copy
import inspect
import random
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FunctionType
from typing import Any

import numpy as np
import torch
from torch import nn

from ...support.errors import NotExpressible

__all__ = [
    "NARROW", "copied", "fit", "parameter_dtype", "parts", "reading_copy", "tensors", "uncompiled",
    "undisturbed",
]

NARROW = (torch.float16, torch.bfloat16)
"""Types of real numbers in which layers do not run on every CPU."""
_LATER = (nn.parameter.UninitializedParameter, nn.parameter.UninitializedBuffer)
_FLOATS = (*NARROW, torch.float32, torch.float64)


def reading_copy(module: nn.Module) -> nn.Module:
    """Return a copy on the CPU, in evaluation mode, whose values are those of the module.

    float16 and bfloat16 become float32, which holds all of their values. If a parameter or buffer
    is of float64, all of them become that.

    Raises
    ------
    ValueError
        If the module has no values (device "meta"), is a graph without layers, or cannot be copied.
    """
    _check_readable(module)
    kept = [each for _, each in (*module.named_parameters(), *module.named_buffers())]
    if any(each.is_meta for each in kept):
        raise ValueError(
            "the module has no values: it is on the device 'meta'. Load its weights first, such as "
            "with load_state_dict(..., assign=True). A module on an accelerator needs no step of "
            "its own: what is read is a copy, as of module.cpu()"
        )
    wide = any(each.dtype == torch.float64 for each in kept)
    return copied(module, torch.float64 if wide else torch.float32)


def _check_readable(module: nn.Module) -> None:
    """Refuse what torch made of a module, in which its layers are no longer there."""
    for child in parts(module):
        made = ""
        if isinstance(child, torch.jit.ScriptModule):
            made = "torch.jit"
        elif isinstance(child, torch.fx.GraphModule) and hasattr(child, "_in_spec"):
            made = "torch.export"
        if made:
            raise ValueError(
                f"the module is a graph made by {made}, in which neurons cannot be told: give the "
                "module that it was made from"
            )


def uncompiled() -> AbstractContextManager[None]:
    """Call what torch.compile compiled as it was before.

    Compiling takes minutes, since every layer is called with hooks on it.
    """
    stance = getattr(torch.compiler, "set_stance", None)
    # Where this was never loaded, nothing was compiled; loading it takes seconds.
    if stance is None or "torch._dynamo" not in sys.modules:
        return nullcontext()
    found: AbstractContextManager[None] = stance("force_eager")
    return found


def copied(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Return a copy on the CPU, in evaluation mode, with all its real numbers in one type.

    Raises
    ------
    ValueError
        If it cannot be copied.
    """
    memo: dict[int, Any] = {}
    for child in parts(module):
        for each in tensors(vars(child)):
            if not isinstance(each, _LATER):
                memo[id(each)] = _converted(each, dtype)
    own = [
        each for each in parts(module)
        if hasattr(type(each), "__deepcopy__") and not isinstance(each, torch.fx.GraphModule)
    ]
    try:
        # Some copy methods leave settings out (those of sinabs).
        for child in own:
            memo[id(child)] = type(child).__new__(type(child))
        for child in own:
            vars(memo[id(child)]).update(copy.deepcopy(vars(child), memo))
        # What torch.compile was given takes the place of what it made of it.
        for child in reversed(parts(module)):
            if isinstance(getattr(child, "_orig_mod", None), nn.Module):
                memo[id(child)] = copy.deepcopy(child._orig_mod, memo)
        result: nn.Module = copy.deepcopy(module, memo)
    except Exception as error:  # whatever the module raises
        raise ValueError(
            f"the module cannot be copied ({type(error).__name__}: {error}); it is read from a "
            "copy: give one that copy.deepcopy can copy"
        ) from error
    result.eval()
    for child in parts(result):
        _bind_forward(child)
        if any(True for _ in tensors([child._parameters, child._buffers])):
            child.register_forward_pre_hook(fit, with_kwargs=True, prepend=True)
    return result


def _bind_forward(child: nn.Module) -> None:
    """Refuse a forward that a copy has from the original, whose layers it would call.

    Where torch.compile made it, that of the class takes its place.
    """
    own = vars(child).get("forward")
    if not isinstance(own, FunctionType):
        return
    compiled = hasattr(own, "_torchdynamo_orig_callable")
    before = getattr(inspect.unwrap(own), "__func__", None)
    if not compiled or before is not type(child).forward:
        raise NotExpressible(
            type(child).__name__, "module", "its forward was replaced by the function "
            f"{own.__qualname__}, which calls the layers of the module itself, also in a copy",
            "a class that has that forward as its method",
        )
    del child.forward


def parts(module: nn.Module) -> list[nn.Module]:
    """Return a module and all modules in it."""
    # rockpool has methods ``modules`` and ``parameters`` of another kind.
    return [child for _, child in module.named_modules()]


def _converted(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    values = tensor.detach().to("cpu", copy=True)
    if values.dtype in _FLOATS:
        values = values.to(dtype)
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(values, requires_grad=tensor.requires_grad)
    return values


def fit(child: nn.Module, args: Any, kwargs: Any) -> Any:
    """Convert what a layer is given to the type of its own values. This is a forward pre-hook.

    The model may itself convert what it passes on to the type or the device of the original.
    """
    kept = tensors([child._parameters, child._buffers])
    own = next((each for each in kept if each.dtype in _FLOATS), None)
    if own is None:
        return args, kwargs

    def fitted(value: Any) -> Any:
        if isinstance(value, torch.Tensor) and value.dtype in _FLOATS:
            return value.to("cpu", own.dtype)
        return value

    return tuple(map(fitted, args)), {key: fitted(value) for key, value in kwargs.items()}


def tensors(value: Any, depth: int = 6) -> Iterator[torch.Tensor]:
    """Iterate over the tensors in nested tuples, lists and dictionaries."""
    if isinstance(value, torch.Tensor):
        yield value
    elif depth and isinstance(value, (tuple, list)):
        for each in value:
            yield from tensors(each, depth - 1)
    elif depth and isinstance(value, dict):
        yield from tensors(list(value.values()), depth)


def parameter_dtype(module: nn.Module) -> torch.dtype:
    """Return the type of a module's parameters, float32 if it has none."""
    kept: list[torch.Tensor] = [each for _, each in module.named_parameters()]
    kept += tensors([vars(child) for child in parts(module)])  # those of Norse may be no parameters
    return next((each.dtype for each in kept if each.is_floating_point()), torch.float32)


@contextmanager
def undisturbed(seed: int = 0) -> Iterator[None]:
    """Seed the generators of random numbers, and set them back to where they were afterwards."""
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
