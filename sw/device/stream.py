"""A live stream: one sample without an end, window by window."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..program.program import Program
from ..samples.samples import check_samples
from ..support.values import as_array, exact_int
from .batches import as_batch
from .event_windower import Feed
from .result import Result
from .windows import Batch

if TYPE_CHECKING:
    from .device import Device

__all__ = ["Stream"]


class Stream(abc.ABC):
    """A sample without an end. Use it in a ``with`` block: leaving waits for all results.

    Each window's result stands for itself: ``counts`` and ``words`` of its steps, ``membrane`` the
    one after its last step; a batch of 1.
    """

    def __init__(self, device: Device, program: Program) -> None:
        self._device, self._program = device, program
        self._turn = device._turn
        self._first = True

    def send(self, window: Any, steps: int | None = None) -> None:
        """Send one window; waits while the device has no room for it.

        Parameters
        ----------
        window : (steps, *shape) zeros and ones, 1 to T steps; or (*shape) pixels.
        steps : of a window of pixels, 1 to T; T if None.

        Raises
        ------
        TypeError, ValueError
            If it does not fit the program.
        DeviceError
            If the device or the link failed, or does something else by now.
        """
        self._device._my_turn(self._turn)
        network, longest = self._program.network, self._program.window
        if network.input.kind == "pixels":
            steps = longest if steps is None else exact_int("steps", steps, 1, longest)
        elif steps is not None:
            raise ValueError(f"steps is for pixels; spikes tell their own, not steps={steps!r}")
        flat, steps = check_samples(network, as_array("window", window)[None], steps)
        if steps > longest:
            raise ValueError(
                f"window must have 1 to {longest} steps, not {steps}: send it in parts"
            )
        self._send(as_batch(flat, steps, np.array([self._first])))
        self._first = False

    def feed(self, bin_time: float, start: float = 0) -> Feed:
        """Events instead of windows, as they come: see ``Feed``.

        Parameters
        ----------
        bin_time : length of a step in units of the events' field ``t``.
        start : where the first step begins.

        Raises
        ------
        TypeError, ValueError
            If the network's input are pixels, or a parameter is none of these.
        """
        entry = self._program.network.input
        if entry.kind == "pixels":
            raise ValueError("events are for networks of spikes; this one's input are pixels")
        return Feed(self, entry.shape, self._program.window, bin_time, start)

    def results(self, wait: bool = True) -> Iterator[Result]:
        """Results in the order of the windows: of all that were sent, or with ``wait=False`` of
        those only that have come."""
        while True:
            self._device._my_turn(self._turn)
            result = self._result(wait)
            if result is None:
                return
            yield result

    def close(self) -> None:
        """End the stream: wait for what is under way and drop its results."""
        if self._device._turn is self._turn:
            for _ in self.results():
                pass
            self._device._turn = None

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
        """Nobody will take what is under way."""
