"""What all devices share: loading, runs and streams, whose turn it is, state that is carried."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..program.program import Program
from ..spec.array import ArrayConfig
from ..support.errors import DeviceError
from .batches import check_batch, is_batches
from .result import LinkBytes, Result
from .windows import Batch

if TYPE_CHECKING:
    from .stream import Stream

__all__ = ["Device"]

Source = Iterator[Batch]
_Self = TypeVar("_Self", bound="Device")


class Device(abc.ABC):
    """Something that runs programs. A context manager: leaving closes it.

    Attributes
    ----------
    uri : its address.
    program : loaded there, None before ``load``.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.program: Program | None = None
        self._closed = False
        self._carried = False  # whether the device holds the state a sample left
        self._lost = False     # whether an error took it away
        self._turn: object = None

    @property
    @abc.abstractmethod
    def config(self) -> ArrayConfig | None:
        """The array; None for a device that is as any array, before a program is loaded."""

    @property
    def link_bytes(self) -> LinkBytes:
        """Bytes to and from the device since it was opened."""
        return LinkBytes()

    def load(self, program: Program) -> None:
        """Load a program, in place of the one before.

        Raises
        ------
        TypeError
            If it is no program.
        DeviceMismatch
            If it was compiled for another array; names the fields that differ.
        DeviceError
            If the device or the link failed; the device can be used again, and keeps to the
            program it had.
        """
        self._open()
        if not isinstance(program, Program):
            raise TypeError(
                f"program must be a Program, not a {type(program).__name__}; stablespike.compile "
                "makes one of a network"
            )
        self._take_turn()
        self._load(program)
        self.program = program
        self._carried = self._lost = False

    def run(
        self,
        samples: Any,
        trace: bool = False,
        carry_state: bool = False,
        time_axis: int = 1,
        counters: bool = True,
        *,
        bin_time: float | None = None,
        bin_count: int | None = None,
        start: float = 0,
        late: str = "refuse",
    ) -> Any:
        """Run samples.

        Parameters
        ----------
        samples : one batch: (batch, steps, *shape) zeros and ones; (batch, *shape) pixels; or a
            list of event arrays (fields ``t``, ``x``, and ``y``, ``p`` where the input has them).
            Bools, integers, or floats that are whole numbers; lists, arrays or tensors. Or an
            iterator of such batches, taken while results of earlier ones are still to come.
        trace : report the spikes and the skeleton of every layer.
        carry_state : each sample goes on from the state the one before it left, also across calls;
            the first one after ``load`` starts afresh.
        time_axis : 1, or 0 for spikes that are (steps, batch, *shape).
        counters : take counters and times. Without them their values are -1, consistency is NaN.
        bin_time, bin_count, start, late : how events become steps: ``events.bin_events``.

        Returns
        -------
        Result, or an iterator of them, one per batch. Starting anything else on the device ends
        the iterator with a DeviceError.

        Raises
        ------
        TypeError, ValueError
            If samples do not fit the program; names the value and what is allowed.
        DeviceError
            If no program is loaded, or the device or the link failed. The device can be used again.
        """
        program = self._loaded()
        _check_flags(trace=trace, carry_state=carry_state, counters=counters)
        binning = {"bin_time": bin_time, "bin_count": bin_count, "start": start, "late": late}

        def checked(batch: Any) -> Batch:
            return check_batch(program, batch, carry_state, time_axis, binning)

        if not is_batches(samples):
            batch = checked(samples)
            turn = self._begin_run(program, carry_state)
            (result,) = self._run(turn, iter([batch]), bool(trace), bool(counters))
            return result
        turn = self._begin_run(program, carry_state)
        return self._run(turn, map(checked, samples), bool(trace), bool(counters))

    def stream(self, trace: bool = False, counters: bool = True) -> Stream:
        """One sample without an end, window by window.

        Raises
        ------
        TypeError
            If ``trace`` or ``counters`` is neither True nor False.
        ValueError
            If the program's array keeps no state from one window to the next, or has too little
            room for it.
        DeviceError
            If no program is loaded, or the device failed.
        """
        _check_flags(trace=trace, counters=counters)
        program = self._loaded()
        self._check_state(program)
        self._take_turn()
        self._carried = self._lost = False
        return self._stream(program, bool(trace), bool(counters))

    @abc.abstractmethod
    def close(self) -> None:
        """Give the device back; closing twice does no harm."""

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @abc.abstractmethod
    def _load(self, program: Program) -> None: ...

    @abc.abstractmethod
    def _run(
        self, turn: object, batches: Source, trace: bool, counters: bool
    ) -> Iterator[Result]: ...

    @abc.abstractmethod
    def _stream(self, program: Program, trace: bool, counters: bool) -> Stream: ...

    def _open(self) -> None:
        if self._closed:
            raise DeviceError(f"{self.uri} is closed: open it again with open_device")

    def _loaded(self) -> Program:
        self._open()
        if self.program is None:
            raise DeviceError(f"{self.uri} has no program: load one first (device.load)")
        return self.program

    def _take_turn(self) -> object:
        """End what was under way, if anything was, and begin something new."""
        self._turn = object()
        return self._turn

    def _begin_run(self, program: Program, carry: bool) -> object:
        if carry:
            self._check_state(program)
        turn = self._take_turn()
        if carry and self._lost:
            raise DeviceError(
                f"{self.uri} lost the state to carry on from when the run before ended too early: "
                "run a sample with carry_state=False, or load the program again"
            )
        return turn

    def _my_turn(self, turn: object) -> None:
        self._open()
        if turn is not self._turn:
            raise DeviceError(
                f"{self.uri} began something else before all results of this run were taken; take "
                "them all first"
            )

    def _check_state(self, program: Program) -> None:
        if not program.config.state:
            raise ValueError(
                "carry_state and streams need an array that keeps membranes (state=True); this "
                "program's does not: compile it for another array"
            )
        if program.state_needed:
            raise ValueError(
                "carry_state and streams need room for the membranes: state groups: "
                f"{program.state_needed} needed, {program.config.state_groups} there; compile the "
                "program for an array with more"
            )

    def _fresh(self, batch: Batch) -> Batch:
        """The batch with its first sample fresh where there is nothing to go on from."""
        if self._carried or batch.fresh[0]:
            return batch
        fresh = batch.fresh.copy()
        fresh[0] = True
        return replace(batch, fresh=fresh)


def _check_flags(**flags: Any) -> None:
    for name, flag in flags.items():
        if not isinstance(flag, (bool, np.bool_)):
            raise TypeError(f"{name} must be True or False, not {flag!r}")
