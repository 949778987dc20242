"""The common part of all devices: loading, runs and streams."""

from __future__ import annotations

import abc
from collections.abc import Generator, Iterator, Sequence
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from ..program.program import Program
from ..samples.encoding import SampleEncoder, check_encoded
from ..samples.per_sample import CarryFlags, SampleLengths
from ..spec.array import ArrayConfig
from ..support.errors import DeviceError
from ..support.values import exact_int
from .batches import SampleOptions, check_batch, is_batches
from .lease import CarriedState, Lease, Results, taking_turns
from .result import LinkBytes, Result
from .stream import Stream
from .windows import Batch

__all__ = ["Device"]

_Self = TypeVar("_Self", bound="Device")
_RESTART_HIGH = (1 << 31) - 1


class Device(abc.ABC):
    """Something that runs programs. Used as a context manager, it is closed at the end of the
    block.

    Several threads may use a device: calls wait for one another, and so do the single results of
    runs of many batches and of streams. A run or a stream that another thread begins ends the one
    that is under way, with an error at its next result.

    Attributes
    ----------
    uri : str
        The address of the device.
    program : Program or None
        The program that is loaded; None before ``load``.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.program: Program | None = None
        self._closed = False
        self._state = CarriedState()
        self._lease = Lease()
        self._encoding: SampleEncoder

    @property
    def turn(self) -> Any:
        """A context manager, held by the thread that uses the device."""
        return self._lease.turn

    @property
    @abc.abstractmethod
    def config(self) -> ArrayConfig | None:
        """The array. It is None for ``golden:`` before a program is loaded, because that fits any
        array."""

    @property
    def link_bytes(self) -> LinkBytes:
        """Bytes to and from the device since it was opened."""
        return LinkBytes()

    @property
    def busy_time(self) -> int:
        """Cycles in which the array was busy, modulo 2**32, at the end of the last result.

        They count from the beginning of the session, only in runs with counters. 0 for ``golden:``.
        """
        return 0

    @taking_turns
    def load(self, program: Program) -> None:
        """Load a program in place of the one before.

        Parameters
        ----------
        program : Program
            A program that was compiled for the array of this device.

        Raises
        ------
        TypeError
            If it is not a program.
        DeviceMismatch
            If it was compiled for another array. The message names the fields that differ.
        DeviceError
            If the device or the link failed. The device can be used again, and keeps the program
            it had.
        """
        self._check_open()
        if not isinstance(program, Program):
            raise TypeError(
                f"program must be a Program, not a {type(program).__name__}; stablespike.compile "
                "makes one from a network"
            )
        self._take_lease()
        self._load(program)
        self.program = program
        self._encoding = SampleEncoder(program.network)
        self._state.clear()

    @taking_turns
    def run(
        self,
        samples: Any,
        trace: bool = False,
        carry_state: bool | Sequence[bool] = False,
        time_axis: int = 1,
        counters: bool = True,
        *,
        lengths: Sequence[int] | str | None = None,
        bin_time: float | None = None,
        bin_count: int | None = None,
        start: float | str | Sequence[float | str] | None = None,
        late: str = "refuse",
        excess: str = "refuse",
        encoded: bool = False,
    ) -> Any:
        """Run samples.

        Parameters
        ----------
        samples : array_like, list of recordings, or iterator of batches
            One batch: spikes of shape ``(batch, steps, *shape)``, which are zeros and ones, or
            frames of that shape; a list of samples ``(steps, *shape)`` of different lengths;
            pixels of shape ``(batch, *shape)``, or of that of frames if they change from step to
            step; or a list of recordings with the fields ``t``,
            ``x``, and ``y`` and ``p`` where the input has them, as ``read_events`` and
            ``bin_events`` describe them: events that meet at one place in one step are one spike,
            or are counted if the input is frames. Bools, integers, or floats that are whole
            numbers; lists, arrays or tensors. Or an iterator of such batches, which is advanced
            while the results of earlier batches are still to come. With a network that has an
            encoder, the raw signal that it takes.
        trace : bool
            Report the spikes and the skeleton of every layer.
        carry_state : bool or sequence of bool
            Each sample continues from the state that the sample before it left, even across calls;
            or a flag for each sample, whether it does. The first sample after ``load`` starts
            afresh.
        time_axis : int
            1, or 0 for spikes of shape ``(steps, batch, *shape)``.
        counters : bool
            Take counters and times. Without them, their values are -1 and consistency is NaN.
        lengths : sequence of int, "own" or None
            The steps of the samples, at most the program's. By default all have the program's
            steps, unless they are a list whose samples differ in length. Numbers: the steps of each
            sample of an array that is padded with 0, or those that each image is held. "own": the
            steps that each sample comes with; a recording ends with the step of its last event.
        bin_time : float or None
            For events: the length of a step in units of the field ``t``.
        bin_count : int or None
            For events: the number of steps that a recording is divided into.
        start : float, "first" or None; or a sequence with one of these per recording
            For events: where the first step begins, a time or "first", the recording's first event.
            By default as "first"; a recording whose first event is less than ``bin_time`` after 0
            begins at 0.
        late : str
            For events after the last step: ``"refuse"`` or ``"drop"``.
        excess : str
            For more events at one place in one step than a frame's bits can count: ``"refuse"`` or
            ``"saturate"``.
        encoded : bool
            For a network with an encoder: the samples are what its input takes, not a raw signal.
            The encoder starts afresh after them.

        Returns
        -------
        Result or iterator of Result
            For an iterator of batches, an iterator with one result per batch. Any other use of
            the device ends that iterator with a DeviceError. Flags and lengths are those of the
            samples of all batches, one batch after the other.

        Raises
        ------
        TypeError, ValueError
            If samples do not fit the program. The message names the value and what is allowed.
        DeviceError
            If no program is loaded, or the device or the link failed. The device can be used again.
        """
        program = self._loaded()
        _check_flags(trace=trace, counters=counters)
        binning = {
            "bin_time": bin_time, "bin_count": bin_count, "start": start, "late": late,
            "excess": excess,
        }
        options = SampleOptions(
            CarryFlags(carry_state), SampleLengths(lengths), time_axis, binning
        )

        encoding = self._encoding
        raw = not check_encoded(encoded, encoding.there) and encoding.there
        if not self._state.held:  # the neurons start afresh, too
            encoding.state = None

        def checked(batch: Any) -> Batch:
            given = encoding if raw else None
            taken = check_batch(program, batch, options, encoding=given)
            if not raw:
                encoding.state = None
            return taken

        def all_checked(batches: Any) -> Iterator[Batch]:
            yield from map(checked, batches)
            options.finish()

        # Samples are checked first, so that wrong ones do not end what is under way.
        if not is_batches(samples):
            (batch,) = all_checked([samples])
            lease = self._begin_run(program, options.carry)
            (result,) = self._run(lease, iter([batch]), bool(trace), bool(counters))
            return result
        lease = self._begin_run(program, options.carry)
        return Results(
            self.turn, self._run(lease, all_checked(samples), bool(trace), bool(counters))
        )

    @taking_turns
    def stream(
        self, trace: bool = False, counters: bool = True, *, restart_every: int | None = None
    ) -> Stream:
        """Begin a live stream: samples without a known end, which are sent window by window.

        Parameters
        ----------
        trace : bool
            Report the spikes and the skeleton of every layer.
        counters : bool
            Take counters and times.
        restart_every : int or None
            Start afresh with every so many windows, those that ``Stream.send`` is called with, or
            that ``Stream.feed`` makes. None: only when told to.

        Raises
        ------
        TypeError, ValueError
            If ``trace`` or ``counters`` is neither True nor False, or ``restart_every`` is not an
            integer of at least 1.
        ValueError
            If the program's array keeps no state from one window to the next, or has too little
            room for it.
        DeviceError
            If no program is loaded, or the device failed.

        Examples
        --------
        Words one behind the other, frame by frame, with the decision so far after every frame::

            with device.stream() as live:
                for word in words:                       # (steps, bands), each of its own length
                    live.reset()
                    for frame in word:
                        live.send(frame)
                        for result in live.results(wait=False):
                            print(result.decision.prediction, result.decision.margin)
                for result in live.results():            # those still to come
                    print(result.decision.prediction, result.decision.margin)
        """
        _check_flags(trace=trace, counters=counters)
        if restart_every is not None:
            restart_every = exact_int("restart_every", restart_every, 1, _RESTART_HIGH)
        program = self._loaded()
        _check_keeps_state(program)
        lease = self._take_lease()
        self._state.clear()
        stream = self._stream(lease, program, bool(trace), bool(counters), restart_every)
        self._encoding = stream.encoding
        return stream

    @taking_turns
    def close(self) -> None:
        """Close the device. Closing it twice does no harm."""
        self._closed = True
        self._lease.end(self._closed_reason())
        self._close()

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
        self, lease: Lease, batches: Iterator[Batch], trace: bool, counters: bool
    ) -> Generator[Result, None, None]: ...

    @abc.abstractmethod
    def _stream(
        self, lease: Lease, program: Program, trace: bool, counters: bool,
        restart_every: int | None,
    ) -> Stream: ...

    @abc.abstractmethod
    def _close(self) -> None: ...

    def _closed_reason(self) -> str:
        return f"{self.uri} is closed: open it again with open_device"

    def _check_open(self) -> None:
        if self._closed:
            raise DeviceError(self._closed_reason())

    def _loaded(self) -> Program:
        self._check_open()
        if self.program is None:
            raise DeviceError(f"{self.uri} has no program: load one first (device.load)")
        return self.program

    def _take_lease(self) -> Lease:
        """End whatever is under way, and return a lease for something new."""
        self._lease.end(
            f"{self.uri} began something else before all results of this run were taken: take all "
            "results first"
        )
        self._lease = Lease(self.turn)
        return self._lease

    def _begin_run(self, program: Program, carry: CarryFlags) -> Lease:
        if carry.any:
            _check_keeps_state(program)
        lease = self._take_lease()
        if carry.first and self._state.lost:
            raise DeviceError(
                f"{self.uri} lost the state to carry on from when the run before ended too early: "
                "run a sample with carry_state=False, or load the program again"
            )
        return lease


def _check_keeps_state(program: Program) -> None:
    if not program.config.state:
        raise ValueError(
            "carry_state and streams need an array that keeps membranes (state=True), and this "
            "program's array does not: compile it for another array"
        )
    if program.state_needed:
        raise ValueError(
            "carry_state and streams need room for the membranes: state groups: "
            f"{program.state_needed} needed, {program.config.state_groups} there; compile the "
            "program for an array with more"
        )


def _check_flags(**flags: Any) -> None:
    for name, flag in flags.items():
        if not isinstance(flag, (bool, np.bool_)):
            raise TypeError(f"{name} must be True or False, not {flag!r}")
