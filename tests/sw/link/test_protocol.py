"""The protocol of ``docs/links/protocol.md``, in every state that small windows can reach."""

from __future__ import annotations

import pytest
from device_model import DeviceModel
from protocol_states import ProtocolError, Search, Setting
from stablespike.link.frames import Frame
from stablespike.link.session import Session
from stablespike.spec.link import RESEND, Kind


@pytest.mark.parametrize(
    ("to", "back", "commands", "first", "states"),
    [(1, 1, 3, 0, 300), (2, 2, 3, 254, 800), (3, 1, 3, 0, 400), (3, 3, 3, 0, 1000)],
)
def test_nothing_is_lost_doubled_reordered_or_stuck(
    to: int, back: int, commands: int, first: int, states: int
) -> None:
    found = Search(Setting(to, back, commands, first)).run()
    assert found.states > states
    assert found.finished >= 40


class Skips(Session):
    """Takes a report that is ahead for the next one."""

    def _take(self, frame: Frame) -> bytes:
        ahead = (frame.seq - self._expected) & 0xFF
        if frame.kind == Kind.DATA and ahead < 128:
            frame = frame._replace(seq=self._expected & 0xFF)
        return super()._take(frame)


class Silent(Session):
    """Never asks what was lost."""

    def _ask_resend(self) -> None:
        self._unpolled = 0.0


class Forgets(Session):
    """Does not send the last command again."""

    def _resend(self) -> None:
        last = self._unacked.pop()
        super()._resend()
        self._unacked.append(last)


class Hasty(Session):
    """Acknowledges one report too many."""

    def _send(self, kind: int, seq: int = 0, body: bytes = b"") -> None:
        self._expected += 1
        super()._send(kind, seq, body)
        self._expected -= 1


class Twice(DeviceModel):
    """Executes a command again that comes again."""

    def _frame(self, frame: Frame) -> None:
        if frame.kind == Kind.DATA and frame.seq < self.accepted:
            frame = frame._replace(seq=self.accepted & 0xFF)
        super()._frame(frame)


class Deaf(DeviceModel):
    """Does not repeat what it sent."""

    def _frame(self, frame: Frame) -> None:
        super()._frame(frame._replace(kind=frame.kind & ~RESEND))


class Starts(DeviceModel):
    """Takes a hello that comes again for a new one."""

    def _frame(self, frame: Frame) -> None:
        if frame.kind == Kind.HELLO:
            self.nonce = None
        super()._frame(frame)


class Loose(DeviceModel):
    """Takes every acknowledgement for one of something new."""

    def _frame(self, frame: Frame) -> None:
        if self.kept and frame.kind == Kind.ACK:
            frame = frame._replace(ack=(self.base + 1) & 0xFF)
        super()._frame(frame)


STUCK = "without faults, not all is done"


@pytest.mark.parametrize(
    ("flaw", "message"),
    [
        (Skips, r"the caller got the reports \[1\]"),
        (Silent, STUCK),
        (Forgets, STUCK),
        (Hasty, STUCK),
        (Twice, r"the device executed the commands \[(0, 0|0, 1, 0|0, 1, 1)\]"),
        (Deaf, STUCK),
        (Starts, "the device started again inside a session"),
        (Loose, STUCK),
    ],
)
def test_a_planted_flaw_is_found(flaw: type, message: str) -> None:
    ends = {"session": flaw} if issubclass(flaw, Session) else {"device": flaw}
    with pytest.raises(ProtocolError, match=message) as caught:
        Search(Setting(2, 2, 2, **ends)).run()
    assert "after:" in str(caught.value)
