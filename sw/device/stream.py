"""A live stream: one endless sample, window by window."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import numpy as np

from ..program.program import Program
from ..samples.encoding import SampleEncoder, check_encoded
from ..samples.samples import check_samples
from ..support.values import as_array, exact_int
from .batches import as_batch
from .event_windower import EventWindower
from .lease import Lease
from .result import Result
from .windows import Batch

__all__ = ["Stream"]


class Stream(abc.ABC):
    """An endless sample; ``Device.stream`` makes it.

    Use it in a ``with`` block: at the end of the block it waits for all results. Each window has a
    result of its own, a batch of 1: ``counts`` and ``words`` are those of its steps, ``membrane``
    is the membrane after its last step.

    Parameters
    ----------
    lease : Lease
        The right to use the device.
    program : Program
        The program that is loaded there.

    Attributes
    ----------
    encoding : SampleEncoder
        The network's encoder, with the state that the last window left.
    """

    def __init__(self, lease: Lease, program: Program) -> None:
        self._lease, self._program = lease, program
        self.encoding = SampleEncoder(program.network)
        self._first = True

    def send(self, window: Any, steps: int | None = None, *, encoded: bool = False) -> None:
        """Send one window. Waits while the device has no room for it.

        Parameters
        ----------
        window : array_like
            Spikes of shape ``(steps, *shape)``, which are zeros and ones, or frames of that
            shape, of 1 to T steps; or pixels of shape ``shape``. With a network that has an
            encoder, its raw signal: ``(steps, *shape)``, or ``shape`` for one value in all steps of
            the window.
        steps : int or None
            For pixels, and values of a raw signal that do not change: the number of steps, 1 to T;
            T if None.
        encoded : bool
            For a network with an encoder: the window is what its input takes, not a raw signal.

        Raises
        ------
        TypeError, ValueError
            If the window does not fit the program.
        DeviceError
            If the device or the link failed, or the device has begun something else.
        """
        self._lease.check()
        network, longest = self._program.network, self._program.window
        raw = not check_encoded(encoded, self.encoding.there) and self.encoding.there
        if self.encoding.static if raw else network.input.kind == "pixels":
            steps = longest if steps is None else exact_int("steps", steps, 1, longest)
        elif steps is not None:
            raise ValueError(
                f"steps is for pixels, not for {network.input.kind}, whose shape says how many "
                f"steps there are: leave out steps={steps!r}"
            )
        samples, state = as_array("window", window, "numbers")[None], None
        if raw:
            samples, state = self.encoding.encode(samples, steps, fresh=self._first)
        flat, steps = check_samples(network, samples, steps)
        if steps > longest:
            raise ValueError(
                f"window must have 1 to {longest} steps, not {steps}: send it in parts"
            )
        self.encoding.state = state
        self._send(as_batch(self._program, flat, steps, np.array([self._first])))
        self._first = False

    def feed(self, bin_time: float, start: float | str | None = None) -> EventWindower:
        """Send events as they come, instead of windows.

        Parameters
        ----------
        bin_time : float
            The length of a step in units of the events' field ``t``.
        start : float, "first" or None
            Where the first step begins: at a time, or with the first event ("first"). By default
            as "first", but at 0 if the first event is less than ``bin_time`` after 0.

        Returns
        -------
        EventWindower
            The object that takes the events and sends the windows.

        Raises
        ------
        TypeError, ValueError
            If the network's input is pixels, or a parameter is not such a number.
        """
        entry = self._program.network.input
        if entry.kind != "spikes":
            raise ValueError(
                f"events are for networks whose input is spikes; this one's is {entry.kind}: send "
                "windows with stream.send"
            )
        if self.encoding.there:
            raise ValueError(
                "events are for networks without an encoder; this one's takes its raw signal: send "
                "windows with stream.send, or load a program of "
                "dataclasses.replace(network, encoder=None)"
            )
        return EventWindower(self.send, entry.shape, self._program.window, bin_time, start)

    def results(self, wait: bool = True) -> Iterator[Result]:
        """Results in the order of the windows.

        Parameters
        ----------
        wait : bool
            Wait for the results of all windows that were sent. Otherwise stop at the first result
            that has not come yet.
        """
        while True:
            self._lease.check()
            result = self._result(wait)
            if result is None:
                return
            yield result

    def close(self) -> None:
        """End the stream: wait for what is under way, and drop its results."""
        if self._lease.holds:
            for _ in self.results():
                pass
            self._lease.release()

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._abandon()

    @abc.abstractmethod
    def _send(self, batch: Batch) -> None: ...

    @abc.abstractmethod
    def _result(self, wait: bool) -> Result | None: ...

    @abc.abstractmethod
    def _abandon(self) -> None:
        """Give up what is under way, because nobody will take its results."""
