from __future__ import annotations

import errno
import random
import socket
import threading
import time
from typing import Any

import pytest
import stablespike as ss
from board_model import Board, same
from device_model import DeviceModel, Faults
from stablespike.device.open import open_device
from stablespike.link.frames import decode_frame
from stablespike.link.session import Session
from stablespike.link.transports import udp
from stablespike.link.transports.udp import UdpTransport
from stablespike.spec.array import ArrayConfig
from stablespike.spec.link import UDP_PAYLOAD, UDP_PORT, Ownership, pack_ownership
from test_transport import SAMPLES, golden, program
from udp_board import UdpBoard

CONFIG = ArrayConfig(receive_bytes=4096, result_bytes=8192)


def echo(size: int = 4) -> DeviceModel:
    """A device that answers each command with its first bytes."""
    return DeviceModel(CONFIG, lambda command: command[:size])


def numbered(count: int, length: int = 200) -> list[bytes]:
    return [i.to_bytes(4, "little").ljust(length, b"\x5a") for i in range(count)]


def exchanged(session: Session, commands: list[bytes], seconds: float = 60.0) -> bytes:
    source, got, until = iter(commands), b"", time.monotonic() + seconds
    while len(got) < 4 * len(commands) or not session.idle:
        got += session.step(source, "an answer")
        assert time.monotonic() < until, "no end"
    return got


def opened(board: UdpBoard, **options: Any) -> tuple[UdpTransport, Session]:
    transport = UdpTransport(board.uri.removeprefix("udp:"), **options)
    session = Session(transport)
    session.open()
    return transport, session


def test_a_board_on_a_network() -> None:
    board = Board(program())
    with UdpBoard(DeviceModel(board.config, board.execute, board.reset)) as served:
        for _ in range(2):
            with open_device(served.uri) as device:
                device.load(program())
                same(device.run(SAMPLES, trace=True), golden())
                assert not device.transport.broken
            wait_for(lambda: served.owner is None)
        assert served.model.hellos == 2


def test_datagrams_hold_whole_frames() -> None:
    with UdpBoard(echo()) as board:
        _, session = opened(board)
        sent = numbered(200) + numbered(200, 5) + numbered(50, 246)
        assert exchanged(session, sent) == b"".join(each[:4] for each in sent)
    assert 1000 < max(map(len, board.datagrams)) <= UDP_PAYLOAD
    for datagram in board.datagrams:
        assert datagram.endswith(b"\0")
        assert all(decode_frame(each) for each in datagram.split(b"\0") if each)


def wait_for(condition: Any, seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)


@pytest.mark.parametrize("kind", ["lost", "damaged", "doubled", "reordered", "noise"])
@pytest.mark.parametrize(("chance", "count"), [(0.03, 4000), (0.2, 300)])
def test_no_fault_changes_anything(kind: str, chance: float, count: int) -> None:
    to = Faults(**{kind: chance}, seed=1)  # type: ignore[arg-type]
    back = Faults(**{kind: chance}, seed=2)  # type: ignore[arg-type]
    with UdpBoard(echo(), to, back) as board:
        _, session = opened(board)
        sent = numbered(count)
        assert exchanged(session, sent) == b"".join(each[:4] for each in sent)
        assert board.model.executed_commands == sent
    assert to.happened[kind] + back.happened[kind] >= 3


def test_all_faults_at_once_with_a_network() -> None:
    chances = dict.fromkeys(("lost", "damaged", "doubled", "reordered", "noise"), 0.05)
    board = Board(program())
    model = DeviceModel(board.config, board.execute, board.reset)
    to, back = Faults(**chances, seed=3), Faults(**chances, seed=4)  # type: ignore[arg-type]
    with UdpBoard(model, to, back) as served, open_device(served.uri) as device:
        device.load(program())
        same(device.run(SAMPLES, trace=True), golden())


def test_a_busy_device_is_asked_less_and_less() -> None:
    with UdpBoard(echo()) as board:
        _, session = opened(board)
        board.model.halted = True
        source, asked = iter(numbered(1)), len(board.datagrams)
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            assert session.step(source, "an answer") == b""
        assert 4 <= len(board.datagrams) - asked <= 40
        board.model.halted = False
        assert exchanged(session, []) in (b"", numbered(1)[0][:4])


def test_foreign_datagrams_change_nothing() -> None:
    stop = threading.Event()
    with UdpBoard(echo()) as board:
        transport, session = opened(board)
        here = transport._socket.getsockname()

        def shout() -> None:
            noise = random.Random(0)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                while not stop.is_set():
                    for target in (here, board.address):
                        what = noise.choice([
                            noise.randbytes(noise.randrange(1, 2000)), b"", b"\0",
                            pack_ownership(Ownership.CLAIM), pack_ownership(Ownership.REFUSED),
                            pack_ownership(Ownership.RELEASE), board.datagrams[-1],
                        ])
                        stranger.sendto(what, target)
                    time.sleep(0.0005)

        thread = threading.Thread(target=shout)
        thread.start()
        try:
            sent = numbered(1000)
            assert exchanged(session, sent) == b"".join(each[:4] for each in sent)
            assert board.model.executed_commands == sent
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize("garbage", [b"\x07" * 2000 + b"\0", b"half of a frame", b"", b"\0" * 900])
def test_datagrams_of_the_board_that_are_no_frames(garbage: bytes) -> None:
    with UdpBoard(echo()) as board:
        transport, session = opened(board)
        board.socket.sendto(garbage, transport._socket.getsockname())
        sent = numbered(20)
        assert exchanged(session, sent) == b"".join(each[:4] for each in sent)
        assert session.resent == 0


def test_a_second_host_is_refused_until_the_first_is_silent() -> None:
    with UdpBoard(echo(), silence=0.6) as board:
        _, session = opened(board)
        second = UdpTransport(board.uri.removeprefix("udp:"), timeout=0.3)
        with pytest.raises(ss.LinkError, match="serves another program or computer: close the dev"):
            second.reset()
        sent = numbered(5)
        assert exchanged(session, sent) == b"".join(each[:4] for each in sent)
        third = UdpTransport(board.uri.removeprefix("udp:"), timeout=5.0)
        began = time.monotonic()
        Session(third).open()
        assert 0.3 < time.monotonic() - began < 3.0
        second.close()
        third.close()


def test_the_first_host_notices_that_it_lost_the_board(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "UDP_SILENCE", 0.2)
    with UdpBoard(echo(), silence=0.2) as board:
        _, session = opened(board)
        time.sleep(0.3)
        _, other = opened(board)
        exchanged(other, numbered(1))
        with pytest.raises(ss.LinkError, match="serves another program or computer"):
            exchanged(session, numbered(2))


def test_nothing_listens_there() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ss.DeviceNotFound, match=f"127.0.0.1:{port} cannot be reached .* no such p"):
        open_device(f"udp:127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (True, "127.0.0.1 answers ping, but no board answers at its port"),
        (False, "nothing at 127.0.0.1 answers, not even ping"),
        (None, "see whether it answers ping"),
    ],
)
def test_something_that_answers_no_claim(
    answers: bool | None, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udp, "answers_ping", lambda *_: answers)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        with pytest.raises(ss.DeviceNotFound, match=message):
            open_device(f"udp:127.0.0.1:{mute.getsockname()[1]}", timeout=0.1)


def test_a_ping_is_answered_or_not_allowed() -> None:
    assert udp.answers_ping("127.0.0.1", 1.0) in (True, None)
    assert udp.answers_ping("255.255.255.255", 0.01) in (False, None)


def test_a_board_that_does_not_answer_hello() -> None:
    with UdpBoard(echo()) as board:
        board.deaf = True
        with pytest.raises(ss.DeviceTimeout, match=r"did not answer hello in 0\.3 s"):
            open_device(board.uri, timeout=0.3)
        wait_for(lambda: board.owner is None)


def test_a_board_that_vanishes() -> None:
    with UdpBoard(echo()) as board:
        transport, session = opened(board, timeout=0.5)
        board.deaf = True
        with pytest.raises(ss.DeviceTimeout, match=r"did not answer in 0\.5 s while"):
            exchanged(session, numbered(3))
        board.deaf = False
        again = Session(transport)
        again.open()
        sent = numbered(3)
        assert exchanged(again, sent) == b"".join(each[:4] for each in sent)
    with pytest.raises(ss.LinkError, match=r"broke .* no such port"):
        exchanged(again, numbered(3))
    assert transport.broken


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("", "needs <host> or <host>:<port>"),
        (":21331", "needs <host>"),
        ("board:", "needs <host> or <host>:<port> behind the colon"),
        ("board:x", "needs <host>"),
        ("board:1:2", "needs <host>"),
        ("board:²", "needs <host>"),
        ("[::1]:4", "an IPv4 address or a name, not '\\[::1\\]:4'"),
        ("board:0", "port in 'udp:board:0' must be from 1 to 65535, not 0"),
        ("board:65536", "must be from 1 to 65535"),
        ("board:" + "9" * 5000, "must be from 1 to 65535"),
        ("224.0.0.1", "224.0.0.1 is no address of one board"),
        ("0.0.0.0", "is no address of one board"),
        ("255.255.255.255", "is no address of one board"),
    ],
)
def test_addresses_of_no_board(address: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        UdpTransport(address)


@pytest.mark.parametrize("host", ["no-such-board.invalid", "a" * 300, "x..y", "a\x00b", "ü" * 90])
def test_names_without_an_address(host: str) -> None:
    with pytest.raises(ss.DeviceNotFound, match="has no IPv4 address"):
        UdpTransport(host)


def test_the_usual_port() -> None:
    transport = UdpTransport("127.0.0.1")
    assert transport._socket.getpeername() == ("127.0.0.1", UDP_PORT)
    transport.close()
    transport.close()
    for call in (lambda: transport.read(0.0), lambda: transport.write(b"x\0")):
        with pytest.raises(ss.LinkError, match="it is closed: open the device again"):
            call()


class Failing:
    """A socket that sends nothing."""

    def __init__(self, number: int) -> None:
        self.number = number

    def send(self, _: bytes) -> int:
        raise OSError(self.number, "")


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EHOSTUNREACH, "nothing has this address: check cable"),
        (errno.ENETUNREACH, "give its network port an address beside"),
        (errno.EPERM, "firewall"),
        (errno.EMSGSIZE, "set the MTU of the network port to 1500"),
        (errno.ENETDOWN, "check cable, power and network port"),
    ],
)
def test_what_the_system_says(number: int, message: str) -> None:
    transport = UdpTransport("127.0.0.1:9")
    transport._socket = Failing(number)  # type: ignore[assignment]
    with pytest.raises(ss.DeviceNotFound, match=message):
        transport.reset()
    with pytest.raises(ss.LinkError, match=message):
        transport.write(b"x\0")


def test_a_full_queue_of_the_system_is_a_loss() -> None:
    transport = UdpTransport("127.0.0.1:9")
    transport._socket = Failing(errno.ENOBUFS)  # type: ignore[assignment]
    transport.write(b"x\0")
    assert not transport.broken
