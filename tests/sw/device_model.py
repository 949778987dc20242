"""A model of the device's end of the link, and a transport to it that loses and damages frames.

It follows ``spec.link`` and nothing else: ``execute`` does what a command says.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from stablespike.link.frames import Frame, decode_frame, encode_frame
from stablespike.link.transports.transport import Transport
from stablespike.spec.array import ArrayConfig
from stablespike.spec.link import BODY_BYTES, FAULT, KIND_MASK, RESEND, Kind, pack_info

Execute = Callable[[bytes], bytes | None]


class DeviceModel:
    """The device's end of the link.

    Parameters
    ----------
    config : ArrayConfig
        The array that it says it has.
    execute : callable
        Executes a command (a DATA body), and returns the bytes of reports that it causes, or None
        to refuse it.
    reset : callable
        Called by a hello that starts a session.
    build_id : bytes
        The ID that it reports.
    clock_hz : int
        The clock that it reports.
    """

    def __init__(
        self,
        config: ArrayConfig,
        execute: Execute,
        reset: Callable[[], None] = lambda: None,
        build_id: bytes = bytes(range(16)),
        clock_hz: int = 24_000_000,
    ) -> None:
        self.config, self.execute, self.on_reset = config, execute, reset
        self.info = pack_info(config, build_id, clock_hz)
        self.nonce: bytes | None = None
        self.out: deque[bytes] = deque()
        self.executed_commands: list[bytes] = []
        self.hellos = 0
        self.body_limit = BODY_BYTES
        self.halted = False
        self._raw = bytearray()
        self._restart()

    def _restart(self) -> None:
        self.accepted = self.executed = self.told = 0
        self.queue: deque[bytes] = deque()
        self.stream = bytearray()
        self.kept: deque[bytes] = deque()
        self.base = 0
        self.fault = 0

    def receive(self, data: bytes) -> None:
        self._raw += data
        *pieces, self._raw = self._raw.split(b"\0")
        for piece in filter(None, pieces):
            frame = decode_frame(bytes(piece))
            if frame is not None:
                self._frame(frame)

    def _frame(self, frame: Frame) -> None:
        kind = frame.kind & KIND_MASK
        if kind == Kind.HELLO:
            if frame.body != self.nonce:
                self.nonce = frame.body
                self.hellos += 1
                self._restart()
                self.on_reset()
            self.out.append(
                encode_frame(Frame(Kind.INFO, self.nonce[0], 0, 0, self.nonce + self.info))
            )
            return
        if self.nonce is None or frame.session != self.nonce[0]:
            return
        taken = (frame.ack - self.base) & 0xFF
        if 0 < taken <= len(self.kept):
            for _ in range(taken):
                self.kept.popleft()
            self.base += taken
        if kind == Kind.ACK:
            if frame.kind & RESEND:
                for offset, body in enumerate(self.kept):
                    self._send(Kind.DATA, self.base + offset, body)
                self._send(Kind.ACK)
            return
        ahead = (frame.seq - self.accepted) & 0xFF
        used = sum(len(body) + 1 for body in self.queue)
        if ahead == 0 and used + len(frame.body) + 1 <= self.config.receive_bytes:
            self.accepted += 1
            self.queue.append(frame.body)
        elif 0 < ahead < 128:
            self._send(Kind.ACK | RESEND)

    def _send(self, kind: int, seq: int = 0, body: bytes = b"") -> None:
        assert self.nonce is not None
        self.told = self.executed
        self.out.append(
            encode_frame(
                Frame(kind | self.fault, self.nonce[0], seq & 0xFF, self.executed & 0xFF, body)
            )
        )

    def work(self, commands: int = 1) -> None:
        """Execute up to that many commands, while there is room for their reports."""
        for _ in range(commands):
            held = len(self.stream) + sum(len(body) + 1 for body in self.kept)
            if self.halted or not self.queue or held >= self.config.result_bytes:
                break
            command = self.queue.popleft()
            self.executed_commands.append(command)
            reports = self.execute(command)
            self.executed += 1
            if reports is None:
                self.fault = FAULT
            else:
                self.stream += reports
        while self.stream and len(self.kept) < 128:
            body = bytes(self.stream[: self.body_limit])
            del self.stream[: len(body)]
            self.kept.append(body)
            self._send(Kind.DATA, self.base + len(self.kept) - 1, body)
        if self.told != self.executed:
            self._send(Kind.ACK)


@dataclass
class Faults:
    """What happens to frames on their way: the chance of each fault for a frame.

    Attributes
    ----------
    happened : Counter of str
        How often each fault happened. ``reordered`` counts the frames that others overtook.
    """

    lost: float = 0.0
    damaged: float = 0.0
    doubled: float = 0.0
    reordered: float = 0.0
    noise: float = 0.0
    seed: int = 0
    random: random.Random = field(init=False)
    happened: Counter[str] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._held: list[bytes] = []  # at most one frame, which waits until others overtook it
        self._ahead = self._distance = 0

    def carry(self, frames: list[bytes]) -> list[bytes]:
        """The frames that arrive when these are sent; without any, those still on their way."""
        out = []
        for frame in frames:
            if self._happens("lost"):
                continue
            if self._happens("damaged"):
                frame = self._damage(frame)
            if self._happens("doubled"):
                out.append(frame)
            if not self._held and self.random.random() < self.reordered:
                self._held, self._ahead, self._distance = [frame], 0, self.random.randrange(1, 8)
                continue
            out.append(frame)
            if self._happens("noise"):
                out.append(self.random.randbytes(self.random.randrange(1, 40)))
            if self._held:
                self._ahead += 1
                self.happened["reordered"] += self._ahead == 1
                if self._ahead == self._distance:
                    out += self._arrived()
        return out if frames else self._arrived()

    def _arrived(self) -> list[bytes]:
        held, self._held = self._held, []
        return held

    def _happens(self, kind: str) -> bool:
        happens: bool = self.random.random() < getattr(self, kind)
        self.happened[kind] += happens
        return happens

    def _damage(self, frame: bytes) -> bytes:
        how, at = self.random.randrange(3), self.random.randrange(len(frame))
        head, byte, tail = frame[:at], frame[at : at + 1], frame[at + 1 :]
        if how == 0:
            return head + bytes((byte[0] ^ 1 << self.random.randrange(8),)) + tail
        return head + tail if how == 1 else head + byte + byte + tail


class ModelTransport(Transport):
    """A transport to a ``DeviceModel`` with a clock of its own: only reads without data take time.

    Attributes
    ----------
    now : float
        The time in seconds; ``clock`` returns it to the session.
    dead : bool
        Bytes get lost in both directions.
    """

    name = "model:"
    timeout = 5.0
    poll = 0.25

    def __init__(
        self, device: DeviceModel, to: Faults | None = None, back: Faults | None = None,
        commands: int = 4, piece: int = 10_000,
    ) -> None:
        self.device, self.to, self.back = device, to or Faults(), back or Faults()
        self.commands, self.piece = commands, piece
        self.now, self.dead, self.closed = 0.0, False, False
        self.reads = 0
        self.on_read: Callable[[], None] = lambda: None
        self._raw = bytearray()
        self._ready = bytearray()

    def clock(self) -> float:
        return self.now

    def write(self, data: bytes) -> None:
        assert not self.closed
        if self.dead:
            return
        *frames, rest = (self._raw + data).split(b"\0")
        self._raw = bytearray(rest)
        for frame in self.to.carry([bytes(frame) + b"\0" for frame in frames]):
            self.device.receive(frame)

    def read(self, timeout: float) -> bytes:
        assert not self.closed
        self.reads += 1
        self.on_read()
        if timeout > 0 and not self.dead:
            self.device.work(self.commands)
        if not self.dead and (self.device.out or timeout > 0):
            self._ready += b"".join(self.back.carry(list(self.device.out)))
        self.device.out.clear()
        data = bytes(self._ready[: self.piece])
        del self._ready[: self.piece]
        if not data:
            self.now += timeout
            if timeout > 0 and not self.dead:
                for frame in self.to.carry([]):
                    self.device.receive(frame)
        return data

    def close(self) -> None:
        self.closed = True
