"""Recordings of events (addresses and times), binned into the steps of a sample."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LAST", "bin_events", "event_positions", "is_recordings", "steps_of"]

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
    """The spikes of recordings; events at one position in one step are one spike.

    Parameters
    ----------
    recordings : sequence of structured arrays
        An array per sample with the fields ``t`` and ``x``, and ``y`` and ``p`` where the input has
        these axes. Times are integers or floats in any unit, in ascending order.
    shape : tuple of int
        Shape of the input: (x,), (y, x) or (p, y, x).
    steps : int
        Steps of a sample.
    bin_time : float or None
        Length dt of a step in units of ``t``. Step k begins at ``start + k dt`` and ends before
        ``start + (k + 1) dt``.
    bin_count : int or None
        Instead of ``bin_time``: each recording, from ``start`` to its last event, is divided into
        this many steps of equal length. For integer times, the length is rounded up to an integer.
    start : float
        Where the first step begins.
    late : str
        What to do with events after the last step: "refuse" or "drop".

    Returns
    -------
    (batch, steps, ...) bool array
        The spikes; the axes of the input follow that of the steps.

    Raises
    ------
    TypeError, ValueError
        Naming the argument or the recording, its first event at fault, and what is allowed.
    """
    _check_binning(bin_time, bin_count, start, late)
    if bin_count is not None and bin_count != steps:
        raise ValueError(f"bin_count must be the program's {steps} steps, not {bin_count!r}")
    if len(shape) > len(_AXES):
        raise ValueError(f"events have at most the axes (p, y, x); the input has the shape {shape}")
    spikes = np.zeros((len(recordings), steps, *shape), dtype=bool)
    for i, events in enumerate(recordings):
        position = event_positions(f"samples[{i}]", events, shape)
        step = steps_of(f"samples[{i}]", events, steps, bin_time, start)
        inside = step < steps  # with bin_count all are: the last event is in the last step
        if late == "refuse" and not inside.all():
            first = int(np.argmin(inside))
            raise ValueError(
                f"samples[{i}] has {int((~inside).sum())} events behind the last of {steps} steps "
                f"(event {first} at t={events['t'][first]}): a longer bin_time takes them in, "
                "late 'drop' leaves them out"
            )
        at: tuple[Any, ...] = (i, step[inside], *(axis[inside] for axis in position))
        spikes[at] = True
    return spikes


def _check_binning(
    bin_time: float | None, bin_count: int | None, start: float, late: str
) -> None:
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
        if isinstance(value, int) and abs(value) > _LARGEST:  # compared as a float below
            raise ValueError(f"{name} must be at most {_LARGEST:g} in size, not {value}")
    if bin_time is not None and not 0 < bin_time < float("inf"):
        raise ValueError(f"bin_time must be more than 0, not {bin_time!r}")
    if not -float("inf") < start < float("inf"):
        raise ValueError(f"start must be a finite number, not {start!r}")


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


def event_positions(
    name: str, events: npt.NDArray[Any], shape: tuple[int, ...]
) -> list[npt.NDArray[np.int64]]:
    """The positions of the events, one array for each axis of the input.

    Parameters
    ----------
    name : str
        The name of the events in messages.
    events : structured array
        The events.
    shape : tuple of int
        Shape of the input.

    Raises
    ------
    TypeError, ValueError
        If a field is missing or has another kind of values, or an event is outside of the shape.
    """
    found = []
    for field, size in zip(_AXES[-len(shape) :], shape, strict=True):
        values = _field(name, events, field)
        position = values.astype(np.int64)
        bad = (position < 0) | (position >= size)
        if bad.any():
            first = int(np.argmax(bad))
            raise ValueError(
                f"{name} field {field!r} must be from 0 to {size - 1}, not {values[first]} "
                f"(event {first})"
            )
        found.append(position)
    return found


def _times(name: str, events: npt.NDArray[Any], start: float) -> npt.NDArray[Any]:
    """The times of the events, int64 if they fit; refuses times before ``start``, times that are
    not finite, and times that go back."""
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
    """The step of each event; ``steps`` for all later events.

    Parameters
    ----------
    name : str
        The name of the events in messages.
    events : structured array
        The events.
    steps, bin_time, start
        As for ``bin_events``; without ``bin_time`` the recording is cut into ``steps``.

    Raises
    ------
    TypeError, ValueError
        As ``bin_events``, for times that are not allowed.
    """
    when = _times(name, events, start)
    if not len(when):
        return np.zeros(0, dtype=np.int64)
    # Integers are used as long as nothing is rounded or overflows, because a float has only 53 bits
    # for a time.
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
