"""Frames, and a model of the host, for benches of the link.

It shares nothing with the driver or the gateware except ``spec.link``, so that one mistake cannot
be in both.
"""

from __future__ import annotations

import random
import zlib
from collections import deque
from dataclasses import dataclass

import numpy as np
from cobs import cobs
from stablespike.spec.array import ArrayConfig
from stablespike.spec.encoding import Encoding, encode_rows, encodings
from stablespike.spec.link import (
    BODY_BYTES,
    CRC_BYTES,
    FAULT,
    KIND_MASK,
    RESEND,
    WINDOW_HEAD,
    Command,
    Kind,
)

__all__ = [
    "Damage", "Frame", "HostModel", "cut_stream", "encode_window", "frame", "input_command",
    "read_frame", "register_command", "window_head", "write_command",
]


@dataclass(frozen=True)
class Frame:
    """A decoded frame.

    Attributes
    ----------
    kind : int
        Kind, with its flags.
    session : int
        Session.
    seq : int
        Number of the frame.
    ack : int
        Number up to which the sender has received frames.
    body : bytes
        Body.
    """

    kind: int
    session: int
    seq: int
    ack: int
    body: bytes


def frame(kind: int, session: int = 0, seq: int = 0, ack: int = 0, body: bytes = b"") -> bytes:
    """A frame as it appears on the wire, with the zero that ends it."""
    raw = bytes((kind, session & 0xFF, seq & 0xFF, ack & 0xFF)) + body
    return cobs.encode(raw + zlib.crc32(raw).to_bytes(CRC_BYTES, "little")) + b"\0"


def read_frame(wire: bytes) -> Frame | None:
    """The frame in the bytes before a zero; None if it is damaged."""
    try:
        raw = cobs.decode(wire)
    except cobs.DecodeError:
        return None
    if len(raw) < 4 + CRC_BYTES:
        return None
    head, crc = raw[:-CRC_BYTES], raw[-CRC_BYTES:]
    if zlib.crc32(head).to_bytes(CRC_BYTES, "little") != crc:
        return None
    return Frame(head[0], head[1], head[2], head[3], head[4:])


def write_command(core: int, space: int, row: int, words: list[int]) -> bytes:
    """A WRITE command for the words of a row."""
    data = b"".join(word.to_bytes(2, "little") for word in words)
    return bytes((Command.WRITE, core, space)) + row.to_bytes(3, "little") + data


def register_command(register: int, value: int) -> bytes:
    """A REGISTER command."""
    return bytes((Command.REGISTER, register)) + value.to_bytes(2, "little")


def window_head(
    steps: int, first: int = 0, last: int = 0, encoding: Encoding = Encoding.BITMAP
) -> bytes:
    """The head byte of a window."""
    fields = {"steps": steps - 1, "first": first, "last": last, **encoding.head}
    return bytes((WINDOW_HEAD.pack(fields),))


def input_command(data: bytes) -> bytes:
    """An INPUT command."""
    return bytes((Command.INPUT,)) + data


def encode_window(
    words: list[int], config: ArrayConfig, steps: int, first: int, last: int, rng: random.Random,
    half: bool = False,
) -> bytes:
    """A window as it appears in the stream, in a random encoding."""
    encoding = rng.choice(encodings(config))
    rows = encode_rows(np.array(words), encoding, config, half)
    return window_head(steps, first, last, encoding) + rows


def cut_stream(
    stream: bytes, rng: random.Random, longest: int = BODY_BYTES - 1
) -> list[bytes]:
    """INPUT commands of random lengths for the bytes of a stream."""
    out = []
    while stream:
        cut = rng.choice([1, rng.randrange(1, longest + 1), longest])
        out.append(input_command(stream[:cut]))
        stream = stream[cut:]
    return out


@dataclass
class Damage:
    """Probabilities of the faults that may happen to a frame on its way.

    Attributes
    ----------
    lost : float
        The frame does not arrive.
    damaged : float
        A bit is flipped, or a byte is lost or doubled.
    doubled : float
        The frame arrives twice.
    swapped : float
        The frame arrives after the next one.
    noise : float
        Random bytes follow.
    """

    lost: float = 0.0
    damaged: float = 0.0
    doubled: float = 0.0
    swapped: float = 0.0
    noise: float = 0.0

    def carry(self, wire: bytes, rng: random.Random, late: list[bytes]) -> list[bytes]:
        """The bytes that arrive for a frame; ``late`` keeps frames that arrive after the next
        one."""
        out = [] if rng.random() < self.lost else [wire]
        if out and rng.random() < self.damaged:
            at = rng.randrange(len(wire))
            out = [rng.choice([
                wire[:at] + bytes((wire[at] ^ 1 << rng.randrange(8),)) + wire[at + 1 :],
                wire[:at] + wire[at + 1 :],
                wire[:at] + wire[at : at + 1] + wire[at:],
            ])]
        if rng.random() < self.doubled:
            out = out * 2
        if rng.random() < self.noise:
            out.append(rng.randbytes(rng.randrange(1, 12)))
        out += late
        late.clear()
        if out and rng.random() < self.swapped:
            late.append(out.pop(0))
        return out


class HostModel:
    """Sends commands and receives reports according to ``spec.link``.

    Attributes
    ----------
    commands : deque of bytes
        Commands to send; append to it.
    reports : bytearray
        Report bytes received.
    frames : list of Frame
        Frames received.
    info : bytes or None
        Body of the INFO frame; None until it arrives.
    acked : int
        Number of commands that the device has acknowledged.
    faults : int
        Number of frames with ``FAULT``.
    broken : int
        Number of damaged frames.
    resent : int
        Number of commands sent again.
    """

    TIMEOUT = 3000
    """Cycles without an acknowledgement after which commands are sent again."""

    def __init__(self, config: ArrayConfig, nonce: bytes, rng: random.Random) -> None:
        self.config, self.nonce, self.rng = config, nonce, rng
        self.session = nonce[0]  # see HELLO in spec.link
        self.commands: deque[bytes] = deque()
        self.reports = bytearray()
        self.frames: list[Frame] = []
        self.info: bytes | None = None
        self.acked = self.faults = self.broken = self.resent = 0
        self._sent: deque[bytes] = deque()
        self._taken = self._told = 0
        self._raw = bytearray()
        self._last = -self.TIMEOUT
        self._ask = self._answer = False

    @property
    def done(self) -> bool:
        """Whether the session is open and the device has executed all commands."""
        return self.info is not None and not self.commands and not self._sent

    def hello(self) -> bytes:
        """The frame that opens a session."""
        return frame(Kind.HELLO, self.session, 0, 0, self.nonce)

    def receive(self, data: bytes, now: int) -> None:
        """Take bytes from the device, in the cycle ``now``."""
        self._raw += data
        while 0 in self._raw:
            at = self._raw.index(0)
            got = read_frame(bytes(self._raw[:at])) if at else None
            self.broken += at > 0 and got is None
            del self._raw[: at + 1]
            if got is not None:
                self._frame(got, now)

    def _frame(self, got: Frame, now: int) -> None:
        self.frames.append(got)
        kind = got.kind & KIND_MASK
        if kind == Kind.INFO and got.body[:4] == self.nonce:
            self.info = got.body[4:]
        if kind not in (Kind.DATA, Kind.ACK) or got.session != self.session:
            return
        self.faults += bool(got.kind & FAULT)
        newly = (got.ack - self.acked) & 0xFF
        if 0 < newly <= len(self._sent):
            for _ in range(newly):
                self._sent.popleft()
            self.acked += newly
            self._last = now
        if kind == Kind.DATA:
            ahead = (got.seq - self._taken) & 0xFF
            # Half of the numbers are ahead: those frames were lost. The others came before.
            if ahead == 0:
                self.reports += got.body
                self._taken += 1
            elif ahead < 128:
                self._ask = True
            self._answer = True
        elif got.kind & RESEND:
            self._again()

    def _again(self) -> None:
        self.resent += len(self._sent)
        self.commands.extendleft(reversed(self._sent))
        self._sent.clear()

    def transmit(self, now: int) -> list[bytes]:
        """Frames to send in the cycle ``now``."""
        if self.info is None:
            if now - self._last < self.TIMEOUT:
                return []
            self._last = now
            return [self.hello()]
        out = []
        if now - self._last >= self.TIMEOUT:
            self._last, self._ask = now, True
            self._again()
        # At most half of the numbers may be on their way, and the device has to buffer them all.
        while self.commands and len(self._sent) < 127:
            used = sum(len(body) + 1 for body in self._sent)
            if used + len(self.commands[0]) + 1 > self.config.receive_bytes:
                break
            self._sent.append(self.commands.popleft())
            seq = self.acked + len(self._sent) - 1
            out.append(frame(Kind.DATA, self.session, seq, self._taken, self._sent[-1]))
        if self._ask or self._answer:
            kind = Kind.ACK | (RESEND if self._ask else 0)
            out.append(frame(kind, self.session, 0, self._taken))
            self._ask = self._answer = False
        return out
