"""Recordings of events (address and time) binned into the steps of a sample."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LAST", "bin_events", "is_recordings", "places", "steps_of"]

_AXES = ("p", "y", "x")
_LARGEST = sys.float_info.max
LAST = int(np.iinfo(np.int64).max)
"""The last step there can be."""


def is_recordings(samples: Any) -> bool:
    """Whether ``samples`` is a list of event arrays (structured, one per sample)."""
    return (
        isinstance(samples, (list, tuple))
        and bool(samples)
        and all(isinstance(each, np.ndarray) and each.dtype.names for each in samples)
    )


def bin_events(
    recordings: Sequence[npt.NDArray[Any]],
    shape: tuple[int, ...],
    steps: int,
    bin_time: float | None = None,
    bin_count: int | None = None,
    start: float = 0,
    late: str = "refuse",
) -> npt.NDArray[np.bool_]:
    """Spikes of recordings; events that meet in one place and step are one spike.

    Parameters
    ----------
    recordings : a structured array per sample with the fields ``t`` and ``x``, and ``y``, ``p``
        where the input has these axes. Times in any unit, as integers or floats, none before the
        one in front of it.
    shape : of the input, (x,), (y, x) or (p, y, x).
    steps : steps of a sample.
    bin_time : length dt of a step in units of ``t``; step k is from ``start + k dt`` on, up to
        but without ``start + (k + 1) dt``.
    bin_count : instead of ``bin_time``: each recording, from ``start`` to its last event, is cut
        into this many steps of equal length (rounded up to a whole one for integer times).
    start : where the first step begins.
    late : events behind the last step: "refuse" or "drop".

    Returns
    -------
    (batch, steps, *shape) bool.

    Raises
    ------
    TypeError, ValueError
        Naming the argument or the recording, its first event at fault, and what is allowed.
    """
    if (bin_time is None) == (bin_count is None):
        raise ValueError(
            "event samples need bin_time (length of a step) or bin_count (number of steps), one "
            f"of them; not bin_time {bin_time!r} and bin_count {bin_count!r}"
        )
    if late not in ("refuse", "drop"):
        raise ValueError(f"late must be 'refuse' or 'drop', not {late!r}")
    for name, value in (("bin_time", bin_time), ("start", start)):
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating))
        ):
            raise TypeError(f"{name} must be a number, in units of the field t, not {value!r}")
        if isinstance(value, int) and abs(value) > _LARGEST:
            raise ValueError(f"{name} must be at most {_LARGEST:g} in size, not {value}")
    if bin_time is not None and not 0 < bin_time < float("inf"):
        raise ValueError(f"bin_time must be more than 0, not {bin_time!r}")
    if not -float("inf") < start < float("inf"):
        raise ValueError(f"start must be a finite number, not {start!r}")
    if bin_count is not None and bin_count != steps:
        raise ValueError(f"bin_count must be the program's {steps} steps, not {bin_count!r}")
    if len(shape) > len(_AXES):
        raise ValueError(f"events have at most the axes (p, y, x); the input has the shape {shape}")
    spikes = np.zeros((len(recordings), steps, *shape), dtype=bool)
    for i, events in enumerate(recordings):
        where = places(f"samples[{i}]", events, shape)
        step = steps_of(f"samples[{i}]", events, steps, bin_time, start)
        inside = step < steps
        if late == "refuse" and not inside.all():
            first = int(np.argmin(inside))
            raise ValueError(
                f"samples[{i}] has {int((~inside).sum())} events behind the last of {steps} steps "
                f"(event {first} at t={events['t'][first]}): a longer bin_time takes them in, "
                "late 'drop' leaves them out"
            )
        at: tuple[Any, ...] = (i, step[inside], *(axis[inside] for axis in where))
        spikes[at] = True
    return spikes


def _field(name: str, events: npt.NDArray[Any], field: str) -> npt.NDArray[Any]:
    names = events.dtype.names or ()
    if field not in names:
        raise ValueError(f"{name} must have the field {field!r}; it has {', '.join(names)}")
    if events.ndim != 1:
        raise ValueError(f"{name} must be a list of events, not of shape {events.shape}")
    values: npt.NDArray[Any] = events[field]
    if values.dtype.kind not in ("iuf" if field == "t" else "biu"):
        kind = "numbers" if field == "t" else "integers"
        raise TypeError(f"{name} field {field!r} must be {kind}, not {values.dtype}")
    return values


def places(
    name: str, events: npt.NDArray[Any], shape: tuple[int, ...]
) -> list[npt.NDArray[np.int64]]:
    """Per axis of the shape, where the events are; refuses those outside of it."""
    found = []
    for field, size in zip(_AXES[-len(shape) :], shape, strict=True):
        values = _field(name, events, field)
        place = values.astype(np.int64)
        bad = (place < 0) | (place >= size)
        if bad.any():
            first = int(np.argmax(bad))
            raise ValueError(
                f"{name} field {field!r} must be from 0 to {size - 1}, not {values[first]} "
                f"(event {first})"
            )
        found.append(place)
    return found


def _times(name: str, events: npt.NDArray[Any], start: float) -> npt.NDArray[Any]:
    """When the events are, int64 if they can be; refuses times before ``start``, that are not
    finite, or that go back."""
    when = _field(name, events, "t")
    if when.dtype.kind in "iu":
        large = len(when) and when.max() > LAST
        when = when.astype(np.float64 if large else np.int64)
    bad = ~((when >= start) & (when < np.inf))
    if bad.any():
        first = int(np.argmax(bad))
        raise ValueError(
            f"{name} field 't' must be from start={start} on, not {when[first]} (event {first}): "
            "give an earlier start or cut the recording"
        )
    back = when[1:] < when[:-1]
    if back.any():
        first = int(np.argmax(back)) + 1
        raise ValueError(
            f"{name} field 't' goes back from {when[first - 1]} to {when[first]} "
            f"(event {first}): sort the events by their time"
        )
    return when


def steps_of(
    name: str,
    events: npt.NDArray[Any],
    steps: int,
    bin_time: float | None,
    start: float,
) -> npt.NDArray[np.int64]:
    """The step of each event, ``steps`` for all that are later; refuses times that ``bin_events``
    does."""
    when = _times(name, events, start)
    if not len(when):
        return np.zeros(0, dtype=np.int64)
    exact = (
        when.dtype.kind == "i"
        and float(start).is_integer()
        and int(when.max()) - int(start) <= LAST
    )
    elapsed = when - (int(start) if exact else float(start))
    if bin_time is not None:
        whole = exact and float(bin_time).is_integer() and bin_time <= LAST
        index = elapsed // (int(bin_time) if whole else float(bin_time))
        return np.minimum(index, steps).astype(np.int64)
    if exact:
        return np.asarray(elapsed // -(-(int(elapsed.max()) + 1) // steps), dtype=np.int64)
    length = elapsed.max() / steps or 1.0
    return np.minimum(elapsed // length, steps - 1).astype(np.int64)
