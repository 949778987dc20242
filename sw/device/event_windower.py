"""Event windower: divides a live stream of events into windows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..samples.events import check_lengths, event_positions, event_times
from ..samples.times import (
    LAST,
    bins_of,
    check_begin,
    check_length,
    check_start,
    check_time,
    fraction,
)
from ..support.values import refuse_masks

__all__ = ["EventWindower"]

_WINDOWS_MOST = 1 << 20  # that one call sends: minutes on any device


class EventWindower:
    """Divides events into windows and sends the windows; ``Stream.feed`` makes it.

    A window is sent once an event after its end has come, or once ``advance`` says that no more
    events will come in it. So silence produces windows, too. No event is dropped. If the device has
    no room, ``send`` waits.

    Parameters
    ----------
    send_window : callable
        Sends a window: a bool array of shape ``(steps, *shape)``.
    shape : tuple of int
        The shape of the network's input.
    window : int
        Steps in a window.
    bin_time : float
        The length of a step in units of the events' field ``t``.
    start : float, "first" or None
        Where the first step begins, as in ``bin_events``.
    """

    def __init__(
        self,
        send_window: Callable[[npt.NDArray[np.bool_]], None],
        shape: tuple[int, ...],
        window: int,
        bin_time: float,
        start: float | str | None,
    ) -> None:
        check_length(bin_time)
        check_start(start)
        self._send_window, self._shape, self._window = send_window, shape, window
        self._bin_time, self._start = bin_time, start
        known = not (start is None or isinstance(start, str))
        self._latest: Any = start if known else None
        # Without a time as start, the steps are known once the first event has come.
        self._bins = bins_of(np.array([start]), window, bin_time, start) if known else None
        self._sent = 0  # steps
        # A row of steps and a row of positions; a column for each event.
        self._waiting = np.zeros((2, 0), dtype=np.int64)
        self._ended = False

    def send(self, events: Any) -> None:
        """Take events.

        Parameters
        ----------
        events : structured array, mapping or frame
            Events with the fields that recordings have, in the order of their times. None may be
            earlier than the events of the call before.

        Raises
        ------
        TypeError, ValueError
            If a field is missing, or an event is outside of the input, before the first step,
            goes back in time, or is more than 2**20 windows ahead. The first such event is named,
            and no event of the call is taken.
        """
        self._check_running()
        refuse_masks("events", events)
        position = event_positions("events", events, self._shape)
        when = event_times("events", events)
        check_lengths("events", when, position)
        if not len(when):
            return
        check_begin("events", when, self._start)
        if self._latest is not None and fraction(when[0]) < fraction(self._latest):
            raise ValueError(
                f"events field 't' goes back from {self._latest} to {when[0]} (event 0): "
                "send them in the order of their times"
            )
        bins = self._bins or bins_of(when, self._window, self._bin_time, self._start)
        self._check_ahead("events", when[-1], bins.step(when[-1]))
        self._bins, self._latest = bins, when[-1]
        step = bins.steps(when, LAST)
        self._waiting = np.concatenate([self._waiting, [step, position]], axis=1)
        self._complete(int(step[-1]))

    def advance(self, time: float) -> None:
        """Declare that every event before ``time`` has come, so the windows that end by then are
        sent. Without a ``start``, steps begin with the first event, so nothing is sent before it.

        Parameters
        ----------
        time : float
            A time in units of the field ``t``.

        Raises
        ------
        TypeError, ValueError
            If it is not a finite number, an event with a later time was sent before, or it is
            more than 2**20 windows ahead.
        """
        self._check_running()
        check_time("time", time)
        if self._latest is not None and fraction(time) < fraction(self._latest):
            raise ValueError(
                f"time must be from {self._latest} on, the time up to which events were sent, not "
                f"{time!r}"
            )
        if self._bins is None:
            self._latest = time
            return
        step = self._bins.step(time)
        self._check_ahead("time", time, step)
        self._latest = time
        self._complete(step)

    def flush(self) -> None:
        """End the recording: send what is left, up to the step of the last event."""
        self._check_running()
        self._ended = True
        if self._waiting.size:
            self._send_steps(int(self._waiting[0, -1]) + 1 - self._sent)

    def _check_running(self) -> None:
        if self._ended:
            raise ValueError(
                "events must come before flush, which ended the recording: call stream.feed for "
                "another one"
            )

    def _check_ahead(self, name: str, time: Any, step: int) -> None:
        """Refuse a time so far ahead that the windows up to it would never end."""
        windows = (step - self._sent) // self._window
        if windows > _WINDOWS_MOST:
            raise ValueError(
                f"{name} must be at most {_WINDOWS_MOST} windows ahead, but t={time} is {windows}: "
                "bin_time is the length of a step in units of t; advance more often in a silence"
            )

    def _complete(self, step: int) -> None:
        """Send the windows that end before that step."""
        while self._sent + self._window <= step:
            self._send_steps(self._window)

    def _send_steps(self, steps: int) -> None:
        count = int(np.searchsorted(self._waiting[0], self._sent + steps))
        step, position = self._waiting[:, :count]
        spikes = np.zeros((steps, math.prod(self._shape)), dtype=bool)
        spikes[step - self._sent, position] = True
        self._send_window(spikes.reshape(steps, *self._shape))
        self._waiting = self._waiting[:, count:]
        self._sent += steps
