"""The order in which a torch module calls its layers, recorded on one sample.

While a call is recorded, the output of every layer is replaced by its own random numbers. The input
of a layer is then either found among them exactly, or it is something that the model computed in
between, which no layer here would repeat. So branches, shared layers, additions and activation
functions are detected, while loops over time steps, which only repeat the same calls, do no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...support.errors import NotExpressible
from ..operations import Shape

__all__ = ["EACH_STEP", "NEAREST", "Recorder", "parameter_dtype", "record"]

NEAREST = (
    "Linear, Conv2d, BatchNorm, Flatten, Dropout, AvgPool2d in front of weights, MaxPool2d behind "
    "the neurons of a convolution, and the neurons of the documentation's table"
)
EACH_STEP = (
    "it is a norm of its own for each step, and the weights are the same in all of them",
    "one BatchNorm for all steps, trained again",
)
_SAMPLE = "the sample"


class Recorder:
    """Records the calls of a module's layers by hooks on them.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    leaf : callable
        Whether a module with children counts as a layer.

    Attributes
    ----------
    names : dict of module to str
        Names of the layers. A layer with several names has the first.
    made : list of (str, tensor)
        The result of each call, in order: the layer's name, and the random numbers that replaced
        its output.
    sources : dict of str to list of str
        For each layer, the names of those whose output it received.
    sample : tensor
        The random numbers with which the module was called.
    """

    def __init__(self, module: nn.Module, leaf: Callable[[nn.Module], bool]) -> None:
        self.names: dict[nn.Module, str] = {}
        self.generator = torch.Generator().manual_seed(0)
        self.made: list[tuple[str, torch.Tensor]] = []
        self.sources: dict[str, list[str]] = {}
        self.sample = torch.zeros(0)
        for name, child in _leaves(module, leaf, ""):
            self.names.setdefault(child, name or type(child).__name__)

    def kind(self, name: str) -> str:
        """Return the type of a layer."""
        return next(type(m).__name__ for m, each in self.names.items() if each == name)

    def tag(self, like: torch.Tensor) -> torch.Tensor:
        """Return new random numbers of the shape of a tensor."""
        dtype = like.dtype if like.is_floating_point() else torch.float32
        return torch.rand(like.shape, generator=self.generator, dtype=dtype)

    def hook(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
        """Find where the input of a layer came from, and replace its output. This is a forward
        hook."""
        name = self.names[module]
        given = next((a for a in (*args, *kwargs.values()) if isinstance(a, torch.Tensor)), None)
        if given is None:
            raise NotExpressible(
                name, type(module).__name__, "it is called without a tensor", NEAREST
            )
        source = self.find(name, type(module).__name__, given)
        seen = self.sources.setdefault(name, [])
        if source not in seen:
            seen.append(source)
        if isinstance(output, torch.Tensor):
            tagged = self.tag(output)
            self.made.append((name, tagged))
            return tagged.clone()  # the model may change it in place
        if isinstance(output, tuple):
            values = tuple(self.tag(v) if isinstance(v, torch.Tensor) else v for v in output)
            self.made += [
                (name if i == 0 else f"output {i} (a state) of {name}", value)
                for i, value in enumerate(values)
                if isinstance(value, torch.Tensor)
            ]
            return tuple(v.clone() if isinstance(v, torch.Tensor) else v for v in values)
        raise NotExpressible(
            name, type(module).__name__, f"it returns a {type(output).__name__}", NEAREST
        )

    def find(self, name: str, kind: str, given: torch.Tensor) -> str:
        """Return the name of the layer that returned these values, in whatever shape."""
        # Search from the last call backward. A model that loops over steps may slice one step out
        # of a layer's output for all steps, so each row of the values is matched separately.
        flat = given.detach().reshape(-1)
        for maker, value in reversed([(_SAMPLE, self.sample), *self.made]):
            parts = value.reshape(-1)
            if parts.numel() % max(flat.numel(), 1):
                continue
            rows = parts.reshape(-1, flat.numel())
            if (rows == flat).all(1).any():
                return maker
            if rows.shape[0] == 1 and torch.equal(rows[0].sort()[0], flat.sort()[0]):
                raise NotExpressible(
                    name, kind, f"its input is what {maker} gave in another order (a transpose or "
                    "permutation)", "the same order",
                )
        raise NotExpressible(
            name, kind, "its input is not what any layer gave: something was computed in between "
            "(an addition, a concatenation, an activation function, a scaling)",
            "layers called one after the other, with nothing but reshaping between them; "
            "input_scale for a scaled input",
        )


def _leaves(
    module: nn.Module, leaf: Callable[[nn.Module], bool], name: str
) -> Iterator[tuple[str, nn.Module]]:
    """Iterate over the layers of a module and their names."""
    children = list(module.named_children())
    if not children or leaf(module):
        yield name, module
        return
    for key, child in children:
        yield from _leaves(child, leaf, f"{name}.{key}" if name else key)


def record(
    module: nn.Module,
    shape: Shape,
    sample: Any,
    leaf: Callable[[nn.Module], bool],
    readout: str | None,
) -> tuple[Recorder, list[str]]:
    """Call a module once, and return the recorder and the names of its layers in order.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    shape : tuple of int
        Shape of one sample.
    sample : tensor or array_like or None
        What the module is called with; None for zeros of ``(1, *shape)``. Its values do not
        matter.
    leaf : callable
        Whether a module with children counts as a layer.
    readout : str or None
        With "membrane" the module may return the last layer's membrane in place of its output.

    Raises
    ------
    NotExpressible
        If the layers are not one chain, or the module returns something else than the last one's
        output.
    ValueError
        If it cannot be called.
    """
    recorder = Recorder(module, leaf)
    given = _checked_sample(sample, shape)
    recorder.sample = recorder.tag(given.to(parameter_dtype(module)))
    hooks = [
        child.register_forward_hook(recorder.hook, with_kwargs=True) for child in recorder.names
    ]
    try:
        with torch.no_grad():
            returned = module(recorder.sample.clone())
    except NotExpressible:
        raise
    except Exception as error:  # whatever the model raises
        raise ValueError(
            f"the module cannot be called with one sample of {tuple(given.shape)} "
            f"({type(error).__name__}: {error}); give sample=, what its forward takes: "
            "(1, *sample_shape), or (steps, 1, *sample_shape) if it loops over steps; snnTorch "
            "neurons in a Sequential need init_hidden=True"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    order = _order(recorder)
    _check_returned(recorder, order[-1], list(_tensors(returned)), readout)
    return recorder, order


def _checked_sample(sample: Any, shape: Shape) -> torch.Tensor:
    """Return the argument of the module's call: a batch of 1, with or without steps."""
    if sample is None:
        return torch.zeros(1, *shape)
    size = int(np.prod(shape))
    given = torch.as_tensor(sample)
    if given.numel() % size or tuple(given.shape[given.ndim - len(shape) :]) != shape:
        raise ValueError(
            f"sample must end with the axes of sample_shape {shape}, not {tuple(given.shape)}"
        )
    batch = given.numel() // size
    if given.ndim == len(shape) + 1 and batch != 1:
        raise ValueError(f"sample must be a batch of 1, not of {batch}")
    if given.ndim == len(shape) + 2 and given.shape[1] != 1:
        raise ValueError(
            f"sample must be (steps, 1, *sample_shape), a batch of 1, not {tuple(given.shape)}"
        )
    return given


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    """Iterate over the tensors in nested tuples, lists and dictionaries."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from _tensors(each)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _check_returned(
    recorder: Recorder, last: str, returned: list[torch.Tensor], readout: str | None
) -> None:
    """Refuse a module that does not return the last layer's output, as it is or over steps."""
    if _among(recorder.made, last, returned):
        return
    kind, reason = recorder.kind(last), "what the model returns is not its output: something is "
    reason += "computed behind it, or another layer's output is returned"
    nearest = "returning its output, or the stack, sum or mean of it where forward loops over steps"
    states = dict.fromkeys(name for name, _ in recorder.made if name.endswith(f" of {last}"))
    if any(_among(recorder.made, name, returned, states=True) for name in states):
        if readout == "membrane":
            return
        reason, nearest = "the model returns its state, not its spikes", "readout='membrane'"
    raise NotExpressible(last, kind, reason, nearest)


def _among(
    made: list[tuple[str, torch.Tensor]],
    name: str,
    returned: list[torch.Tensor],
    states: bool = False,
) -> bool:
    """Whether the module returned a layer's outputs from all of its calls, in any shape.

    The stack, sum and mean over the calls count. For states, the one of the last call counts too,
    but not the sum or mean.
    """
    calls = [value for maker, value in made if maker == name]
    if len({call.shape for call in calls}) != 1:
        return False
    values = calls[0] if len(calls) == 1 else torch.stack(calls)
    wanted = [values, values.movedim(0, -1)]
    wanted += [calls[-1]] if states else [values.sum(0), values.mean(0)]
    # A tolerance is needed, because the model may compute its sums and means in a different order.
    return any(
        each.numel() == value.numel()
        and torch.allclose(each.reshape(-1).to(value.dtype), value.reshape(-1), rtol=1e-4)
        for each in returned
        for value in wanted
    )


def _order(recorder: Recorder) -> list[str]:
    """Return the names of the layers from the sample on; refused unless they are one chain."""
    if not recorder.sources:
        raise ValueError("the module calls no layers")
    following: dict[str, list[str]] = {}
    for name, sources in recorder.sources.items():
        norms = [m for m, each in recorder.names.items() if each in sources]
        if len(sources) > 1 and all(isinstance(each, _BatchNorm) for each in norms):
            raise NotExpressible(
                " and ".join(sources), recorder.kind(sources[0]), *EACH_STEP
            )
        if len(sources) > 1:
            raise NotExpressible(
                name, recorder.kind(name), f"it is given what {' and what '.join(sources)} made: "
                "it is shared between places, or recurrent",
                "a layer of its own for each place, in one chain",
            )
        if sources[0].startswith("output "):
            raise NotExpressible(
                name, recorder.kind(name), f"it is given {sources[0]}, not its spikes",
                "layers on spikes",
            )
        following.setdefault(sources[0], []).append(name)
    for name, others in following.items():
        if len(others) > 1:
            kind = "input" if name == _SAMPLE else recorder.kind(name)
            raise NotExpressible(
                name, kind, f"the model branches: it feeds {' and '.join(others)}",
                "layers in one chain",
            )
    order, at = [], _SAMPLE
    while at in following:
        at = following[at][0]
        order.append(at)
        if len(order) > len(recorder.sources):
            raise NotExpressible(at, recorder.kind(at), "it is recurrent", "one chain")
    missed = [name for name in recorder.sources if name not in order]
    if missed:
        raise NotExpressible(
            missed[0], recorder.kind(missed[0]), "it is not reached from the sample: recurrent",
            "layers in one chain",
        )
    return order


def parameter_dtype(module: nn.Module) -> torch.dtype:
    """Return the type of a module's parameters, float32 if it has none."""
    return next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
