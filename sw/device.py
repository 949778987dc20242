"""Devices: load a program, run samples, stream windows; the same integers on each of them."""

from __future__ import annotations

import abc
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from .errors import DeviceError, DeviceMismatch, LinkError, ToolError
from .events import bin_events, is_recordings
from .program import Program
from .reports import Collector
from .result import LinkBytes, Result, counter_table, with_totals
from .samples import check_samples
from .session import DeviceInfo, Session, check_timeout
from .spec.array import ArrayConfig
from .spec.link import BODY_BYTES, CLOCKS_PER_BIT_MIN, Command, Register, ReportFlags
from .transport import Transport, Uri, open_transport, parse_uri
from .values import exact_int
from .windows import Batch, input_commands

__all__ = ["Device", "GoldenDevice", "LinkDevice", "Stream", "open_device"]

_WRITE_HEAD = 6
_BAUD_TOLERANCE = 0.02
_LOOK_SECONDS = 0.001
_GOLDEN_BATCH = 512  # samples whose traces are kept at once where only counters are asked for

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
            return _checked(program, batch, carry_state, time_axis, binning)

        if not _is_batches(samples):
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
            If the program's array keeps no state from one window to the next.
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

    def _fresh(self, batch: Batch) -> Batch:
        """The batch with its first sample fresh where there is nothing to go on from."""
        if self._carried or batch.fresh[0]:
            return batch
        fresh = batch.fresh.copy()
        fresh[0] = True
        return replace(batch, fresh=fresh)


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
        network, longest = self._program.network, self._program.config.window
        if network.input.kind == "pixels":
            steps = longest if steps is None else exact_int("steps", steps, 1, longest)
        elif steps is not None:
            raise ValueError(f"steps is for pixels; spikes tell their own, not steps={steps!r}")
        array = window if hasattr(window, "__array__") else np.asarray(window)
        flat, steps = check_samples(network, array[None], steps)
        if steps > longest:
            raise ValueError(
                f"window must have 1 to {longest} steps, not {steps}: send it in parts"
            )
        self._send(_batch(flat, steps, np.array([self._first])))
        self._first = False

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


class GoldenDevice(Device):
    """The golden model as a device of whatever array a program is for.

    Raises
    ------
    ToolError
        If PyTorch is not installed.
    """

    def __init__(self, uri: str = "golden:") -> None:
        super().__init__(uri)
        try:
            from . import golden
        except ImportError as error:
            raise ToolError(
                f"golden: needs PyTorch ({error}): pip install 'stablespike[golden]'"
            ) from error
        self._module = golden
        self._golden: Any = None
        self._state: Any = None

    @property
    def config(self) -> ArrayConfig | None:
        return self.program.config if self.program else None

    def close(self) -> None:
        self._closed = True
        self._golden = self._state = None

    def _load(self, program: Program) -> None:
        self._golden = self._module.Golden(
            program.network, program.config.state_bits, program.config.window
        )
        self._state = None

    def _run(
        self, turn: object, batches: Source, trace: bool, counters: bool
    ) -> Iterator[Result]:
        self._my_turn(turn)
        for batch in batches:
            yield self._batch(batch, trace, counters)
            self._my_turn(turn)

    def _stream(self, program: Program, trace: bool, counters: bool) -> Stream:
        return _GoldenStream(self, program, trace, counters)

    def _batch(self, batch: Batch, trace: bool, counters: bool) -> Result:
        batch, parts, at = self._fresh(batch), [], 0
        while at < len(batch):
            # Samples that start afresh run together; one that goes on needs the one before it.
            fresh = bool(batch.fresh[at])
            stop = at + 1
            while fresh and stop < min(len(batch), at + _GOLDEN_BATCH) and batch.fresh[stop]:
                stop += 1
            values = batch.values[at:stop]
            parts.append(self._part(values, batch.steps, trace, counters, fresh))
            at = stop
        return parts[0] if len(parts) == 1 else Result.joined(parts)

    def _part(
        self, values: npt.NDArray[Any], steps: int, trace: bool, counters: bool, fresh: bool
    ) -> Result:
        from .counters import COUNTER_DTYPE, count

        assert self.program is not None
        network, config = self.program.network, self.program.config
        samples = values.reshape(*values.shape[:-1], *network.input.shape)
        state = None if fresh else [_last(entry) for entry in self._state]
        out = self._golden.run(samples, steps, trace or counters, state)
        self._state, self._carried, self._lost = out.state, True, False
        table = counter_table(len(values), len(network.layers))
        if counters:
            groups = self.program.group_counts
            counted = count(network, samples, out.spikes, out.skeleton, config.window, groups)
            for name in COUNTER_DTYPE.names or ():
                table[name] = counted[name]
        starts = np.full(len(values), fresh)
        totals, ratios = with_totals(table, steps, starts)
        return Result(
            readout=out.readout,
            prediction=out.prediction,
            counters=totals,
            layer_counters=table,
            consistency=ratios,
            steps=steps,
            trace=out.spikes if trace else (),
            skeleton=out.skeleton if trace else (),
            readout_skeleton=out.readout_skeleton,
            agreement=out.agreement,
        )


def _last(entry: Any) -> Any:
    """The state of the last sample of a batch."""
    q = None if entry.q is None else entry.q[-1:]
    return type(entry)(entry.v[-1:], entry.r[-1:], q)


class _GoldenStream(Stream):
    def __init__(
        self, device: GoldenDevice, program: Program, trace: bool, counters: bool
    ) -> None:
        super().__init__(device, program)
        self._golden, self._options = device, (trace, counters)
        self._done: deque[Result] = deque()

    def _send(self, batch: Batch) -> None:
        self._done.append(self._golden._batch(batch, *self._options))

    def _result(self, wait: bool) -> Result | None:
        return self._done.popleft() if self._done else None

    def _abandon(self) -> None:
        self._done.clear()


class LinkDevice(Device):
    """A device behind a link: the gateware, on a board or simulated.

    Whatever fails, the next call starts a new session and loads the program again.

    Parameters
    ----------
    uri : the address, for messages.
    connect : opens the transport; called again after the transport broke.
    baud : rate to go on with after hello, None to stay at the default.
    timeout : seconds without an answer or without progress; None for the transport's own.
    clock : the time in seconds.

    Raises
    ------
    DeviceNotFound, DeviceTimeout, DeviceMismatch, LinkError
        If there is no device, it does not answer, or is another one.
    """

    def __init__(
        self,
        uri: str,
        connect: Callable[[], Transport],
        baud: int | None = None,
        timeout: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(uri)
        self._connect, self._baud, self._timeout = connect, baud, timeout
        self._clock = clock
        self._transport = connect()
        self._session: Session | None = None
        self._avoid: int | None = None
        self._bytes = LinkBytes()
        self._reports: ReportFlags | None = None
        self._memory: Program | None = None  # what this session wrote to the device
        self._busy = False
        self._busy_time = 0  # of the device, at the end of the last result taken
        self._info: DeviceInfo | None = None
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    @property
    def config(self) -> ArrayConfig:
        """The array, as the device tells it."""
        return self.info.config

    @property
    def info(self) -> DeviceInfo:
        """What the device said of itself: array, build and clock."""
        assert self._info is not None
        return self._info

    @property
    def transport(self) -> Transport:
        """The transport, for what only it knows (``cycles`` of a simulation)."""
        return self._transport

    @property
    def link_bytes(self) -> LinkBytes:
        sent, received = self._bytes
        if self._session is not None:
            sent, received = sent + self._session.sent, received + self._session.received
        return LinkBytes(sent, received)

    def close(self) -> None:
        self._drop()
        self._closed = True
        self._transport.close()

    def _begin(self) -> Session:
        """The running session, or a new one."""
        if self._session is not None:
            return self._session
        if self._transport.broken:
            self._transport.close()
            self._transport = self._connect()
        session = Session(self._transport, self._timeout, avoid=self._avoid, clock=self._clock)
        self._session = session
        try:
            self._info = session.open()
            if self._baud is not None:
                self._set_baud(session, self._info, self._baud)
        except BaseException:
            self._drop()
            raise
        return session

    def _set_baud(self, session: Session, info: DeviceInfo, baud: int) -> None:
        if not info.clock_hz:
            raise LinkError(
                f"{self.uri} does not tell its clock, so no divisor for {baud} baud can be found: "
                "open it without ?baud="
            )
        highest = info.clock_hz // CLOCKS_PER_BIT_MIN
        divisor = max(1, round(info.clock_hz / baud))
        if baud > highest or divisor > 0xFFFF:
            raise ValueError(
                f"baud must be from {info.clock_hz // 0xFFFF + 1} to {highest} at this device's "
                f"clock of {info.clock_hz} Hz, not {baud}"
            )
        if abs(info.clock_hz / divisor / baud - 1) > _BAUD_TOLERANCE:
            raise ValueError(
                f"baud must be near a rate this device's clock of {info.clock_hz} Hz divides to: "
                f"not {baud} but {info.clock_hz // divisor}"
            )
        session.flush(iter([_register(Register.BAUD, divisor)]), "the change of the baud rate")
        self._transport.set_baud(baud)
        session.check(f"at {baud} baud: ask for a lower ?baud=")

    def _drop(self) -> None:
        """Give the session up; the device forgets what was under way at the next hello."""
        self._bytes = self.link_bytes
        if self._session is not None:
            self._avoid = self._session.number
        self._session = self._reports = self._memory = None
        self._busy, self._busy_time = False, 0
        if self._carried:
            self._carried, self._lost = False, True

    def _take_turn(self) -> object:
        if self._busy:
            self._drop()
        return super()._take_turn()

    def _load(self, program: Program) -> None:
        session = self._begin()
        self._check_config(program)
        self._memory = None
        try:
            session.flush(_program_commands(program), "the program to be written")
        except BaseException:
            self._drop()
            raise
        self._memory = program

    def _check_config(self, program: Program) -> None:
        ours, theirs = program.config.as_dict(), self.config.as_dict()
        other = [f"{n} {ours[n]} (device: {theirs[n]})" for n in ours if ours[n] != theirs[n]]
        if other:
            raise DeviceMismatch(
                f"the program was compiled for another array than {self.uri} has: "
                f"{', '.join(other)}; compile it with array=device.config"
            )

    def _ready(self) -> Session:
        """A session with the program loaded."""
        program = self._loaded()
        session = self._begin()
        if self._memory is not program:
            self._load(program)
        return session

    def _exchange(self, trace: bool, counters: bool) -> _Exchange:
        session = self._ready()
        flags = ReportFlags.TRACE if trace else ReportFlags(0)
        flags |= ReportFlags.COUNTERS if counters else ReportFlags(0)
        collector = Collector(self.uri, self._loaded(), trace, counters, self._busy_time)
        return _Exchange(self, session, collector, flags)

    def _run(
        self, turn: object, batches: Source, trace: bool, counters: bool
    ) -> Iterator[Result]:
        self._my_turn(turn)
        finished = False
        try:
            exchange = self._exchange(trace, counters)
            commands, collector = exchange.commands(batches), exchange.collector
            while True:
                result = exchange.take()
                if result is not None:
                    yield result
                    self._my_turn(turn)
                    continue
                if not collector.pending:
                    exchange.offer(commands)
                    if exchange.exhausted and not collector.pending:
                        break
                exchange.step(commands)
            finished = True
        finally:
            if self._turn is turn:
                if not finished:
                    self._drop()
                self._busy = False

    def _stream(self, program: Program, trace: bool, counters: bool) -> Stream:
        try:
            return _LinkStream(self, program, self._exchange(trace, counters))
        except BaseException:
            self._drop()
            raise


class _Exchange:
    """Commands out, reports in, of one run or stream."""

    def __init__(
        self, device: LinkDevice, session: Session, collector: Collector, flags: ReportFlags
    ) -> None:
        self.collector, self.exhausted = collector, False
        self._device, self._session, self._flags = device, session, flags
        self._counted = device.link_bytes
        self._config = device._loaded().config

    def commands(self, batches: Iterable[Batch]) -> Iterator[bytes]:
        """Everything to send, batch after batch."""
        if self._device._reports != self._flags:
            self._device._reports = self._flags
            yield _register(Register.REPORTS, self._flags)
        for batch in batches:
            yield from self.batch_commands(batch)
        self.exhausted = True

    def batch_commands(self, batch: Batch) -> Iterator[bytes]:
        device = self._device
        batch = device._fresh(batch)
        device._busy = device._carried = True
        device._lost = False
        self.collector.add(batch)
        return input_commands(batch, self._config)

    def step(self, commands: Iterator[bytes], timeout: float | None = None) -> None:
        """Send and receive once."""
        self.collector.feed(self._session.step(commands, "the results of its samples", timeout))

    def offer(self, commands: Iterator[bytes]) -> bool:
        """Send what there is credit for; whether that was everything."""
        return self._session.offer(commands)

    def take(self) -> Result | None:
        """The next result, when it is complete."""
        result = self.collector.take(self._device.link_bytes - self._counted)
        if result is not None:
            self._counted = self._device.link_bytes
            self._device._busy_time = self.collector.busy_time
        return result


class _LinkStream(Stream):
    def __init__(self, device: LinkDevice, program: Program, exchange: _Exchange) -> None:
        super().__init__(device, program)
        self._link, self._exchange = device, exchange
        self._queue: deque[bytes] = deque()
        self._commands = _Popping(self._queue)
        self._queue.extend(exchange.commands([]))
        exchange.offer(self._commands)

    def _send(self, batch: Batch) -> None:
        try:
            self._queue.extend(self._exchange.batch_commands(batch))
            while not self._exchange.offer(self._commands):
                self._exchange.step(self._commands)
        except BaseException:
            self._abandon()
            raise

    def _result(self, wait: bool) -> Result | None:
        collector, looked = self._exchange.collector, False
        try:
            while True:
                result = self._exchange.take()
                self._link._busy = collector.pending
                if result is not None or not collector.pending or (looked and not wait):
                    return result
                self._exchange.step(self._commands, None if wait else _LOOK_SECONDS)
                looked = True
        except BaseException:
            self._abandon()
            raise

    def _abandon(self) -> None:
        if self._link._turn is self._turn:
            self._link._drop()
            self._link._turn = None


class _Popping(Iterator[bytes]):
    """Takes from a queue that may be filled again after it was empty."""

    def __init__(self, queue: deque[bytes]) -> None:
        self._queue = queue

    def __next__(self) -> bytes:
        if not self._queue:
            raise StopIteration
        return self._queue.popleft()


def _program_commands(program: Program) -> Iterator[bytes]:
    """Everything that loads a program."""
    for core, space, first, rows in program.writes():
        at_once = (BODY_BYTES - _WRITE_HEAD) // (2 * rows.shape[1])
        for at in range(0, len(rows), at_once):
            head = bytes((Command.WRITE, core, space)) + (first + at).to_bytes(3, "little")
            yield head + rows[at : at + at_once].astype("<u2").tobytes()
    for register, value in program.registers.items():
        yield _register(register, value)


def _register(register: Register, value: int) -> bytes:
    return bytes((Command.REGISTER, register)) + int(value).to_bytes(2, "little")


def _is_batches(samples: Any) -> bool:
    """Whether this is an iterator of batches rather than one batch."""
    if isinstance(samples, (list, tuple, np.ndarray)) or hasattr(samples, "__array__"):
        return False
    return isinstance(samples, Iterable) and not isinstance(samples, (str, bytes, dict))


_BINNING = {"bin_time": None, "bin_count": None, "start": 0, "late": "refuse"}
"""Options of event arrays, as they are where there are none."""


def _check_flags(**flags: Any) -> None:
    for name, flag in flags.items():
        if not isinstance(flag, (bool, np.bool_)):
            raise TypeError(f"{name} must be True or False, not {flag!r}")


def _checked(
    program: Program, samples: Any, carry: bool, time_axis: int, binning: dict[str, Any]
) -> Batch:
    network, steps = program.network, program.steps
    if is_recordings(samples):
        if network.input.kind == "pixels":
            raise ValueError("samples are events; this program's input is pixels: (batch, *shape)")
        if time_axis != 1:
            raise ValueError(f"time_axis must be 1 for events, not {time_axis!r}")
        samples = bin_events(samples, network.input.shape, steps, **binning)
    elif isinstance(samples, np.ndarray) and samples.dtype.names:
        raise TypeError("samples must be a list of event arrays, one per sample: [events]")
    else:
        for name, usual in _BINNING.items():
            if binning[name] is not usual and binning[name] != usual:
                raise ValueError(f"{name} is for event arrays; these samples are none")
    flat, steps = check_samples(network, samples, steps, time_axis)
    if not len(flat):
        raise ValueError("samples must hold at least 1 sample, not 0")
    return _batch(flat, steps, np.full(len(flat), not carry))


def _batch(flat: npt.NDArray[Any], steps: int, fresh: npt.NDArray[np.bool_]) -> Batch:
    return Batch(flat.astype(np.uint16 if flat.ndim == 2 else bool), steps, fresh)


def open_device(
    uri: str, array: ArrayConfig | str | None = None, timeout: float | None = None
) -> Device:
    """Open a device.

    Parameters
    ----------
    uri : ``golden:``, the model; ``sim:<preset>``, the simulated board (``?uart=1`` through its
        UART pins), or ``sim:`` with ``array``; ``serial:<port>`` (``?baud=N`` to go on at N baud);
        ``tcp:<host>:<port>``.
    array : the array to simulate.
    timeout : seconds without an answer or without progress after which the device is given up;
        None for 5 (60 for the simulated board).

    Raises
    ------
    TypeError, ValueError
        If the address is none.
    DeviceNotFound
        If there is no device there.
    DeviceTimeout, DeviceMismatch, LinkError
        If it does not answer, or something else does.
    """
    parsed: Uri = parse_uri(uri)
    if parsed.scheme == "golden":
        if timeout is not None:
            check_timeout(timeout)
        if array is not None:
            raise ValueError("array is for 'sim:' only; golden: is as the array of its program")
        return GoldenDevice(uri)
    baud = parsed.integer("baud")
    if parsed.scheme == "sim" and baud is not None and not parsed.flag("uart"):
        raise ValueError(f"{uri!r} has a baud rate but no UART: add uart=1")
    return LinkDevice(uri, lambda: open_transport(parsed, array), baud, timeout)
