"""Recordings of events (addresses and times), binned into the steps of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .times import LAST, bins_of, check_begin, check_length, check_start

__all__ = ["bin_events", "event_positions", "event_times", "is_recordings", "steps_of"]

_AXES = ("p", "y", "x")


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
    start: float | str | Sequence[float | str | None] | None = None,
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
        this many steps of equal length.
    start : float, "first" or None; or a sequence with one of these per recording
        Where the first step begins: at a time, or with the recording's first event. By default
        ("first"), with one exception: if the first event is less than ``bin_time`` after 0, the
        recording's own clock begins with it, and the first step begins at 0.
    late : {"refuse", "drop"}
        What to do with events after the last step.

    Returns
    -------
    (batch, steps, ...) bool array
        The spikes; the axes of the input follow that of the steps.

    Raises
    ------
    TypeError, ValueError
        Naming the argument or the recording, its first event at fault, and what is allowed. A
        recording of which nothing is left, or whose events are all in one of several steps
        although their times differ, is refused as well.
    """
    _check_binning(bin_time, bin_count, start, late, len(recordings))
    if bin_count is not None and bin_count != steps:
        raise ValueError(f"bin_count must be the program's {steps} steps, not {bin_count!r}")
    if len(shape) > len(_AXES):
        raise ValueError(f"events have at most the axes (p, y, x); the input has the shape {shape}")
    spikes = np.zeros((len(recordings), steps, *shape), dtype=bool)
    starts = start if isinstance(start, (list, tuple, np.ndarray)) else [start] * len(recordings)
    for i, (events, begin) in enumerate(zip(recordings, starts, strict=True)):
        name = f"samples[{i}]"
        position = event_positions(name, events, shape)
        step = steps_of(name, events, steps, bin_time, begin)
        inside = int(np.searchsorted(step, steps))  # with bin_count all are
        if late == "refuse" and inside < len(step):
            raise ValueError(
                f"{name} has {len(step) - inside} events behind the last of {steps} steps "
                f"(event {inside} at t={events['t'][inside]}): a longer bin_time takes them in, "
                "late 'drop' leaves them out, start says where the first step begins"
            )
        _check_spread(name, events, step, steps)
        at: tuple[Any, ...] = (i, step[:inside], *(axis[:inside] for axis in position))
        spikes[at] = True
    return spikes


def _check_spread(
    name: str, events: npt.NDArray[Any], step: npt.NDArray[np.int64], steps: int
) -> None:
    """Refuse a recording that binning with a wrong start or unit would leave empty, or in one
    step."""
    if not len(step):
        return
    first, last = events["t"][0], events["t"][-1]
    if step[0] == steps:
        raise ValueError(
            f"{name} has no event in the {steps} steps: its times are {first} to {last}; start "
            "says where the first step begins, bin_time how long a step is"
        )
    if steps > 1 and step[0] == step[-1] and first != last:
        raise ValueError(
            f"{name} has all of its {len(step)} events in step {step[0]} of {steps}: its times are "
            f"{first} to {last}; start says where the first step begins, bin_time how long a step "
            "is"
        )


def _check_binning(
    bin_time: float | None, bin_count: int | None, start: Any, late: str, recordings: int
) -> None:
    if (bin_time is None) == (bin_count is None):
        raise ValueError(
            "event samples need bin_time (length of a step) or bin_count (number of steps), one "
            f"of them; not bin_time {bin_time!r} and bin_count {bin_count!r}"
        )
    if late not in ("refuse", "drop"):
        raise ValueError(f"late must be 'refuse' or 'drop', not {late!r}")
    if bin_time is not None:
        check_length(bin_time)
    check_start(start, recordings)


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


def event_times(name: str, events: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The times of the events in ascending order, without rounding: int64, uint64 or float64.

    Parameters
    ----------
    name : str
        The name of the events in messages.
    events : structured array
        The events.

    Raises
    ------
    TypeError, ValueError
        If there are none, or a time is not finite, or earlier than the one before.
    """
    when = _field(name, events, "t")
    if when.dtype.kind == "f":
        if when.dtype.itemsize > 8:
            raise TypeError(f"{name} field 't' must have at most 64 bits, not {when.dtype}")
        when = when.astype(np.float64)
        bad = ~np.isfinite(when)
        if bad.any():
            first = int(np.argmax(bad))
            raise ValueError(f"{name} field 't' must be finite, not {when[first]} (event {first})")
    else:
        large = when.dtype.kind == "u" and len(when) and when.max() > LAST
        when = when.astype(np.uint64 if large else np.int64)
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
    start: float | str | None,
) -> npt.NDArray[np.int64]:
    """The step of each event; ``steps`` for all later events.

    Parameters
    ----------
    name : str
        The name of the events in messages.
    events : structured array
        The events.
    steps, bin_time, start
        As for ``bin_events``; without ``bin_time`` the recording is divided into ``steps``.

    Raises
    ------
    TypeError, ValueError
        As ``bin_events``, for times that are not allowed.
    """
    when = event_times(name, events)
    if not len(when):
        return np.zeros(0, dtype=np.int64)
    check_begin(name, when, start)
    found = bins_of(when, steps, bin_time, start).steps(when, steps)
    return found if bin_time is not None else np.minimum(found, steps - 1)
