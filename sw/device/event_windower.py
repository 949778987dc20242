"""Event windower: divides a live stream of events into windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..samples.events import LAST, bin_events, event_positions, steps_of

__all__ = ["EventWindower"]


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
    start : float
        Where the first step begins.
    """

    def __init__(
        self,
        send_window: Callable[[npt.NDArray[np.bool_]], None],
        shape: tuple[int, ...],
        window: int,
        bin_time: float,
        start: float,
    ) -> None:
        bin_events([], shape, window, bin_time, start=start)  # to check the parameters
        self._send_window, self._shape, self._window = send_window, shape, window
        self._bin_time, self._start = bin_time, start
        self._latest = start
        self._sent = 0  # steps
        # A row of steps, then a row for each coordinate; a column for each event.
        self._waiting = np.zeros((1 + len(shape), 0), dtype=np.int64)
        self._ended = False

    def send(self, events: npt.NDArray[Any]) -> None:
        """Take events.

        Parameters
        ----------
        events : structured array
            Events with the fields that recordings have, in the order of their times. None may be
            earlier than the events of the call before.

        Raises
        ------
        TypeError, ValueError
            If a field is missing, or an event is outside of the input, before the first step, or
            goes back in time. The first such event is named, and no event of the call is taken.
        """
        self._check_running()
        position = event_positions("events", events, self._shape)
        step = steps_of("events", events, LAST, self._bin_time, self._start)
        if not len(step):
            return
        if events["t"][0] < self._latest:
            raise ValueError(
                f"events field 't' goes back from {self._latest} to {events['t'][0]} (event 0): "
                "send them in the order of their times"
            )
        self._latest = events["t"][-1]
        self._waiting = np.concatenate([self._waiting, [step, *position]], axis=1)
        self._complete(int(step[-1]))

    def advance(self, time: float) -> None:
        """Declare that every event before ``time`` has come, so the windows that end by then are
        sent.

        Parameters
        ----------
        time : float
            A time in units of the field ``t``.

        Raises
        ------
        ValueError
            If an event with a later time was sent before.
        """
        self._check_running()
        if not self._latest <= time < float("inf"):
            raise ValueError(
                f"time must be a finite number from {self._latest} on, the time up to which events "
                f"were sent, not {time!r}"
            )
        self._latest = time
        at = np.array([(time,)], dtype=[("t", np.asarray(time).dtype)])
        self._complete(int(steps_of("time", at, LAST, self._bin_time, self._start)[0]))

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

    def _complete(self, step: int) -> None:
        """Send the windows that end before that step."""
        while self._sent + self._window <= step:
            self._send_steps(self._window)

    def _send_steps(self, steps: int) -> None:
        count = int(np.searchsorted(self._waiting[0], self._sent + steps))
        step, *position = self._waiting[:, :count]
        spikes = np.zeros((steps, *self._shape), dtype=bool)
        spikes[(step - self._sent, *position)] = True
        self._send_window(spikes)
        self._waiting = self._waiting[:, count:]
        self._sent += steps
