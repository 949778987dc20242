"""Every state that a session and a device can reach over a wire that loses, doubles and reorders.

Both ends are the real ones: ``Session``, with a clock that only silence moves, and ``DeviceModel``.
A network's state is the set of frames that were ever sent: each of them may be delivered now, again
later, or never. That is every loss, every duplicate and every order. A set that grows only makes
more possible, so of two states with the same ends the one with fewer frames need not be followed.

What one end does depends on itself and on the frame that comes, so each end is a table of moves,
filled by calling it once for each pair. The search itself runs over numbers of states and bits of
frames.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from device_model import DeviceModel
from stablespike.link.frames import Frame, decode_frame, encode_frame
from stablespike.link.session import DeviceInfo, Session
from stablespike.link.transports.transport import Transport
from stablespike.spec.array import ArrayConfig, preset
from stablespike.spec.link import CRC_BYTES, Kind

POLL = 1.0
_FAULTLESS_MOST = 400  # exchanges in which a faultless wire must finish everything
_DAMAGED = b"\x05ab\0"


class ProtocolError(AssertionError):
    """The protocol broke a promise. The message has the way there."""


class _Commands(Iterator[bytes]):
    """Commands 0, 1, 2, ... of one byte each."""

    def __init__(self, at: int, count: int) -> None:
        self.at, self.count = at, count

    def __next__(self) -> bytes:
        if self.at == self.count:
            raise StopIteration
        self.at += 1
        return bytes((self.at - 1,))


class _Scripted(Transport):
    """Returns what a move scripted, and collects what is written."""

    name = "states:"
    timeout, poll = 1e9, POLL

    def __init__(self) -> None:
        self.now, self.reads, self.out = 0.0, deque[bytes](), b""

    def clock(self) -> float:
        return self.now

    def write(self, data: bytes) -> None:
        self.out += data

    def read(self, timeout: float) -> bytes:
        data = self.reads.popleft() if self.reads else b""
        if not data:
            self.now += timeout
        return data

    def close(self) -> None:
        pass


@dataclass
class Setting:
    """What is searched.

    Attributes
    ----------
    to, back : int
        Frames that fit in the windows to the device and back.
    commands : int
        Commands of a byte; each of them causes one report of a byte.
    first : int
        The number of the first frame in both directions: 254 lets the numbers wrap.
    session, device : type
        The ends.
    """

    to: int
    back: int
    commands: int
    first: int = 0
    session: type[Session] = Session
    device: type[DeviceModel] = DeviceModel

    def array(self) -> ArrayConfig:
        """An array with room for that many frames. Each body counts one byte more than it has."""
        config = copy.copy(preset("hx8k"))
        object.__setattr__(config, "receive_bytes", 2 * self.to)
        object.__setattr__(config, "result_bytes", 2 * self.back)
        return config


@dataclass
class Found:
    """What a search found.

    Attributes
    ----------
    states : int
        States of both ends together.
    followed : int
        States with the frames under way, that were followed.
    moves : int
        Moves that were made from them.
    finished : int
        States of both ends in which everything was done.
    """

    states: int = 0
    followed: int = 0
    moves: int = 0
    finished: int = 0


@dataclass
class _End:
    """One end: its states by numbers, and its moves."""

    states: list[Any] = field(default_factory=list)
    numbers: dict[Any, int] = field(default_factory=dict)
    moves: dict[tuple[int, Any], tuple[int, tuple[bytes, ...]]] = field(default_factory=dict)

    def number(self, key: Any, state: Any) -> int:
        if key not in self.numbers:
            self.numbers[key] = len(self.states)
            self.states.append(state)
        return self.numbers[key]


def _frames(out: bytes) -> tuple[bytes, ...]:
    return tuple(piece + b"\0" for piece in out.split(b"\0") if piece)


class _Host(_End):
    """The driver. A state also has the commands that it took and the reports that it gave."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.setting, self.wire = setting, _Scripted()
        session = setting.session(self.wire, clock=self.wire.clock)
        self.nonce = bytes((7, 1, 2, 3))
        session._nonce, session.number = self.nonce, 7
        session.info = DeviceInfo(setting.array(), bytes(16), 0)
        session._base = session._expected = session._acked = setting.first
        self.session = session
        self.start = self._number(0, b"")

    def _number(self, taken: int, got: bytes) -> int:
        session = self.session
        # What only counts, or measures time for its own sake.
        session.sent = session.received = session.damaged = session.resent = 0
        session._stalled = session._answer_time = self.wire.now = 0.0
        session._asked = []
        session._silent = min(session._silent, POLL)
        session._unpolled = min(session._unpolled, POLL)
        values = {
            name: copy.copy(value) for name, value in vars(session).items()
            if name not in ("_transport", "_clock", "info")
        }
        assert (values["_wait"], values["_patience"]) == (POLL, POLL)
        key = (taken, got, *(
            (name, bytes(v) if isinstance(v, bytearray) else tuple(v) if isinstance(
                v, (deque, list)) else v)
            for name, v in sorted(values.items())
        ))
        return self.number(key, (values, taken, got))

    def move(self, state: int, frame: bytes | None, late: bool) -> tuple[int, tuple[bytes, ...]]:
        """One step in which a frame comes, at once or only after a wait; or nothing comes."""
        key = (state, (frame, late))
        if key not in self.moves:
            values, taken, got = self.states[state]
            vars(self.session).update({name: copy.copy(v) for name, v in values.items()})
            self.wire.out = b""
            self.wire.reads = deque([b""] * late + [frame] * (frame is not None))
            source = _Commands(taken, self.setting.commands)
            got += self.session.step(source, "a report")
            if got != bytes(range(len(got))):
                raise ProtocolError(f"the caller got the reports {list(got)}")
            self.moves[key] = self._number(source.at, got), _frames(self.wire.out)
        return self.moves[key]

    def done(self, state: int) -> bool:
        values, taken, got = self.states[state]
        count = self.setting.commands
        idle = not values["_unacked"] and values["_pending"] is None
        return bool(idle and taken == count and len(got) == count)


_DEVICE = ("nonce", "accepted", "executed", "told", "queue", "stream", "kept", "base", "fault",
           "executed_commands", "hellos")


class _Device(_End):
    """The device's end."""

    def __init__(self, setting: Setting, nonce: bytes) -> None:
        super().__init__()
        self.setting, array = setting, setting.array()
        self.model = model = setting.device(preset("hx8k"), lambda command: command)
        model.config, model.body_limit = array, 1
        model.receive(encode_frame(Frame(Kind.HELLO, nonce[0], 0, 0, nonce)))
        model.accepted = model.executed = model.told = model.base = setting.first
        self.info = model.out.popleft()
        self.start = self._number()

    def _number(self) -> int:
        values = {name: copy.copy(getattr(self.model, name)) for name in _DEVICE}
        key = tuple(
            bytes(v) if isinstance(v, bytearray) else tuple(v) if isinstance(v, (deque, list))
            else v for v in values.values()
        )
        return self.number(key, values)

    def move(self, state: int, frame: bytes | None) -> tuple[int, tuple[bytes, ...]]:
        """A frame comes; or, without one, a command is executed."""
        key = (state, frame)
        if key not in self.moves:
            model = self.model
            vars(model).update({n: copy.copy(v) for n, v in self.states[state].items()})
            model.out.clear()
            model.receive(frame) if frame is not None else model.work(1)
            done = model.executed_commands
            if done != [bytes((i,)) for i in range(len(done))]:
                raise ProtocolError(f"the device executed the commands {[int(c[0]) for c in done]}")
            if model.hellos != 1:
                raise ProtocolError("the device started again inside a session")
            self.moves[key] = self._number(), tuple(model.out)
        return self.moves[key]


def named(frame: bytes) -> str:
    """A frame in words."""
    read = decode_frame(frame[:-1])
    if read is None:
        return f"{len(frame) - CRC_BYTES} damaged bytes"
    flags = {0x40: " RESEND", 0x80: " FAULT"}
    marks = "".join(name for bit, name in flags.items() if read.kind & bit)
    return f"{Kind(read.kind & 0xF).name}{marks} seq {read.seq} ack {read.ack}"


@dataclass
class Search:
    """A search through the states of one setting.

    ``run`` raises ``ProtocolError``, with the way there, if a report or a command is lost, doubled
    or out of order, or if from any reachable state a wire without further faults does not finish
    all.
    """

    setting: Setting

    def __post_init__(self) -> None:
        self.host = _Host(self.setting)
        self.device = _Device(self.setting, self.host.nonce)
        self.bits: dict[bytes, int] = {}
        self.names: list[bytes] = []
        self.proved: set[tuple[int, int]] = set()
        self.came: dict[tuple[int, int, int, int], tuple[Any, str]] = {}

    def _mask(self, frames: tuple[bytes, ...]) -> int:
        mask = 0
        for frame in frames:
            if frame not in self.bits:
                self.bits[frame] = len(self.names)
                self.names.append(frame)
            mask |= 1 << self.bits[frame]
        return mask

    def _each(self, mask: int) -> Iterator[bytes]:
        while mask:
            low = mask & -mask
            yield self.names[low.bit_length() - 1]
            mask ^= low

    def run(self) -> Found:
        """Follow everything from the start."""
        hello = encode_frame(Frame(Kind.HELLO, self.host.nonce[0], 0, 0, self.host.nonce))
        # What opened the session may come again at any time.
        start = (self.host.start, self.device.start, self._mask((hello,)),
                 self._mask((self.device.info, _DAMAGED)))
        widest: dict[tuple[int, int], list[tuple[int, int]]] = {}
        waiting, found = [start], Found()
        self.came[start] = (None, "")
        finished: set[tuple[int, int]] = set()
        self._widened(widest, start)
        while waiting:
            state = waiting.pop()
            host, device, to, back = state
            if (to, back) not in widest[host, device]:
                continue  # one with more frames came in the meantime
            found.followed += 1
            try:
                self._prove(host, device, (), ())
                for text, following, sent_to, sent_back in self._moves(state):
                    found.moves += 1
                    if self._widened(widest, following):
                        self.came[following] = (state, text)
                        waiting.append(following)
                        self._prove(following[0], following[1], sent_to, sent_back)
            except ProtocolError as error:
                raise ProtocolError(f"{error}, after:\n{self._way(state)}") from None
            if self.host.done(host):
                finished.add((host, device))
        found.states, found.finished = len(widest), len(finished)
        return found

    def _moves(self, state: tuple[int, int, int, int]) -> Iterator[tuple[Any, ...]]:
        host, device, to, back = state
        arrivals: list[tuple[bytes | None, bool]] = [(None, False)]
        arrivals += [(frame, late) for frame in self._each(back) for late in (False, True)]
        for frame, late in arrivals:
            after, sent = self.host.move(host, frame, late)
            yield (("to host", frame, late), (after, device, to | self._mask(sent), back), sent, ())
        for frame in [None, *self._each(to)]:
            after, sent = self.device.move(device, frame)
            yield (("to device", frame), (host, after, to, back | self._mask(sent)), (), sent)

    @staticmethod
    def _widened(
        widest: dict[tuple[int, int], list[tuple[int, int]]], state: tuple[int, int, int, int]
    ) -> bool:
        host, device, to, back = state
        known = widest.setdefault((host, device), [])
        if any(to | t == t and back | b == b for t, b in known):
            return False
        known[:] = [(t, b) for t, b in known if not (t | to == to and b | back == back)]
        known.append((to, back))
        return True

    def _prove(
        self, host: int, device: int, to: tuple[bytes, ...], back: tuple[bytes, ...]
    ) -> None:
        """Check that all is done after a while without faults, with these frames under way."""
        there, here = deque(to), deque(back)
        passed = []
        for _ in range(_FAULTLESS_MOST):
            if not there and not here:
                if (host, device) in self.proved or self.host.done(host):
                    self.proved.update(passed)
                    return
                passed.append((host, device))
            while there:
                device, sent = self.device.move(device, there.popleft())
                here.extend(sent)
            device, sent = self.device.move(device, None)
            here.extend(sent)
            host, sent = self.host.move(host, here.popleft() if here else None, False)
            there.extend(sent)
        raise ProtocolError(f"without faults, not all is done after {_FAULTLESS_MOST} steps")

    def _way(self, state: Any) -> str:
        steps = []
        while state is not None:
            state, text = self.came[state]
            if text:
                where, frame, *late = text
                what = ("nothing comes" if where == "to host" else "a command is executed")
                what = what if frame is None else named(frame)
                steps.append(f"{where}: {what}" + (" after a wait" if any(late) else ""))
        return "\n".join(reversed(steps))
