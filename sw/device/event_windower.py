"""Events as they come, cut into the windows of a live stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..samples.events import LAST, bin_events, event_positions, steps_of

if TYPE_CHECKING:
    from .stream import Stream

__all__ = ["Feed"]


class Feed:
    """The input of a live stream as events; ``Stream.feed`` makes it.

    A window goes out when an event behind its end has come, or ``advance`` says that none in it is
    to come: silence takes windows too. Nothing is dropped: where the device has no room, ``send``
    waits.

    Parameters
    ----------
    shape, window : of the network's input, and steps in a window.
    bin_time, start : length of a step in units of ``t``, and where the first one begins.
    """

    def __init__(
        self, stream: Stream, shape: tuple[int, ...], window: int, bin_time: float, start: float
    ) -> None:
        bin_events([], shape, window, bin_time, start=start)  # refuses what it would
        self._stream, self._shape, self._window = stream, shape, window
        self._bin_time, self._start = bin_time, start
        self._latest = start
        self._sent = 0  # steps
        self._waiting = np.zeros((1 + len(shape), 0), dtype=np.int64)  # step and place of each
        self._ended = False

    def send(self, events: npt.NDArray[Any]) -> None:
        """Take events, as recordings have them, none before those of the last call.

        Raises
        ------
        TypeError, ValueError
            If a field is missing, or an event is outside of the input, before the first step, or
            goes back in time; the first one is named, and none of the call's is taken.
        """
        self._going()
        where = event_positions("events", events, self._shape)
        step = steps_of("events", events, LAST, self._bin_time, self._start)
        if not len(step):
            return
        if events["t"][0] < self._latest:
            raise ValueError(
                f"events field 't' goes back from {self._latest} to {events['t'][0]} (event 0): "
                "send them in the order of their times"
            )
        self._latest = events["t"][-1]
        self._waiting = np.concatenate([self._waiting, [step, *where]], axis=1)
        self._complete(int(step[-1]))

    def advance(self, time: float) -> None:
        """Every event before ``time`` was sent: windows that end by then go out.

        Raises
        ------
        ValueError
            If an event of a later time was sent before.
        """
        self._going()
        if not self._latest <= time < float("inf"):
            raise ValueError(
                f"time must be a finite number from {self._latest} on, up to where events were "
                f"sent, not {time!r}"
            )
        self._latest = time
        at = np.array([(time,)], dtype=[("t", np.asarray(time).dtype)])
        self._complete(int(steps_of("time", at, LAST, self._bin_time, self._start)[0]))

    def flush(self) -> None:
        """Send what is left, up to the step of its last event: the recording ends here."""
        self._going()
        self._ended = True
        if self._waiting.size:
            self._window_of(int(self._waiting[0, -1]) + 1 - self._sent)

    def _going(self) -> None:
        if self._ended:
            raise ValueError("events must come before flush, which ended the recording")

    def _complete(self, step: int) -> None:
        """Send the windows in front of that step."""
        while self._sent + self._window <= step:
            self._window_of(self._window)

    def _window_of(self, steps: int) -> None:
        count = int(np.searchsorted(self._waiting[0], self._sent + steps))
        step, *where = self._waiting[:, :count]
        spikes = np.zeros((steps, *self._shape), dtype=bool)
        spikes[(step - self._sent, *where)] = True
        self._stream.send(spikes)
        self._waiting = self._waiting[:, count:]
        self._sent += steps
