"""A device behind a link: sessions, programs written, samples out and results in."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from ..link.session import DeviceInfo, Session
from ..link.transport import Transport
from ..mapping.maps import input_map
from ..program.program import Program
from ..spec.array import PRESETS, ArrayConfig
from ..spec.link import (
    BAUD_DEFAULT,
    BAUD_TOLERANCE,
    CLOCKS_PER_BIT_MIN,
    Register,
    ReportFlags,
)
from ..support.errors import DeviceMismatch, LinkError
from .commands import program_commands, register_command
from .device import Device, Source
from .reports import Collector
from .result import LinkBytes, Result
from .stream import Stream
from .windows import Batch, input_commands

__all__ = ["LinkDevice"]

_LOOK_SECONDS = 0.001


class LinkDevice(Device):
    """A device behind a link: the gateware, on a board or simulated.

    Whatever fails, the next call starts a new session and loads the program again.

    Parameters
    ----------
    uri : the address, for messages.
    connect : opens the transport; called again after the transport broke.
    baud : rate to go on with after hello, None for the transport's own or to stay at the default,
        below which none goes.
    timeout : seconds without an answer or without progress; None for the transport's own.
    clock : the time in seconds.

    Raises
    ------
    ValueError
        If the device's clock does not divide to ``baud``.
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
        if baud is not None and baud < BAUD_DEFAULT:
            raise ValueError(
                f"baud in {uri!r} must be at least {BAUD_DEFAULT}, the rate every device starts "
                f"at, not {baud}"
            )
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
            baud = self._transport.own_baud if self._baud is None else self._baud
            if baud is not None:
                self._set_baud(session, self._info, baud)
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
        if baud > highest:
            raise ValueError(
                f"baud must be from {BAUD_DEFAULT} to {highest} at this device's clock of "
                f"{info.clock_hz} Hz, not {baud}"
            )
        divisor = round(info.clock_hz / baud)
        if abs(info.clock_hz / divisor / baud - 1) > BAUD_TOLERANCE:
            raise ValueError(
                f"baud must be near a rate this device's clock of {info.clock_hz} Hz divides to: "
                f"not {baud} but {info.clock_hz // divisor}"
            )
        change = register_command(Register.BAUD, divisor)
        session.flush(iter([change]), "the change of the baud rate")
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
        program.check_device(self.uri)
        session = self._begin()
        self._check_config(program)
        self._memory = None
        try:
            session.flush(program_commands(program), "the program to be written")
        except BaseException:
            self._drop()
            raise
        self._memory = program

    def _check_config(self, program: Program) -> None:
        ours, theirs = program.config.as_dict(), self.config.as_dict()
        other = [f"{n} {ours[n]} (device: {theirs[n]})" for n in ours if ours[n] != theirs[n]]
        if other:
            presets = (repr(name) for name, preset in PRESETS.items() if preset == self.config)
            raise DeviceMismatch(
                f"the program was compiled for another array than {self.uri} has: "
                f"{', '.join(other)}: compile it for the device's array, "
                f"{next(presets, self.config)}"
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
        program = device._loaded()
        self._config, self._lying = program.config, input_map(program.network)
        self._window, self._half = program.window, program.half_words

    def commands(self, batches: Iterable[Batch]) -> Iterator[bytes]:
        """Everything to send, batch after batch."""
        if self._device._reports != self._flags:
            self._device._reports = self._flags
            yield register_command(Register.REPORTS, self._flags)
        for batch in batches:
            yield from self.batch_commands(batch)
        self.exhausted = True

    def batch_commands(self, batch: Batch) -> Iterator[bytes]:
        device = self._device
        batch = device._fresh(batch)
        device._busy = device._carried = True
        device._lost = False
        self.collector.add(batch)
        return input_commands(batch, self._config, self._lying, self._window, self._half)

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
