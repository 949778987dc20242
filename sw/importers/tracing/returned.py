"""What a torch module returns of its last layer: spikes or membranes, and how over the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from ...support.errors import NotExpressible
from ..operations import Neurons, Operation
from .chains import Recorded
from .copies import tensors
from .functions import MOVING

__all__ = ["Reading", "check_returned", "read_over_steps"]

_NOT_ITS_OUTPUT = "what the model returns is not its output"
_ANOTHER = (
    f"{_NOT_ITS_OUTPUT}: something is computed behind it, or another layer's output is returned"
)
_PLAIN = "returning its output, or the stack, sum or mean of it where forward loops over steps"
_OF_SPIKES = ("all", "sum", "mean")
_WAYS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "all": lambda values: values,
    "last": lambda values: values[-1],
    "sum": lambda values: values.sum(0),
    "mean": lambda values: values.mean(0),
    "the maximum over the steps": lambda values: values.amax(0),
    "the minimum over the steps": lambda values: values.amin(0),
    "the first": lambda values: values[0],
}
_MEMBRANE = "the last membrane (mem[-1]), or the sum or mean over the steps"


@dataclass(frozen=True)
class Reading:
    """What a module returns of its last layer.

    Attributes
    ----------
    output : int
        The output of the layer; 0 is what it gives, others are states.
    over : str
        "all" of its steps, the "last", or their "sum" or "mean".
    """

    output: int
    over: str


def read_over_steps(
    found: Recorded, ops: Sequence[Operation], readout: str | None
) -> tuple[list[Operation], Reading]:
    """Return the last operation as the module's result reads it, and what it returns.

    Where the module returns the sum or mean of membranes over the steps, the neurons become some
    whose last membrane is that.

    Parameters
    ----------
    found : Recorded
        The recording of a call.
    ops : sequence of Operation
        The operations in order.
    readout : str or None
        With "membrane", the module may return membranes in place of spikes.

    Raises
    ------
    NotExpressible
        If the module returns something else of its last layer.
    ValueError
        If the sample is too short to tell.
    """
    made, last = _steps_first(found), found.order[-1]
    kind = found.recorder.kind(last)
    returned = list(_results(found.returned))
    output = _over_steps(_calls(made, last), returned)
    op = ops[-1] if ops else None
    if not isinstance(op, Neurons) or op.cell.fires:
        states = [] if op is None else [name for name, _ in made if name.endswith(f" of {op.name}")]
        # The last state is the membrane, behind a synaptic current if there is one.
        state = _over_steps(_calls(made, states[-1]), returned) if states else ""
        if isinstance(op, Neurons) and state and readout == "membrane":
            number = len(dict.fromkeys(states))
            return [_membranes(found, op, state)], Reading(number, state)
        if output in _OF_SPIKES:
            return list(ops[-1:]), Reading(0, output)
        if op is not None and state:
            raise NotExpressible(
                op.name, op.kind, "the model returns its state, not its spikes",
                "readout='membrane'",
            )
        why, nearest = _why(_calls(made, last), output, returned)
        raise NotExpressible(last, kind, why.replace(_ANOTHER, _named(found)), nearest)
    return [_membranes(found, op, output)], Reading(0, output)


def check_returned(
    made: Sequence[tuple[str, torch.Tensor]],
    last: str,
    kind: str,
    returned: Any,
    reading: Reading,
) -> None:
    """Refuse a module that returns something else of its last layer than before.

    Parameters
    ----------
    made : sequence of (str, tensor)
        What the layer gave, call by call.
    last : str
        Its name.
    kind : str
        Its type.
    returned : object
        What the module returned.
    reading : Reading
        What it returned before.

    Raises
    ------
    NotExpressible
        Naming the layer.
    """
    name = f"output {reading.output} (a state) of {last}" if reading.output else last
    results = list(_results(returned))
    if not _is(_calls(made, name), results, reading.over):
        raise NotExpressible(last, kind, *_why(_calls(made, name), "", results))


def _steps_first(found: Recorded) -> list[tuple[str, torch.Tensor]]:
    """Return what layers gave with the steps in front of the batch, which is of one sample."""
    calls, made = found.calls, found.recorder.made
    if calls.time != 1:
        return made
    return [(n, v.swapaxes(0, 1) if v.shape[:2] == (1, calls.steps) else v) for n, v in made]


def _membranes(found: Recorded, op: Neurons, how: str) -> Operation:
    """Return neurons whose last membrane is what the module returns of these neurons' membranes."""
    if how in ("all", "last"):
        if found.calls.time is not None and found.calls.steps == 1:
            raise ValueError(
                f"sample must have 2 steps or more, not 1: the model returns membranes of "
                f"{op.name}, and with one step their sum is the last of them"
            )
        return op
    if how in ("sum", "mean"):
        return replace(op, cell=op.cell.over_steps(op.name, op.kind))
    if how:
        reason = f"the model returns {how} of its membrane"
        raise NotExpressible(op.name, op.kind, reason, _MEMBRANE)
    raise NotExpressible(op.name, op.kind, _ANOTHER, f"returning its membrane: {_MEMBRANE}")


def _named(found: Recorded) -> str:
    """Return what the model returns, by the functions and layers that it comes from."""
    values = list(tensors(found.returned))
    if not values:
        kind = type(found.returned).__name__
        return f"{_NOT_ITS_OUTPUT}: it returns no tensor (but {kind})"
    known = (found.recorder.functions.origin(value) for value in values)
    origin = next((each for each in known if each is not None), None)
    layers, functions = ([], []) if origin is None else origin.path()
    if not layers:
        return _ANOTHER
    of = " and ".join(
        each if each.startswith("output ") else f"what {each} gave" for each in layers
    )
    called = ", ".join(functions)
    if layers == [found.order[-1]] and all(each in MOVING for each in functions):
        return f"{_NOT_ITS_OUTPUT}: it returns a part of {of}, or another order ({called})"
    return f"{_NOT_ITS_OUTPUT}: it returns {called}{' of ' if called else ''}{of}"


def _results(value: Any) -> Iterator[torch.Tensor]:
    """Iterate over the tensors in nested tuples, lists and dictionaries; a list of tensors of one
    shape is also one tensor."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        tensors = [each for each in value if isinstance(each, torch.Tensor)]
        if 1 < len(tensors) == len(value) and len({each.shape for each in tensors}) == 1:
            yield torch.stack(tensors)
        for each in value:
            yield from _results(each)
    elif isinstance(value, dict):
        yield from _results(list(value.values()))


def _calls(made: Sequence[tuple[str, torch.Tensor]], name: str) -> list[torch.Tensor]:
    """What a layer, or one of its states, was in all calls."""
    return [value for maker, value in made if maker == name]


def _over_steps(calls: Sequence[torch.Tensor], returned: Sequence[torch.Tensor]) -> str:
    """How the module returned the outputs of a layer: "all", "last", "sum", "mean", in words if
    otherwise, or "" if not at all."""
    return next((how for how in _WAYS if _is(calls, returned, how)), "")


def _is(calls: Sequence[torch.Tensor], returned: Sequence[torch.Tensor], how: str) -> bool:
    """Whether the module returned the outputs of a layer in that way."""
    if len({call.shape for call in calls}) != 1:
        return False
    values = calls[0] if len(calls) == 1 else torch.stack(list(calls))
    wanted = [_WAYS[how](values)]
    if how == "all" and values.ndim > 1:
        wanted += [values.movedim(0, -1), values.movedim(0, 1)]
    return any(_same(each, value) for each in returned for value in wanted)


def _same(each: torch.Tensor, value: torch.Tensor) -> bool:
    if each.numel() != value.numel():
        return False
    # A tolerance is needed, because the model may compute its sums and means in a different order.
    size = value.abs().max().item() if value.numel() else 0.0
    found = each.reshape(-1).to(value.dtype)
    return torch.allclose(found, value.reshape(-1), rtol=1e-4, atol=1e-6 * size)


def _why(
    calls: Sequence[torch.Tensor], output: str, returned: Sequence[torch.Tensor]
) -> tuple[str, str]:
    """Why the module's result cannot be read, and the nearest that can."""
    if output:
        of = output if output.startswith("the") else f"the {output}"
        return f"{_NOT_ITS_OUTPUT}: it returns {of} of its outputs", _PLAIN
    if len({call.shape for call in calls}) == 1:
        values = torch.stack(list(calls)) if len(calls) > 1 else calls[0]
        for base in (values, values.sum(0), values.mean(0)):
            size, beside = _groups(base, returned)
            if size:
                nearest = f"torch.nn.AvgPool1d({size}) behind it, which is read"
                if not beside:
                    nearest += ", with the neurons of a group side by side"
                return f"{_ANOTHER}; it returns the mean of groups of {size} outputs", nearest
    return _ANOTHER, _PLAIN


def _groups(base: torch.Tensor, returned: Sequence[torch.Tensor]) -> tuple[int, bool]:
    """Return the size of groups of outputs whose mean or sum the module returned, 0 if it did not,
    and whether those of a group are side by side."""
    outputs = base.shape[-1] if base.ndim else 1
    rows = base.reshape(-1, outputs)
    for each in returned:
        size = base.numel() // max(each.numel(), 1)
        if not 1 < size <= outputs or size * each.numel() != base.numel() or outputs % size:
            continue
        for beside in (True, False):
            groups = rows.reshape(len(rows), -1, size) if beside else (
                rows.reshape(len(rows), size, -1).swapaxes(1, 2)
            )
            if _same(each, groups.mean(-1)) or _same(each, groups.sum(-1)):
                return size, beside
    return 0, False
