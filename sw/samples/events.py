"""Recordings of events (addresses and times), binned into the steps of a sample."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..support.values import exact_integers, refuse_masks
from .columns import Columns, as_recordings, column, event_columns, is_events
from .counting import AXES, check_counting, count_events, counts_dtype
from .times import LAST, bins_of, check_begin, check_length, check_start

__all__ = ["bin_events", "check_lengths", "event_positions", "event_times", "is_recordings"]

_BLOCK_EVENTS = 1 << 15  # handled at a time, so that what is computed stays in the cache


def is_recordings(samples: Any) -> bool:
    """Whether ``samples`` is a list of recordings (``is_events``), one per sample."""
    samples = as_recordings(samples)
    return isinstance(samples, (list, tuple)) and bool(samples) and all(map(is_events, samples))


def bin_events(
    recordings: Sequence[Any],
    shape: tuple[int, ...],
    steps: int,
    bin_time: float | None = None,
    bin_count: int | None = None,
    start: float | str | Sequence[float | str | None] | None = None,
    late: str = "refuse",
    bits: int | None = None,
    excess: str = "refuse",
    *,
    lengths: Sequence[int] | None = None,
) -> npt.NDArray[Any]:
    """The spikes of recordings, or how many events there are at each position in each step.

    Events at one position in one step are one spike; with ``bits``, they are counted, as in the
    frames of other libraries.

    Parameters
    ----------
    recordings : sequence of structured arrays, mappings or frames
        For each sample a table with the columns ``t`` and ``x``, and ``y`` and ``p`` where the
        input has these axes: an array with these fields, a dict of arrays, or a frame of pandas or
        polars. Columns may be named ``timestamp`` (t), ``polarity`` or ``on`` (p). Times are
        integers or floats in any unit, in ascending order. ``y`` counts from the top, ``p`` is 0
        or 1.
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
    bits : int or None
        Count events, from 0 to ``2**bits - 1``, for a ``FrameInput`` of so many bits.
    excess : {"refuse", "saturate"}
        What to do where more events meet than ``bits`` can count: "saturate" makes it
        ``2**bits - 1``.
    lengths : sequence of int, optional
        The steps of each recording, at most ``steps``, which all have by default. Steps behind them
        are empty, and events there are late.

    Returns
    -------
    (batch, steps, ...) bool array, or uint8 or uint16 array
        The spikes or counts; the axes of the input follow that of the steps.

    Raises
    ------
    TypeError, ValueError
        Naming the argument or the recording, its first event at fault, and what is allowed. A
        recording of which nothing is left, or whose events are all in one of several steps
        although their times differ, is refused as well.
    """
    recordings = as_recordings(recordings)
    refuse_masks("samples", recordings)
    _check_binning(bin_time, bin_count, start, late, len(recordings))
    bits = check_counting(bits, excess)
    if bin_count is not None and bin_count != steps:
        raise ValueError(f"bin_count must be {steps}, the steps of a sample, not {bin_count!r}")
    if len(shape) > len(AXES):
        raise ValueError(f"events have at most the axes (p, y, x); the input has the shape {shape}")
    ends = _ends(lengths, len(recordings), steps, bin_time)
    dtype = bool if bits is None else counts_dtype(bits)
    binned = np.zeros((len(recordings), steps, math.prod(shape)), dtype)
    starts = start if isinstance(start, (list, tuple, np.ndarray)) else [start] * len(recordings)
    for i, (events, begin, end) in enumerate(zip(recordings, starts, ends, strict=True)):
        name = f"samples[{i}]"
        columns = event_columns(name, events, AXES[-len(shape) :])
        when = event_times(name, events)
        check_lengths(name, when, next(iter(columns.values())))
        if not len(when):
            continue
        check_begin(name, when, begin)
        bins = bins_of(when, steps, bin_time, begin)
        inside = len(when) if bin_time is None else bins.before(when, end)
        if late == "refuse" and inside < len(when):
            raise ValueError(
                f"{name} has {len(when) - inside} events behind the last of {end} steps "
                f"(event {inside} at t={when[inside]}): a longer bin_time takes them in, "
                "late 'drop' leaves them out, start says where the first step begins"
            )
        latest = steps - 1 if bin_time is None else bins.step(when[-1])
        _check_spread(name, when, bins.step(when[0]), latest, end)
        runs = (
            (min(step, steps - 1), first, stop) for step, first, stop in bins.runs(when, inside)
        )
        if bits is None:
            _set(binned[i], runs, _position_blocks(name, columns, shape))
        else:
            step = np.empty(inside, dtype=np.int64)
            for number, first, stop in runs:
                step[first:stop] = number
            position = event_positions(name, events, shape)[:inside]
            count_events(name, binned[i], shape, step, position, bits, excess)
    return binned.reshape(len(recordings), steps, *shape)


def _ends(
    lengths: Sequence[int] | None, count: int, steps: int, bin_time: float | None
) -> list[int]:
    """The steps of each recording."""
    if lengths is None:
        return [steps] * count
    if bin_time is None:
        raise ValueError(
            "lengths is for events with bin_time: bin_count divides every recording into all steps"
        )
    ends = exact_integers("lengths", lengths, 1, steps)
    if ends.shape != (count,):
        raise ValueError(f"lengths must be ({count},), one per recording, not {ends.shape}")
    return [int(end) for end in ends]


def _set(
    spikes: npt.NDArray[np.bool_],
    runs: Iterator[tuple[int, int, int]],
    blocks: Iterator[npt.NDArray[np.intp]],
) -> None:
    """Set the spikes (steps, size) of events, from their steps and their positions."""
    at, run = 0, next(runs, None)
    for block in blocks:
        stop = at + len(block)
        while run is not None and run[1] < stop:
            step, first, last = run
            spikes[step][block[max(first - at, 0) : last - at]] = True
            if last > stop:
                break
            run = next(runs, None)
        at = stop


def _check_spread(
    name: str, when: npt.NDArray[Any], begin: int, latest: int, steps: int
) -> None:
    """Refuse a recording that binning with a wrong start or unit would leave empty, or in one
    step; its events are in the steps from ``begin`` to ``latest``."""
    first, last = when[0], when[-1]
    if begin >= steps:
        raise ValueError(
            f"{name} has no event in the {steps} steps: its times are {first} to {last}; start "
            "says where the first step begins, bin_time how long a step is"
        )
    if steps > 1 and begin == latest and first != last:
        raise ValueError(
            f"{name} has all of its {len(when)} events in step {begin} of {steps}: its times are "
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


def check_lengths(name: str, when: npt.NDArray[Any], position: npt.NDArray[Any]) -> None:
    """Refuse columns of which one is longer than the others."""
    if len(when) != len(position):
        raise ValueError(
            f"{name} must have as many times as places, not {len(when)} and {len(position)}"
        )


def event_positions(name: str, events: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """The positions of the events in the flat input, axes in C order.

    Parameters
    ----------
    name : str
        The name of the events in messages.
    events : structured array, mapping or frame
        The events.
    shape : tuple of int
        Shape of the input.

    Raises
    ------
    TypeError, ValueError
        If a field is missing or has another kind of values, or an event is outside of the shape.
    """
    columns = event_columns(name, events, AXES[-len(shape) :])
    position = np.empty(len(next(iter(columns.values()))), dtype=np.intp)
    at = 0
    for block in _position_blocks(name, columns, shape):
        position[at : at + len(block)] = block
        at += len(block)
    return position


def _position_blocks(
    name: str, columns: Columns, shape: tuple[int, ...]
) -> Iterator[npt.NDArray[np.intp]]:
    """The positions of events, so many at a time that they stay in the cache; each array is
    valid until the next one."""
    count = len(next(iter(columns.values())))
    room = np.empty(min(count, _BLOCK_EVENTS), dtype=np.intp)
    for at in range(0, count, _BLOCK_EVENTS):
        position = room[: count - at]
        position.fill(0)
        for (field, places), size in zip(columns.items(), shape, strict=True):
            values = np.ascontiguousarray(places[at : at + _BLOCK_EVENTS])
            if values.max() >= size or (values.dtype.kind == "i" and values.min() < 0):
                raise _outside(name, field, places, size)
            position *= size
            np.add(position, values, out=position, casting="unsafe")  # in range: nothing is lost
        yield position


def _outside(name: str, field: str, values: npt.NDArray[Any], size: int) -> ValueError:
    """The refusal of positions of which one is outside of an axis."""
    first = int(np.argmax((values < 0) | (values >= size)))
    hint = ""
    if field == "p" and values[first] == -1:
        hint = ": polarities of -1 and 1 become 0 and 1 with p > 0"
    elif field in "xy" and values[first] >= 0:
        hint = ": stablespike.fit_events crops or scales down"
    return ValueError(
        f"{name} field {field!r} must be from 0 to {size - 1}, not {values[first]} "
        f"(event {first}){hint}"
    )


def event_times(name: str, events: Any) -> npt.NDArray[Any]:
    """The times of the events in ascending order, without rounding: int64, uint64 or float64.

    Parameters
    ----------
    name : str
        The name of the events in messages.
    events : structured array, mapping or frame
        The events.

    Raises
    ------
    TypeError, ValueError
        If there are none, or a time is not finite, or earlier than the one before.
    """
    when = column(name, events, "t")
    if when.dtype.kind == "f":
        if when.dtype.itemsize > 8:
            raise TypeError(f"{name} field 't' must have at most 64 bits, not {when.dtype}")
        when = np.ascontiguousarray(when, dtype=np.float64)
        bad = ~np.isfinite(when)
        if bad.any():
            first = int(np.argmax(bad))
            raise ValueError(f"{name} field 't' must be finite, not {when[first]} (event {first})")
    else:
        large = when.dtype.kind == "u" and len(when) and when.max() > LAST
        when = when.astype(np.uint64 if large else np.int64, copy=False)
    for at in range(0, len(when), _BLOCK_EVENTS):
        block = when[at : at + _BLOCK_EVENTS + 1]
        back = block[1:] < block[:-1]
        if back.any():
            first = at + int(np.argmax(back)) + 1
            raise ValueError(
                f"{name} field 't' goes back from {when[first - 1]} to {when[first]} "
                f"(event {first}): sort the events by their time"
            )
    return when
