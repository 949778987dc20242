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

from ...support.errors import NotExpressible
from ..operations import Shape

__all__ = ["NEAREST", "Recorder", "parameter_dtype", "record", "recorded_layers"]

NEAREST = (
    "Linear, Conv2d, BatchNorm, Flatten, Dropout, AvgPool2d in front of weights, MaxPool2d behind "
    "the neurons of a convolution, and the neurons of the documentation's table"
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
    axes : dict of str to int
        For each layer, how many axes its input had.
    sample : tensor
        The random numbers with which the module was called.
    returned : object
        What the module returned.
    steps : int or None
        Steps of the sample; None if it has no axis of steps.
    step_axis : {0, 1}
        That axis.
    """

    def __init__(self, module: nn.Module, leaf: Callable[[nn.Module], bool]) -> None:
        self.names: dict[nn.Module, str] = {}
        self.generator = torch.Generator().manual_seed(0)
        self.made: list[tuple[str, torch.Tensor]] = []
        self.sources: dict[str, list[str]] = {}
        self.axes: dict[str, int] = {}
        self.sample = torch.zeros(0)
        self.returned: Any = None
        self.steps: int | None = None
        self.step_axis = 0
        for name, child in recorded_layers(module, leaf):
            self.names.setdefault(child, name or type(child).__name__)

    def kind(self, name: str) -> str:
        """Return the type of a layer."""
        return next(type(m).__name__ for m, each in self.names.items() if each == name)

    def tag(self, like: torch.Tensor, signed: bool = False) -> torch.Tensor:
        """Return new random numbers of the shape of a tensor, from 0 to 1, or from -4 to 4 for
        membranes."""
        dtype = like.dtype if like.is_floating_point() else torch.float32
        values = torch.rand(like.shape, generator=self.generator, dtype=dtype)
        return values * 8 - 4 if signed else values

    def hook(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
        """Find where the input of a layer came from, and replace its output. This is a forward
        hook."""
        name = self.names[module]
        given = next((a for a in (*args, *kwargs.values()) if isinstance(a, torch.Tensor)), None)
        if given is None:
            raise NotExpressible(
                name, type(module).__name__, "it is called without a tensor", NEAREST
            )
        self.axes[name] = given.ndim
        source = self.find(name, type(module).__name__, given)
        seen = self.sources.setdefault(name, [])
        if source not in seen:
            seen.append(source)
        if isinstance(output, torch.Tensor):
            tagged = self.tag(output)
            self.made.append((name, tagged))
            return tagged.clone()  # the model may change it in place
        if isinstance(output, tuple):
            values = tuple(
                self.tag(v, signed=i > 0) if isinstance(v, torch.Tensor) else v
                for i, v in enumerate(output)
            )
            self.made += [
                (name if i == 0 else f"output {i} (a state) of {name}", value)
                for i, value in enumerate(values)
                if isinstance(value, torch.Tensor)
            ]
            return tuple(v.clone() if isinstance(v, torch.Tensor) else v for v in values)
        if isinstance(output, list) and output and isinstance(output[0], torch.Tensor):
            # One output per step, as of the neurons of SpikingJelly that never fire.
            steps = [self.tag(value, signed=True) for value in output]
            self.made += [(name, value) for value in steps]
            return [value.clone() for value in steps]
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


def recorded_layers(
    module: nn.Module, leaf: Callable[[nn.Module], bool], name: str = ""
) -> Iterator[tuple[str, nn.Module]]:
    """Iterate over the layers of a module and their names."""
    children = list(module.named_children())
    if not children or leaf(module):
        yield name, module
        return
    for key, child in children:
        yield from recorded_layers(child, leaf, f"{name}.{key}" if name else key)


def record(
    module: nn.Module,
    shape: Shape,
    sample: Any,
    leaf: Callable[[nn.Module], bool],
    step_axis: int = 0,
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
    step_axis : {0, 1}
        Axis of the steps, where the module is called with several.

    Raises
    ------
    NotExpressible
        If the layers are not one chain.
    ValueError
        If it cannot be called.
    """
    recorder = Recorder(module, leaf)
    given = _checked_sample(sample, shape, step_axis)
    recorder.sample = recorder.tag(given.to(parameter_dtype(module)))
    if given.ndim == len(shape) + 2:
        recorder.steps = given.shape[step_axis]
    elif step_axis:
        recorder.steps = len(given)  # folded into the batch
    recorder.step_axis = step_axis
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
            f"{_taken(step_axis)}; snnTorch neurons in a Sequential need init_hidden=True"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    recorder.returned = returned
    return recorder, _order(recorder)


def _taken(step_axis: int) -> str:
    """Return the shapes of samples that a module may take, for messages."""
    if step_axis:
        return "(1, steps, *sample_shape), or (steps, *sample_shape) if it folds steps into batches"
    return "(1, *sample_shape), or (steps, 1, *sample_shape) if it loops over steps"


def _checked_sample(sample: Any, shape: Shape, step_axis: int) -> torch.Tensor:
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
    if given.ndim == len(shape) + 1 and batch != 1 and not step_axis:
        raise ValueError(f"sample must be a batch of 1, not of {batch}")
    if given.ndim == len(shape) + 2 and given.shape[1 - step_axis] != 1:
        axes = "(1, steps, *sample_shape)" if step_axis else "(steps, 1, *sample_shape)"
        raise ValueError(f"sample must be {axes}, a batch of 1, not {tuple(given.shape)}")
    return given


def _order(recorder: Recorder) -> list[str]:
    """Return the names of the layers from the sample on; refused unless they are one chain."""
    if not recorder.sources:
        raise ValueError("the module calls no layers")
    following: dict[str, list[str]] = {}
    for name, sources in recorder.sources.items():
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
    # rockpool has a method ``parameters`` of another kind.
    parameters = (value for _, value in module.named_parameters())
    return next((p.dtype for p in parameters if p.is_floating_point()), torch.float32)
