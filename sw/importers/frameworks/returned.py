"""What a torch module returns of its last layer: spikes or membranes, and how over the steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from ...support.errors import NotExpressible
from ..operations import Neurons, Operation
from .recording import Recorder

__all__ = ["read_over_steps"]

_ANOTHER = (
    "what the model returns is not its output: something is computed behind it, or another layer's "
    "output is returned"
)
_PLAIN = "returning its output, or the stack, sum or mean of it where forward loops over steps"
_MEMBRANE = "the last membrane (mem[-1]), or the sum or mean over the steps"


def read_over_steps(
    recorder: Recorder, last: str, op: Operation, readout: str | None
) -> Operation:
    """Return the last operation as the module's result reads it.

    Where the module returns the sum or mean of membranes over the steps, the neurons become some
    whose last membrane is that.

    Parameters
    ----------
    recorder : Recorder
        The recording of a call.
    last : str
        Name of the last layer that was called.
    op : Operation
        The last operation.
    readout : str or None
        With "membrane", the module may return membranes in place of spikes.

    Raises
    ------
    NotExpressible
        If the module returns something else of its last layer.
    ValueError
        If the sample is too short to tell.
    """
    returned = list(_results(recorder.returned))
    output = _over_steps(_calls(recorder, last), returned)
    if not isinstance(op, Neurons):
        if output in ("all", "sum", "mean"):
            return op
        raise NotExpressible(last, recorder.kind(last), *_why(recorder, last, output, returned))
    if not op.cell.fires:
        return _membranes(recorder, op, output)
    states = [name for name, _ in recorder.made if name.endswith(f" of {op.name}")]
    # The last state is the membrane, behind a synaptic current if there is one.
    state = _over_steps(_calls(recorder, states[-1]), returned) if states else ""
    if state and readout == "membrane":
        return _membranes(recorder, op, state)
    if output in ("all", "sum", "mean"):
        return op
    if state:
        raise NotExpressible(
            op.name, op.kind, "the model returns its state, not its spikes", "readout='membrane'"
        )
    raise NotExpressible(last, recorder.kind(last), *_why(recorder, last, output, returned))


def _membranes(recorder: Recorder, op: Neurons, how: str) -> Operation:
    """Return neurons whose last membrane is what the module returns of these neurons' membranes."""
    if how in ("all", "last"):
        if recorder.steps == 1:
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


def _calls(recorder: Recorder, name: str) -> list[torch.Tensor]:
    """What a layer, or one of its states, was in all calls, with the steps first."""
    made = [value for maker, value in recorder.made if maker == name]
    if not recorder.step_axis:
        return made
    return [v.swapaxes(0, 1) if v.shape[:2] == (1, recorder.steps) else v for v in made]


def _over_steps(calls: Sequence[torch.Tensor], returned: Sequence[torch.Tensor]) -> str:
    """How the module returned the outputs of a layer: "all", "last", "sum", "mean", in words if
    otherwise, or "" if not at all."""
    if len({call.shape for call in calls}) != 1:
        return ""
    values = calls[0] if len(calls) == 1 else torch.stack(list(calls))
    wanted = {
        "all": (values, values.movedim(0, -1)),
        "last": (values[-1],),
        "sum": (values.sum(0),),
        "mean": (values.mean(0),),
        "the maximum over the steps": (values.amax(0),),
        "the minimum over the steps": (values.amin(0),),
        "the median over the steps": (values.median(0).values,),
        "the first": (values[0],),
    }
    for how, several in wanted.items():
        if any(_same(each, value) for each in returned for value in several):
            return how
    return ""


def _same(each: torch.Tensor, value: torch.Tensor) -> bool:
    # A tolerance is needed, because the model may compute its sums and means in a different order.
    return each.numel() == value.numel() and torch.allclose(
        each.reshape(-1).to(value.dtype), value.reshape(-1), rtol=1e-4
    )


def _why(
    recorder: Recorder, last: str, output: str, returned: Sequence[torch.Tensor]
) -> tuple[str, str]:
    """Why the module's result cannot be read, and the nearest that can."""
    if output:
        of = output if output.startswith("the") else f"the {output}"
        return f"{_ANOTHER}; it returns {of} of its outputs", _PLAIN
    calls = _calls(recorder, last)
    if calls and len({call.shape for call in calls}) == 1:
        values = torch.stack(calls) if len(calls) > 1 else calls[0]
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
