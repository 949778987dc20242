"""Events counted per step and position, for inputs of several bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..spec.array import LIMITS
from ..support.values import exact_choice, exact_int

__all__ = ["AXES", "EXCESS", "check_counting", "count_events", "counts_dtype"]

AXES = ("p", "y", "x")
"""The axes of an input of events; one with fewer has the last ones."""
EXCESS = ("refuse", "saturate")
_AT_ONCE = 1 << 22  # counts made at a time, of 8 bytes


def check_counting(bits: Any, excess: Any) -> int | None:
    """The bits of a count; None for spikes.

    Raises
    ------
    TypeError, ValueError
        If ``bits`` are none that an input can have, or ``excess`` is given without them.
    """
    exact_choice("excess", excess, EXCESS)
    if bits is None:
        if excess != "refuse":
            raise ValueError(
                f"excess {excess!r} is for counts of events: they have bits, as a FrameInput has; "
                "events that meet are one spike otherwise"
            )
        return None
    return exact_int("bits", bits, 1, LIMITS["window"][1])


def counts_dtype(bits: int) -> type[np.unsignedinteger[Any]]:
    """The type of counts of so many bits."""
    return np.uint8 if bits <= 8 else np.uint16


def count_events(
    name: str,
    counts: npt.NDArray[np.unsignedinteger[Any]],
    shape: tuple[int, ...],
    step: npt.NDArray[np.int64],
    position: npt.NDArray[Any],
    bits: int,
    excess: str,
) -> None:
    """Write the counts of the events of a recording.

    Parameters
    ----------
    name : str
        The recording's name in messages.
    counts : (steps, size) unsigned array
        What is written to.
    shape : tuple of int
        Shape of the input, of ``size`` positions.
    step, position : (events,) integer arrays
        Where the events are; steps in ascending order.
    bits : int
        Bits of a count.
    excess : {"refuse", "saturate"}
        What to do with more events than the bits can count.

    Raises
    ------
    ValueError
        If more events meet than the bits can count, and ``excess`` is "refuse".
    """
    (steps, size), limit = counts.shape, (1 << bits) - 1
    rows = max(1, _AT_ONCE // size)
    for first in range(0, steps, rows):
        block = counts[first : first + rows]
        begin, end = np.searchsorted(step, [first, first + len(block)])
        where = (step[begin:end] - first) * size + position[begin:end]
        found = np.bincount(where, minlength=block.size)
        if excess == "refuse" and found.max() > limit:
            at = int(np.argmax(found > limit))
            place = tuple(int(i) for i in np.unravel_index(at % size, shape))
            axes = ", ".join(AXES[-len(shape) :])
            when = first + at // size
            raise ValueError(
                f"{name} has {found[at]} events in step {when} at ({axes}) = {place}, and {bits} "
                f"bits count to {limit}: shorter steps or more bits hold them, excess 'saturate' "
                f"counts them as {limit}"
            )
        block[...] = np.minimum(found, limit, out=found).reshape(block.shape)
