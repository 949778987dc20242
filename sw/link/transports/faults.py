"""A bad wire around any transport: bits flip, bytes and frames are lost, doubled and late.

It is for tests of what is above it, and of programs that use a device: ``faults=`` in a device's
address puts it around the device's own transport.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import Any

from ...spec.link import FRAME_BYTES
from ...support.errors import LinkError
from .transport import Transport

__all__ = ["FAULT_KINDS", "Faults", "FaultyTransport"]

FAULT_KINDS = {
    "flip": "one bit of the byte flips",
    "lost-byte": "the byte is lost",
    "double-byte": "the byte comes twice",
    "swapped-byte": "the byte comes after the one behind it",
    "garbage": "1 to 40 random bytes come before the byte",
    "lost-frame": "its frame is lost",
    "double-frame": "its frame comes twice",
    "late-frame": "1 to 8 frames overtake its frame",
    "stall": "the byte and all behind it wait, until up to 2,000 do or nothing more comes",
    "disconnect": "the transport breaks, and must be opened again",
}
"""What may happen to a byte or to its frame. The session above repairs all but the last one, which
is therefore no part of ``faults=RATE``."""

_UNREPAIRED = ("disconnect",)
_GARBAGE_MOST, _OVERTAKING_MOST, _STALL_MOST = 40, 8, 2000
_WITHOUT_ZERO = 2 * FRAME_BYTES  # bytes that are no frame, and pass as they are


class Faults:
    """The faults of one device, in both directions, over all of its transports.

    Each byte is hit with the same probability. What happens then is drawn from ``kinds``, all of
    them equally likely. The same seed and the same bytes give the same faults.

    Parameters
    ----------
    rate : float
        The probability that a byte is hit, above 0 and below 1.
    kinds : tuple of str
        Names of ``FAULT_KINDS``. By default all that the session repairs.
    seed : int
        Seed of the draws.

    Attributes
    ----------
    happened : Counter of str
        How often each kind happened.

    Raises
    ------
    ValueError
        If the rate is out of range, or a kind is unknown or named twice.
    """

    def __init__(self, rate: float, kinds: tuple[str, ...] = (), seed: int = 0) -> None:
        if not 0 < rate < 1:
            raise ValueError(f"the rate of faults must be above 0 and below 1, not {rate!r}")
        unknown = [kind for kind in kinds if kind not in FAULT_KINDS]
        if unknown or len(set(kinds)) != len(kinds):
            raise ValueError(
                f"kinds of faults must be some of {', '.join(FAULT_KINDS)}, each once, not "
                f"{', '.join(kinds)!r}"
            )
        self.rate, self.seed = rate, seed
        self.kinds = kinds or tuple(kind for kind in FAULT_KINDS if kind not in _UNREPAIRED)
        self.random = random.Random(seed)
        self.happened: Counter[str] = Counter()

    @classmethod
    def parse(cls, text: str, seed: str | None = None) -> Faults:
        """The faults of an address.

        Parameters
        ----------
        text : str
            ``RATE``, or ``kind,kind:RATE``.
        seed : str or None
            A whole number; None for 0.

        Raises
        ------
        ValueError
            If it is something else.
        """
        names, colon, number = text.rpartition(":")
        kinds = tuple(names.split(",")) if colon else ()
        try:
            rate = float(number)
        except ValueError:
            rate = math.nan
        if not 0 < rate < 1 or not all(kind in FAULT_KINDS for kind in kinds):
            raise ValueError(
                "faults must be the probability that a byte is hit, above 0 and below 1, as in "
                f"faults=1e-3, or faults=flip,lost-frame:1e-3 with some of {', '.join(FAULT_KINDS)}"
                f"; not {text!r}"
            )
        if seed is not None and not (seed.isascii() and seed.isdecimal()):
            raise ValueError(f"seed must be a whole number, as in seed=7, not {seed!r}")
        return cls(rate, kinds, int(seed or 0))

    def gap(self) -> int:
        """How many bytes are not hit before the next one that is."""
        return int(math.log1p(-self.random.random()) / math.log1p(-self.rate))

    def draw(self) -> str:
        """What happens to a byte that is hit."""
        kind = self.random.choice(self.kinds)
        self.happened[kind] += 1
        return kind


class _Way:
    """One direction of a bad wire."""

    def __init__(self, faults: Faults) -> None:
        self._faults, self._random = faults, faults.random
        self._gap = faults.gap()
        self._part = bytearray()  # of a frame, whose end has not come
        self._late: list[tuple[int, bytes]] = []  # how many frames overtake it, and a frame
        self._stalled: bytearray | None = None
        self._stall = 0  # bytes that wait, at most
        self._out = bytearray()
        self.cut = False

    def carry(self, data: bytes) -> bytes:
        """What arrives now when this is sent."""
        self._part += data
        end = len(self._part) if len(self._part) > _WITHOUT_ZERO else self._part.rfind(b"\0") + 1
        whole = bytes(self._part[:end])
        del self._part[:end]
        if self._gap >= len(whole) and not self._late and self._stalled is None:
            self._gap -= len(whole)
            return whole
        *frames, rest = whole.split(b"\0")
        for frame in frames:
            self._frame(frame + b"\0")
        if rest:
            self._frame(rest)
        return self._taken()

    def settle(self) -> bytes:
        """What arrives when nothing more is sent: all that waited."""
        self._go_on()
        late, self._late = self._late, []
        self._out += b"".join(frame for _, frame in late) + self._part
        self._part.clear()
        return self._taken()

    def _taken(self) -> bytes:
        out, self._out = bytes(self._out), bytearray()
        return out

    def _frame(self, frame: bytes) -> None:
        hits = []
        while self._gap < len(frame):
            hits.append((self._gap, self._faults.draw()))
            self._gap += 1 + self._faults.gap()
        self._gap -= len(frame)
        kinds = {kind for _, kind in hits}
        stall = next((at for at, kind in hits if kind == "stall"), None)
        self.cut = self.cut or "disconnect" in kinds
        # From the last hit to the first, since they change what is behind them.
        for at, kind in reversed(hits):
            frame = self._damaged(frame, at, kind)
        if "lost-frame" in kinds:
            return
        if "late-frame" in kinds:
            self._late.append((self._random.randint(1, _OVERTAKING_MOST), frame))
            return
        for _ in range(1 + ("double-frame" in kinds)):
            self._pass(frame, stall)
        overtaken, self._late = self._late, []
        for left, late in overtaken:
            if left > 1:
                self._late.append((left - 1, late))
            else:
                self._pass(late)

    def _damaged(self, frame: bytes, at: int, kind: str) -> bytes:
        head, byte, tail = frame[:at], frame[at : at + 1], frame[at + 1 :]
        if kind == "flip":
            return head + bytes((byte[0] ^ 1 << self._random.randrange(8),)) + tail
        if kind == "lost-byte":
            return head + tail
        if kind == "double-byte":
            return head + byte + byte + tail
        if kind == "swapped-byte":
            return head + tail[:1] + byte + tail[1:]
        if kind == "garbage":
            noise = self._random.randbytes(self._random.randint(1, _GARBAGE_MOST))
            return head + noise + byte + tail
        return frame

    def _pass(self, frame: bytes, stall: int | None = None) -> None:
        if self._stalled is None and stall is not None:
            self._out += frame[:stall]
            frame = frame[stall:]
            self._stalled, self._stall = bytearray(), self._random.randint(1, _STALL_MOST)
        if self._stalled is None:
            self._out += frame
            return
        self._stalled += frame
        if len(self._stalled) >= self._stall:
            self._go_on()

    def _go_on(self) -> None:
        if self._stalled is not None:
            self._out += self._stalled
            self._stalled = None


class FaultyTransport(Transport):
    """A bad wire around another transport. What it does not have itself is that transport's.

    Time never decides what happens, so a run with a seed can be repeated, as far as its bytes come
    in the same order.

    Parameters
    ----------
    inner : Transport
        The transport that carries what arrives.
    faults : Faults
        What happens on the way; a new transport in place of a broken one continues with them.
    """

    def __init__(self, inner: Transport, faults: Faults) -> None:
        self._inner, self.faults = inner, faults
        self.name, self.timeout, self.foreign = inner.name, inner.timeout, inner.foreign
        self.poll, self.poll_most, self.ahead = inner.poll, inner.poll_most, inner.ahead
        self.own_baud, self.clocked = inner.own_baud, inner.clocked
        self._to, self._back = _Way(faults), _Way(faults)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)  # the cycles of a simulation, for one

    def write(self, data: bytes) -> None:
        self._check()
        self._give(self._to.carry(data))
        self._check()

    def read(self, timeout: float) -> bytes:
        self._check()
        try:
            came = self._inner.read(timeout)
        finally:
            self.broken = self._inner.broken
        if came:
            came = self._back.carry(came)
        elif timeout > 0:
            self._give(self._to.settle())
            came = self._back.settle()
        self._check()
        return came

    def reset(self) -> None:
        """Return the transport to the state after opening; what was on its way is lost."""
        self._check()
        self._to, self._back = _Way(self.faults), _Way(self.faults)
        self._inner.reset()

    def set_baud(self, baud: int) -> None:
        self._inner.set_baud(baud)

    def close(self) -> None:
        self._inner.close()

    def _give(self, arrived: bytes) -> None:
        try:
            if arrived:
                self._inner.write(arrived)
        finally:
            self.broken = self._inner.broken

    def _check(self) -> None:
        if self._to.cut or self._back.cut:
            self.broken = True
            raise LinkError(f"{self.name} broke: faults= disconnected it; try again")
