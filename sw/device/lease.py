"""What runs and streams have of a device: the right to use it, which one of them has at a time, the
turns that threads take, and the state that runs leave in it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from ..support.errors import DeviceError
from .result import Result
from .windows import Batch

__all__ = ["CarriedState", "Lease", "Results", "taking_turns"]


class _Shared(Protocol):
    @property
    def turn(self) -> Any: ...


_Self = TypeVar("_Self", bound=_Shared)
_Given = ParamSpec("_Given")
_Returned = TypeVar("_Returned")


def taking_turns(
    method: Callable[Concatenate[_Self, _Given], _Returned]
) -> Callable[Concatenate[_Self, _Given], _Returned]:
    """A method that waits while another thread is in such a method of the same device."""

    @functools.wraps(method)
    def alone(self: _Self, /, *given: _Given.args, **named: _Given.kwargs) -> _Returned:
        with self.turn:
            return method(self, *given, **named)

    return alone


class Results(Iterator[Result]):
    """The results of a run, each computed in a turn of its own.

    Parameters
    ----------
    turn : context manager
        The device's.
    results : generator
        The results.
    """

    def __init__(self, turn: Any, results: Generator[Result, None, None]) -> None:
        self.turn, self._results = turn, results

    @taking_turns
    def __next__(self) -> Result:
        return next(self._results)

    @taking_turns
    def close(self) -> None:
        """End the run, if it has not ended. Results that are still to come are dropped."""
        self._results.close()

    def __del__(self) -> None:
        self.close()


class Lease:
    """The right of one run or stream to use a device.

    A device hands out one lease per run or stream. The newest lease is valid until the device ends
    it or its holder releases it.

    Attributes
    ----------
    turn : context manager
        Held by the thread that uses the device; the same for all leases of a device.
    """

    def __init__(self, turn: Any = None) -> None:
        self.turn = threading.RLock() if turn is None else turn
        self._ended: str | None = None

    @property
    def holds(self) -> bool:
        """Whether the holder may still use the device."""
        return self._ended is None

    def check(self) -> None:
        """Refuse to continue once the lease has ended.

        Raises
        ------
        DeviceError
            If the lease has ended. The message says why, and what to do.
        """
        if self._ended is not None:
            raise DeviceError(self._ended)

    def end(self, reason: str) -> None:
        """End the lease, unless it has ended already.

        Parameters
        ----------
        reason : str
            Why it ended and what to do next: the message of later errors.
        """
        if self._ended is None:
            self._ended = reason

    def release(self) -> None:
        """Release the lease, because its holder has finished."""
        self.end("this stream has ended: open another one with device.stream")


class CarriedState:
    """Whether a device still holds the state that its last sample left.

    Attributes
    ----------
    held : bool
        The device holds the state of the last sample.
    lost : bool
        The device held such a state, but lost it because of an error.
    """

    def __init__(self) -> None:
        self.held = self.lost = False

    def clear(self) -> None:
        """Forget the state: the next sample starts afresh."""
        self.held = self.lost = False

    def keep(self) -> None:
        """Note that a sample leaves its state in the device."""
        self.held, self.lost = True, False

    def lose(self) -> None:
        """Note that the device has forgotten whatever it held."""
        if self.held:
            self.held, self.lost = False, True

    def started(self, batch: Batch) -> Batch:
        """The batch; its first sample is made fresh if there is no state to continue from."""
        if self.held or batch.fresh[0]:
            return batch
        fresh = batch.fresh.copy()
        fresh[0] = True
        return replace(batch, fresh=fresh)
