"""A device behind a link: writes programs, sends samples and receives results."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace

from ..link.session import DeviceInfo
from ..link.transports.transport import Transport
from ..mapping.maps import input_map
from ..program.program import Program
from ..spec.array import PRESETS, ArrayConfig
from ..spec.link import Register, ReportFlags
from ..support.errors import DeviceMismatch
from .commands import program_commands, register_command
from .connection import Connection
from .device import Device
from .lease import CarriedState, Lease
from .reports import Collector
from .result import LinkBytes, Result
from .stream import Stream
from .windows import Batch, input_commands

__all__ = ["LinkDevice"]

_LOOK_SECONDS = 0.001  # how long a stream looks for results that it does not wait for


class LinkDevice(Device):
    """A device behind a link: the gateware, on a board or simulated.

    After any error, the next call starts a new session and loads the program again.

    Parameters
    ----------
    uri : str
        The address, for messages.
    connect : callable
        Opens a transport; called again after a transport broke.
    baud : int or None
        The rate to use after hello, at least the default rate. None for the transport's own rate,
        or to stay at the default.
    timeout : float or None
        Seconds without an answer or without progress; None for the transport's own.
    clock : callable
        Returns the time in seconds.

    Attributes
    ----------
    times : bool
        Whether the device tells the times of windows in runs without counters, too. They take 8
        bytes of each core and window, and ``busy_time`` counts only with them. False at first.

    Raises
    ------
    ValueError
        If the device's clock does not divide to ``baud``.
    DeviceNotFound, DeviceTimeout, DeviceMismatch, LinkError
        If there is no device, it does not answer, or it is a different one.
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
        self._connection = Connection(uri, connect, baud, timeout, clock)
        self.times = False

    @property
    def config(self) -> ArrayConfig:
        """The array, as the device reports it."""
        return self.info.config

    @property
    def info(self) -> DeviceInfo:
        """The device's description of itself: array, build and clock."""
        return self._connection.info

    @property
    def transport(self) -> Transport:
        """The transport, for values that only it has, such as ``cycles`` of a simulation."""
        return self._connection.transport

    @property
    def link_bytes(self) -> LinkBytes:
        return self._connection.link_bytes

    @property
    def busy_time(self) -> int:
        return self._connection.busy_time

    def _close(self) -> None:
        self._drop()
        self._connection.transport.close()

    def _drop(self) -> None:
        """Drop the session, and with it the state that the device held."""
        self._connection.drop()
        self._state.lose()

    def _take_lease(self) -> Lease:
        # A new session makes the device forget what is under way; results of it would otherwise
        # come in between those of the new run.
        if self._connection.busy:
            self._drop()
        return super()._take_lease()

    def _load(self, program: Program) -> None:
        program.check_device(self.uri)
        session = self._connection.session()
        self._check_config(program)
        self._connection.program = None  # until all of the new one is written
        try:
            session.flush(program_commands(program), "the program to be written")
        except BaseException:
            self._drop()
            raise
        self._connection.program = program

    def _check_config(self, program: Program) -> None:
        ours, theirs = program.config.as_dict(), self.config.as_dict()
        # The link is no matter of programs.
        link = ("receive_bytes", "result_bytes", "link_bytes")
        other = [
            f"{name} {ours[name]} (device: {theirs[name]})" for name in ours
            if ours[name] != theirs[name] and name not in link
        ]
        if other:
            presets = (repr(name) for name, preset in PRESETS.items() if preset == self.config)
            raise DeviceMismatch(
                f"the program was compiled for another array than {self.uri} has: "
                f"{', '.join(other)}: compile it for the device's array, "
                f"{next(presets, self.config)}"
            )

    def _exchange(self, trace: bool, counters: bool) -> _Exchange:
        """A new exchange, in a session in which the program is loaded."""
        program = self._loaded()
        self._connection.session()
        if self._connection.program is not program:
            self._load(program)
        flags = ReportFlags.TRACE if trace else ReportFlags(0)
        flags |= ReportFlags.COUNTERS if counters else ReportFlags(0)
        flags |= ReportFlags.TIMES if counters or self.times else ReportFlags(0)
        return _Exchange(self.uri, self._connection, self._state, program, flags)

    def _run(
        self, lease: Lease, batches: Iterator[Batch], trace: bool, counters: bool
    ) -> Generator[Result, None, None]:
        lease.check()
        finished = False
        try:
            exchange = self._exchange(trace, counters)
            commands = exchange.commands(batches)
            while True:
                result = exchange.take()
                if result is not None:
                    yield result
                    lease.check()
                    continue
                if not exchange.pending:
                    # Nothing will be reported before a batch has been sent, so do not wait.
                    exchange.offer(commands)
                    if exchange.exhausted and not exchange.pending:
                        break
                exchange.step(commands)
            finished = True
        finally:
            # Otherwise the device has been closed, or works for somebody else by now.
            if lease.holds:
                if not finished:
                    self._drop()
                self._connection.busy = False

    def _stream(
        self, lease: Lease, program: Program, trace: bool, counters: bool,
        restart_every: int | None,
    ) -> Stream:
        try:
            exchange = self._exchange(trace, counters)
            return _LinkStream(lease, program, restart_every, exchange, self._drop)
        except BaseException:
            self._drop()
            raise


class _Exchange:
    """Commands to the device and reports from it, for one run or stream.

    Attributes
    ----------
    exhausted : bool
        Every command of ``commands`` was taken.
    """

    def __init__(
        self,
        uri: str,
        connection: Connection,
        state: CarriedState,
        program: Program,
        flags: ReportFlags,
    ) -> None:
        self._connection, self._state, self._flags = connection, state, flags
        self._session = connection.session()
        self._collector = Collector(
            uri, program, flags, connection.busy_time,
            traces_beside=connection.transport.has_traces,
        )
        self._counted = connection.link_bytes
        self._program, self._layout = program, input_map(program.computed, program.config.lanes)
        self.exhausted = False

    @property
    def pending(self) -> bool:
        """Whether results of a batch have not come yet."""
        return self._collector.pending

    def commands(self, batches: Iterable[Batch]) -> Iterator[bytes]:
        """Everything to send, batch after batch."""
        # Commands are taken as there is credit for them. So the caller's iterator is advanced, and
        # samples are encoded, before the results of earlier batches have come.
        if self._connection.reports != self._flags:
            self._connection.reports = self._flags
            yield register_command(Register.REPORTS, self._flags)
        for batch in batches:
            yield from self.batch_commands(batch)
        self.exhausted = True

    def batch_commands(self, batch: Batch) -> Iterator[bytes]:
        """The commands of one batch, whose results are expected from now on."""
        # This is not a generator, because all of it must happen before the first command is taken.
        batch = self._state.started(batch)
        self._connection.busy = True
        self._state.keep()
        self._collector.add(batch)
        program = self._program
        return input_commands(
            batch, program.config, self._layout, batch.window(program.window), program.half_words,
            program.planes,
        )

    def step(self, commands: Iterator[bytes], timeout: float | None = None) -> None:
        """Send and receive once."""
        reports = self._session.step(commands, "the results of its samples", timeout)
        if self._connection.transport.has_traces:
            self._collector.feed_traces(self._connection.transport.take_traces())
        self._collector.feed(reports)

    def offer(self, commands: Iterator[bytes]) -> bool:
        """Send what there is credit for, and return whether that was everything."""
        return self._session.offer(commands)

    def take(self) -> Result | None:
        """The next result, once it is complete."""
        if not self._collector.complete:
            return None
        came = self._connection.link_bytes
        result = self._collector.take(came - self._counted)
        self._counted, self._connection.busy_time = came, self._collector.busy_time
        return replace(result, clock_hz=self._connection.clock_hz)

    def settle(self) -> None:
        """Note whether the device is still working on something, after a result was taken."""
        self._connection.busy = self.pending


class _LinkStream(Stream):
    """A stream over a link. ``drop`` gives the device's session up."""

    def __init__(
        self, lease: Lease, program: Program, restart_every: int | None, exchange: _Exchange,
        drop: Callable[[], None],
    ) -> None:
        super().__init__(lease, program, restart_every)
        self._exchange, self._drop = exchange, drop
        self._queue: deque[bytes] = deque(exchange.commands([]))
        self._commands = _Popping(self._queue)
        exchange.offer(self._commands)

    def _send(self, batch: Batch) -> None:
        self._queue.extend(self._exchange.batch_commands(batch))
        while not self._exchange.offer(self._commands):
            self._exchange.step(self._commands)

    def _result(self, wait: bool) -> Result | None:
        # Even without waiting, one step is made, which receives what has come in the meantime.
        exchange, looked = self._exchange, False
        try:
            while True:
                result = exchange.take()
                exchange.settle()
                if result is not None or not exchange.pending or (looked and not wait):
                    return result
                exchange.step(self._commands, None if wait else _LOOK_SECONDS)
                looked = True
        except BaseException:
            self._abandon()
            raise

    def _abandon(self) -> None:
        if self._lease.holds:
            self._drop()
            self._lease.release()


class _Popping(Iterator[bytes]):
    """Takes from a queue that may be filled again after it was empty."""

    def __init__(self, queue: deque[bytes]) -> None:
        self._queue = queue

    def __next__(self) -> bytes:
        if not self._queue:
            raise StopIteration
        return self._queue.popleft()
