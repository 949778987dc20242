"""The host's side of the link: go-back-N in both directions, credits and hello.

Bytes may be lost, damaged, duplicated or reordered in either direction. Nevertheless, commands are
executed and reports are returned once and in order, or there is an error.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..spec.array import ArrayConfig
from ..spec.link import (
    DATA_IN_FLIGHT,
    FAULT,
    FRAME_BYTES,
    KIND_MASK,
    RESEND,
    Kind,
    unpack_info,
)
from ..support.errors import DeviceMismatch, DeviceTimeout, LinkError
from .frames import Frame, decode_frame, encode_frame
from .transports.transport import Transport

__all__ = ["DeviceInfo", "Session", "check_timeout"]

_NONCE_BYTES = 4
_AHEAD = 128  # half of the sequence numbers: a frame further ahead than this is an old one


@dataclass(frozen=True)
class DeviceInfo:
    """A device's description of itself.

    Attributes
    ----------
    config : ArrayConfig
        Its array.
    build_id : bytes
        The ID of the build that made its bitstream.
    clock_hz : int
        Its clock in Hz; 0 if unknown.
    """

    config: ArrayConfig
    build_id: bytes
    clock_hz: int


def check_timeout(timeout: object) -> None:
    """Check that a timeout is a positive number of seconds.

    Raises
    ------
    TypeError, ValueError
        If it is not.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number of seconds, not {timeout!r}")
    if not 0 < timeout < float("inf"):
        raise ValueError(f"timeout must be a positive number of seconds, not {timeout!r}")


class Session:
    """One session with a device: commands are sent, and a byte stream of reports is received.

    Everything happens in ``step``, which the caller calls while it waits for something. It sends
    what the credits allow, reads what has come, acknowledges, and repairs. There are no threads,
    and writing never waits for an answer.

    Parameters
    ----------
    transport : Transport
        The transport that carries the bytes.
    timeout : float or None
        Seconds without any answer, or without any progress, after which the device is given up.
        None for the transport's own.
    poll : float or None
        Seconds of silence after which the device is asked what was lost, at most a quarter of
        ``timeout``. None for the transport's own, which may be longer where answers take longer.
    avoid : int or None
        A session number to avoid: that of the last session on this device.
    clock : callable
        Returns the time in seconds.

    Attributes
    ----------
    info : DeviceInfo or None
        The device's answer to hello; None before ``open``.
    sent : int
        Bytes sent so far.
    received : int
        Bytes received so far.
    number : int
        The number of the session.
    damaged : int
        Pieces between zeros that were not frames.
    resent : int
        Frames that were sent again.

    Raises
    ------
    ValueError
        If ``timeout`` is not a positive number of seconds.
    """

    def __init__(
        self,
        transport: Transport,
        timeout: float | None = None,
        poll: float | None = None,
        avoid: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.timeout = transport.timeout if timeout is None else timeout
        check_timeout(self.timeout)
        least = transport.poll if poll is None else poll
        most = (transport.poll_most or least) if poll is None else poll
        self._least, self._most = min(least, self.timeout / 4), min(most, self.timeout / 4)
        self._answer_time = 0.0       # seconds from a question to its answer, smoothed
        self._wait = self._least      # seconds in which an answer should come
        self._patience = self._least  # seconds of silence until the next poll
        self._asked: list[float] = []  # when questions were, until an answer comes
        self.info: DeviceInfo | None = None
        self.sent = self.received = self.damaged = self.resent = 0
        self._transport, self._clock = transport, clock
        self._ahead = transport.ahead
        nonce = secrets.token_bytes(_NONCE_BYTES)
        while nonce[0] == avoid:
            nonce = secrets.token_bytes(_NONCE_BYTES)
        self._nonce, self.number = nonce, nonce[0]
        self._raw = bytearray()
        self._outgoing = bytearray()  # frames to send with the next write
        self._pending: bytes | None = None  # a command that was taken, but waits for credit
        self._unacked: deque[bytes] = deque()
        self._base = 0          # number of the first command that the device has not executed
        self._in_flight = 0     # credit in bytes that this command and those after it take
        self._expected = 0      # number of the next piece of the report stream
        self._acked = 0         # number last acknowledged; -1: the device seems to have missed it
        self._unacked_bytes = 0  # reports not acknowledged yet; commands acknowledge them, too
        self._asked_resend = False
        self._resent_base: int | None = None
        self._polled = False
        self._silent = self._stalled = self._unpolled = 0.0

    @property
    def idle(self) -> bool:
        """Whether the device has executed every command that was taken from the caller."""
        return not self._unacked and self._pending is None

    def open(self) -> DeviceInfo:
        """Say hello until the device answers.

        Raises
        ------
        DeviceTimeout
            If it does not answer within ``timeout``.
        DeviceMismatch
            If it is not a StableSpike device, or speaks another version of the protocol.
        LinkError
            If the transport broke.
        """
        self._transport.reset()
        hello = encode_frame(Frame(Kind.HELLO, self.number, 0, 0, self._nonce))
        waited, next_hello = 0.0, 0.0
        while waited < self.timeout:
            if waited >= next_hello:
                self._write(b"\0" + hello)
                next_hello = waited + self._ask()
            began = self._clock()
            frames = self._read(self._patience)
            waited += self._clock() - began
            for frame in frames:
                if frame.kind == Kind.INFO and frame.body[:_NONCE_BYTES] == self._nonce:
                    self._answered()
                    self._patience = self._wait
                    self.info = self._device_info(frame.body[_NONCE_BYTES:])
                    return self.info
        raise DeviceTimeout(
            f"{self._transport.name} did not answer hello in {self.timeout} s"
            + (
                f"; {self.received} bytes came, but not a frame: {self._transport.foreign}"
                if self.received
                else ": check that the board is powered, and that its bitstream is loaded"
            )
        )

    def offer(self, commands: Iterator[bytes]) -> bool:
        """Send what the credits allow, without reading.

        Parameters
        ----------
        commands : iterator of bytes
            Bodies of DATA frames, taken one by one as there is credit for them.

        Returns
        -------
        bool
            Whether all of ``commands`` were sent.
        """
        self._fill(commands)
        self._flush()
        return self._pending is None

    def step(
        self, commands: Iterator[bytes], waiting: str, timeout: float | None = None
    ) -> bytes:
        """Send what the credits allow, and read what has come.

        Parameters
        ----------
        commands : iterator of bytes
            Bodies of DATA frames, taken one by one as there is credit for them.
        waiting : str
            What the caller is waiting for, for the message of a timeout.
        timeout : float or None
            Seconds to wait if nothing is there; until the next poll if None.

        Returns
        -------
        bytes
            The next piece of the report stream, often empty.

        Raises
        ------
        DeviceTimeout
            If the device does not answer, or makes no progress.
        LinkError
            If it refused a command, or the transport broke.
        """
        assert self.info is not None, "open the session first"
        self._fill(commands)
        began, damaged = self._clock(), self.damaged
        # Bytes that are there are taken without waiting. Before waiting, reports are acknowledged,
        # because the device may need the credit; otherwise the next command carries the
        # acknowledgement.
        frames = self._read(0)
        if not frames:
            if self._acked < 0 or 4 * self._unacked_bytes >= self.info.config.result_bytes:
                self._send(Kind.ACK)
            frames = self._read(self._patience if timeout is None else timeout)
        elapsed = self._clock() - began
        self._silent += elapsed
        self._stalled += elapsed
        self._unpolled += elapsed
        reports = b"".join(self._take(frame) for frame in frames)
        if self.damaged != damaged and not self._asked_resend:
            self._asked_resend = True
            self._ask_resend()
        if min(self._silent, self._unpolled) >= self._patience:
            self._give_up(waiting)
            self._ask_resend()
            self._ask()
            self._polled = True
        elif self._stalled >= self.timeout:
            self._give_up(waiting)
        self._flush()
        return reports

    def flush(self, commands: Iterator[bytes], waiting: str) -> bytes:
        """Send all of ``commands``, wait until they are executed, and return the reports that came.

        Parameters
        ----------
        commands : iterator of bytes
            Bodies of DATA frames.
        waiting : str
            What the caller waits for, for the message of a timeout.

        Raises
        ------
        DeviceTimeout, LinkError
            As ``step`` does.
        """
        reports = [self.step(commands, waiting)]
        while not self.idle:
            reports.append(self.step(commands, waiting))
        return b"".join(reports)

    def check(self, waiting: str) -> None:
        """Ask the device for a sign of life, and wait for it.

        Parameters
        ----------
        waiting : str
            The circumstances and what to do, for the message of a timeout.

        Raises
        ------
        DeviceTimeout
            If none comes within ``timeout``.
        """
        self._silent = self._stalled = 0.0
        waited, next_poll = 0.0, 0.0
        while waited < self.timeout:
            if waited >= next_poll:
                self._ask_resend()
                next_poll = waited + self._ask()
            began = self._clock()
            for frame in self._read(self._patience):
                if frame.session == self.number and frame.kind & KIND_MASK == Kind.ACK:
                    self._take(frame)
                    return
            waited += self._clock() - began
        raise DeviceTimeout(f"{self._transport.name} did not answer in {self.timeout} s, {waiting}")

    def _device_info(self, info: bytes) -> DeviceInfo:
        try:
            return DeviceInfo(*unpack_info(info))
        except ValueError as error:
            raise DeviceMismatch(f"{self._transport.name}: {error}") from error

    def _give_up(self, waiting: str) -> None:
        name = self._transport.name
        if self._silent >= self.timeout:
            raise DeviceTimeout(
                f"{name} did not answer in {self.timeout} s while the driver waited for {waiting}: "
                "check power and cable, or give a longer timeout if the device is only slow"
            )
        if self._stalled >= self.timeout:
            raise DeviceTimeout(
                f"{name} answers but made no progress in {self.timeout} s while the driver waited "
                f"for {waiting}: load the program again, or give a longer timeout if it is slow"
            )

    def _ask(self) -> float:
        """Note a question to the device; returns the seconds until it is repeated. A device that
        makes no progress is asked less and less often."""
        if self._asked:
            self._wait = min(2 * self._wait, self._most)
        self._asked.append(self._clock())
        patience, self._patience = self._patience, min(2 * self._patience, self._most)
        return patience

    def _answered(self) -> None:
        # After a repeated question nobody knows which one this answers (Karn and Partridge 1987).
        if len(self._asked) == 1:
            sample = self._clock() - self._asked[0]
            self._answer_time += (sample - self._answer_time) / (4 if self._answer_time else 1)
            self._wait = min(max(self._least, 4 * self._answer_time), self._most)
        self._asked.clear()

    def _write(self, data: bytes) -> None:
        self._outgoing += data
        self.sent += len(data)

    def _flush(self) -> None:
        """Send what was written since the last time, in one piece."""
        if self._outgoing:
            data, self._outgoing = bytes(self._outgoing), bytearray()
            self._transport.write(data)

    def _read(self, timeout: float) -> list[Frame]:
        self._flush()
        data = self._transport.read(timeout)
        self.received += len(data)
        self._raw += data
        *pieces, rest = self._raw.split(b"\0")
        # A piece that is longer than any frame is damaged. The part that was kept is dropped at the
        # next zero.
        self._raw = rest[: 2 * FRAME_BYTES]
        frames = []
        for piece in filter(None, pieces):
            frame = decode_frame(bytes(piece))
            if frame is None:
                self.damaged += 1
            else:
                frames.append(frame)
        return frames

    def _send(self, kind: int, seq: int = 0, body: bytes = b"") -> None:
        self._acked, self._unacked_bytes = self._expected, 0
        self._write(encode_frame(Frame(kind, self.number, seq & 0xFF, self._expected & 0xFF, body)))

    def _ask_resend(self) -> None:
        # A frame that lost its final zero would swallow this one, so end it first.
        self._write(b"\0")
        self._send(Kind.ACK | RESEND)
        self._unpolled = 0.0

    def _fill(self, commands: Iterator[bytes]) -> None:
        assert self.info is not None
        room = self.info.config.receive_bytes + self._ahead
        while len(self._unacked) < DATA_IN_FLIGHT:
            if self._pending is None:
                self._pending = next(commands, None)
            if self._pending is None or self._in_flight + len(self._pending) + 1 > room:
                return
            body, self._pending = self._pending, None
            self._send(Kind.DATA, self._base + len(self._unacked), body)
            self._unacked.append(body)
            self._in_flight += len(body) + 1

    def _resend(self) -> None:
        self._resent_base = self._base
        self._ahead //= 2  # the device may have had no room
        for offset, body in enumerate(self._unacked):
            self._send(Kind.DATA, self._base + offset, body)
            self.resent += 1

    def _take(self, frame: Frame) -> bytes:
        """Process one frame, and return the piece of the report stream that it carried."""
        kind = frame.kind & KIND_MASK
        if kind not in (Kind.DATA, Kind.ACK) or frame.session != self.number:
            return b""
        self._silent = 0.0
        self._answered()
        if frame.kind & FAULT:
            raise LinkError(
                f"{self._transport.name} refused a command: the program is not for this array, or "
                "another program writes to the same device; load the program again"
            )
        executed = (frame.ack - self._base) & 0xFF
        if 0 < executed <= len(self._unacked):
            for _ in range(executed):
                self._in_flight -= len(self._unacked.popleft()) + 1
            self._base += executed
            self._progress()
        if frame.kind & RESEND:
            if self._resent_base != self._base:
                self._resend()
        elif kind == Kind.ACK and self._polled:
            # The answer to a poll does not acknowledge the last commands: they may be lost.
            self._polled = False
            self._resend()
        if kind == Kind.ACK:
            return b""
        ahead = (frame.seq - self._expected) & 0xFF
        if ahead == 0:
            self._expected += 1
            self._unacked_bytes += len(frame.body)
            self._asked_resend = False
            self._progress()
            return frame.body
        if ahead < _AHEAD and not self._asked_resend:
            self._asked_resend = True
            self._ask_resend()
        elif ahead >= _AHEAD:
            self._acked = -1  # the device missed the acknowledgement: repeat it
        return b""

    def _progress(self) -> None:
        self._stalled = self._unpolled = 0.0
        self._polled = False
        self._resent_base = None
        self._patience = self._wait
