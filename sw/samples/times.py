"""The steps of events, computed from their times without rounding."""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "FIRST", "LAST", "Bins", "bins_of", "check_begin", "check_length", "check_start", "check_time",
    "fraction",
]

FIRST = "first"
"""The first step begins with the first event."""
LAST = int(np.iinfo(np.int64).max)
"""The last step there can be."""
_LARGEST = sys.float_info.max

Integers = npt.NDArray[np.int64]


def check_length(value: Any) -> None:
    """Refuse a ``bin_time`` that is not the length of a step.

    Raises
    ------
    TypeError, ValueError
        If it is not a finite number above 0.
    """
    _check_number("bin_time", value)
    if not 0 < value < float("inf"):
        raise ValueError(f"bin_time must be more than 0, not {value!r}")


def check_start(value: Any, recordings: int | None = None) -> None:
    """Refuse a ``start`` that is not where a first step begins.

    Parameters
    ----------
    value : float, "first" or None; or a sequence of these
        The start.
    recordings : int or None
        How many values a sequence must have; None if it may not be one.

    Raises
    ------
    TypeError, ValueError
        Naming what is allowed.
    """
    if value is None or (isinstance(value, str) and value == FIRST):
        return
    if recordings is not None and isinstance(value, (list, tuple, np.ndarray)):
        if np.ndim(value) != 1 or len(value) != recordings:
            raise ValueError(
                f"start must be one value, or one for each of the {recordings} recordings, not of "
                f"shape {np.shape(value)}"
            )
        for each in value:
            check_start(each)
        return
    if isinstance(value, str):
        raise ValueError(f"start must be a number in units of t, or {FIRST!r}, not {value!r}")
    check_time("start", value)


def check_time(name: str, value: Any) -> None:
    """Refuse a time that is not a finite number of Python or numpy.

    Raises
    ------
    TypeError, ValueError
        Naming what is allowed.
    """
    _check_number(name, value)
    if not -float("inf") < value < float("inf"):
        raise ValueError(f"{name} must be a finite number, not {value!r}")


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, in units of the field t, not {value!r}")
    if isinstance(value, int) and abs(value) > _LARGEST:  # compared as a float
        raise ValueError(f"{name} must be at most {_LARGEST:g} in size, not {value}")


def check_begin(name: str, when: npt.NDArray[Any], start: float | str | None) -> None:
    """Refuse times in ascending order of which the first is before a start that is a number.

    Raises
    ------
    ValueError
        Naming it.
    """
    if start is None or isinstance(start, str) or fraction(when[0]) >= fraction(start):
        return
    raise ValueError(
        f"{name} field 't' must be from start={start} on, not {when[0]} (event 0): give an earlier "
        "start, or 'first', or cut the recording"
    )


def fraction(value: Any) -> Fraction:
    """The value of a finite number of Python or numpy."""
    return Fraction(int(value) if isinstance(value, (int, np.integer)) else float(value))


class Bins:
    """Steps of equal length: step k holds the times from ``start + k length`` up to, but without,
    ``start + (k + 1) length``.

    A time is compared with the smallest number of its own type that is not below the beginning of a
    step. So no comparison is rounded, whatever the types of the times and of the two values.

    Parameters
    ----------
    start : Fraction
        Beginning of the first step.
    length : Fraction
        Length of a step.
    """

    def __init__(self, start: Fraction, length: Fraction) -> None:
        # Both with one denominator, so that the loop over steps is one of integers.
        self._denominator = start.denominator * length.denominator
        self._start = start.numerator * length.denominator
        self._length = length.numerator * start.denominator

    def step(self, time: Any) -> int:
        """The step of a time that is not before the first one."""
        time = fraction(time)
        elapsed = time.numerator * self._denominator - self._start * time.denominator
        return int(elapsed // (self._length * time.denominator))

    def steps(self, when: npt.NDArray[Any], steps: int) -> Integers:
        """The step of each event; ``steps`` for all that are later.

        Parameters
        ----------
        when : (events,) int64, uint64 or float64 array
            Their times in ascending order, none before the first step.
        steps : int
            The number of steps.
        """
        found = np.full(len(when), steps, dtype=np.int64)
        for step, begin, end in self.runs(when, self.before(when, steps)):
            found[begin:end] = step
        return found

    def runs(self, when: npt.NDArray[Any], count: int) -> Iterator[tuple[int, int, int]]:
        """Steps in order with the events that they have: a step, its first event, and that behind
        its last. Events of a step may come in several pieces.

        Parameters
        ----------
        when : (events,) int64, uint64 or float64 array
            As for ``steps``.
        count : int
            The number of events, from the first on, that are divided.
        """
        return self._runs(when, 0, count)

    def _runs(
        self, when: npt.NDArray[Any], begin: int, stop: int
    ) -> Iterator[tuple[int, int, int]]:
        """The runs from one event up to another."""
        if begin == stop:
            return
        low, high = self.step(when[begin]), self.step(when[stop - 1])
        if high - low > 2 * (stop - begin):
            # So few events in so many steps: where most steps begin does not matter.
            middle = (begin + stop) // 2
            if middle == begin:
                yield low, begin, stop
                return
            yield from self._runs(when, begin, middle)
            yield from self._runs(when, middle, stop)
            return
        for k in range(low, high + 1):
            end = stop if k == high else self.before(when, k + 1, begin, stop)
            if begin < end:
                yield k, begin, end
            begin = end

    def before(
        self, when: npt.NDArray[Any], step: int, low: int = 0, high: int | None = None
    ) -> int:
        """The number of events before the beginning of a step.

        Parameters
        ----------
        when : (events,) int64, uint64 or float64 array
            As for ``steps``.
        step : int
            The step.
        low, high : int
            From where to where the number is searched; by default among all events.
        """
        begin = self._start + step * self._length
        high = len(when) if high is None else high
        if when.dtype.kind in "iu":
            first = -(-begin // self._denominator)
            limits = np.iinfo(when.dtype)
            if first > limits.max:
                return high
            # Unlike numpy's search, bisect does not copy a field of a structured array first.
            return bisect_left(when, when.dtype.type(max(first, int(limits.min))), low, high)
        try:
            near = begin / self._denominator  # rounded to the nearest
        except OverflowError:
            return high
        numerator, denominator = near.as_integer_ratio()
        if numerator * self._denominator < begin * denominator:
            near = float(np.nextafter(near, np.inf))
        return bisect_left(when, near, low, high)


def bins_of(
    when: npt.NDArray[Any], steps: int, bin_time: float | None, start: float | str | None
) -> Bins:
    """The steps of a recording.

    Parameters
    ----------
    when : (events,) int64, uint64 or float64 array
        The times of its events in ascending order; at least one.
    steps : int
        The number of steps into which it is divided without ``bin_time``: from the start to its
        last event, which is in the last step.
    bin_time : float or None
        Length of a step.
    start : float, "first" or None
        Where the first step begins. With None, steps of ``bin_time`` begin at 0 if the first event
        is in the first of them; otherwise, as with "first", they begin with the first event.
    """
    first = fraction(when[0])
    if start is None and bin_time is not None and 0 <= first < fraction(bin_time):
        begin = Fraction(0)
    elif start is None or isinstance(start, str):
        begin = first
    else:
        begin = fraction(start)
    if bin_time is not None:
        return Bins(begin, fraction(bin_time))
    span = fraction(when[-1]) - begin
    if when.dtype.kind in "iu":
        span += 1  # integers are counts of a clock, and the last one has a length too
    # A float has none. A step a little longer than its share would move events of other steps, so
    # the caller counts those at the very end to the last step.
    return Bins(begin, span / steps if span else Fraction(1))
