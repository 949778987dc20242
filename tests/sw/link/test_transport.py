from __future__ import annotations

import os
import pty
import select
import socket
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from board_model import Board, same
from device_model import DeviceModel
from stablespike.device.open import open_device
from stablespike.link.address import open_transport, parse_uri
from stablespike.link.transports.serial import SerialTransport
from stablespike.link.transports.simulated import SimulatedTransport
from stablespike.link.transports.tcp import TcpTransport
from stablespike.spec.array import ArrayConfig, preset

ARRAY = ArrayConfig(lanes=4)


def program() -> ss.Program:
    rng = np.random.default_rng(0)
    layer = ss.Dense(rng.integers(-3, 8, (6, 9)), neuron=ss.Neuron(leak=(1, None), threshold=40))
    return ss.compile(ss.Network(ss.SpikeInput((9,)), [layer], "counts", 4, 4), ARRAY, steps=5)


SAMPLES = np.random.default_rng(1).random((12, 5, 9)) < 0.5


class Served:
    """A board model behind a file descriptor, in a thread."""

    def __init__(self, read: int, write: int) -> None:
        board = Board(program())
        self.model = DeviceModel(board.config, board.execute, board.reset)
        self._read, self._write, self._stop = read, write, threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _serve(self) -> None:
        while not self._stop.is_set():
            if select.select([self._read], [], [], 0.002)[0]:
                try:
                    data = os.read(self._read, 4096)
                except OSError:
                    return
                if not data:
                    return
                self.model.receive(data)
            self.model.work(8)
            while self.model.out:
                os.write(self._write, self.model.out.popleft())

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(5)


@pytest.fixture
def serial_board() -> Iterator[tuple[str, Served]]:
    ours, theirs = pty.openpty()
    tty.setraw(ours)
    tty.setraw(theirs)
    served = Served(ours, ours)
    served.start()
    yield os.ttyname(theirs), served
    served.stop()
    os.close(ours)
    os.close(theirs)


@pytest.fixture
def tcp_board() -> Iterator[tuple[str, list[Any]]]:
    listener = socket.create_server(("127.0.0.1", 0))
    boards: list[Any] = []

    def accept() -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            served = Served(link.fileno(), link.fileno())
            boards.append((link, served))
            served.start()  # from here on somebody may have been answered

    threading.Thread(target=accept, daemon=True).start()
    yield f"127.0.0.1:{listener.getsockname()[1]}", boards
    listener.close()
    for link, served in boards:
        served.stop()
        link.close()


def repeat(function: Any, *arguments: Any) -> None:
    """What breaks may take a moment to show."""
    for _ in range(3):
        function(*arguments)


def golden() -> Any:
    device = open_device("golden:")
    device.load(program())
    return device.run(SAMPLES, trace=True)


def test_a_serial_port(serial_board: tuple[str, Served]) -> None:
    port, served = serial_board
    with open_device(f"serial:{port}") as device:
        device.load(program())
        same(device.run(SAMPLES, trace=True), golden())
    assert served.model.hellos == 1
    with open_device(f"serial:{port}?baud=1000000") as device:
        terminal = os.open(port, os.O_RDWR | os.O_NOCTTY)
        assert termios.tcgetattr(terminal)[4:6] == [termios.B1000000] * 2
        os.close(terminal)
        device.load(program())
        same(device.run(SAMPLES, trace=True), golden())


def test_a_serial_port_that_is_silent() -> None:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    with pytest.raises(ss.DeviceTimeout, match=r"serial:.* did not answer hello in 0.3 s"):
        open_device(f"serial:{os.ttyname(theirs)}", timeout=0.3)
    os.close(ours)
    os.close(theirs)


def test_a_serial_port_that_is_unplugged() -> None:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    transport = SerialTransport(os.ttyname(theirs))
    assert transport.read(0) == b""
    assert transport.read(0.01) == b""
    os.write(ours, b"abc")
    assert transport.read(1.0) == b"abc"
    transport.write(b"xyz")
    assert os.read(ours, 10) == b"xyz"
    os.close(ours)
    os.close(theirs)
    with pytest.raises(ss.LinkError, match=r"serial:.* broke \(.*\): plug the board in again"):
        repeat(transport.read, 0.1)
    assert transport.broken
    with pytest.raises(ss.LinkError, match="broke"):
        repeat(transport.write, b"x")
    with pytest.raises(ss.LinkError, match=r"broke|cannot be set"):
        repeat(transport.set_baud, 9600)
    transport.close()
    transport.close()


def test_a_serial_port_that_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import serial
    from serial.urlhandler import protocol_loop

    timeouts = []

    def full(port: Any, data: bytes) -> None:
        timeouts.append(port.write_timeout)
        raise serial.SerialTimeoutException

    monkeypatch.setattr(protocol_loop.Serial, "write", full)
    transport = SerialTransport("loop://", timeout=7.0)
    with pytest.raises(ss.DeviceTimeout, match=r"took none of 3 bytes in 7\.0 s: check flow"):
        transport.write(b"abc")
    transport.close()
    assert timeouts == [7.0]


def test_the_timeout_of_a_device_is_that_of_its_transport(
    serial_board: tuple[str, Served], tcp_board: tuple[str, list[Any]]
) -> None:
    with open_device(f"serial:{serial_board[0]}", timeout=7.0) as device:
        assert device.transport.timeout == 7.0
    with open_device(f"tcp:{tcp_board[0]}", timeout=7.0) as device:
        assert device.transport.timeout == 7.0


def test_ports_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    import serial.tools.list_ports

    ports = [type("P", (), {"device": name}) for name in ("/dev/ttyUSB1", "/dev/ttyUSB0")]
    monkeypatch.setattr(serial.tools.list_ports, "comports", lambda: ports)
    with pytest.raises(ss.DeviceNotFound, match="serial ports here: /dev/ttyUSB0, /dev/ttyUSB1"):
        SerialTransport("/dev/nothing")
    monkeypatch.setattr(serial.tools.list_ports, "comports", list)
    with pytest.raises(ss.DeviceNotFound, match="no serial ports here"):
        SerialTransport("/dev/nothing")


def test_a_file_that_is_no_port() -> None:
    with pytest.raises(ss.DeviceNotFound, match=r"null cannot be opened \(it is no serial port\)"):
        SerialTransport("/dev/null")


def test_tcp(tcp_board: tuple[str, list[Any]]) -> None:
    address, _ = tcp_board
    with open_device(f"tcp:{address}") as device:
        device.load(program())
        same(device.run(SAMPLES, trace=True), golden())


def test_tcp_is_connected_again(tcp_board: tuple[str, list[Any]]) -> None:
    address, boards = tcp_board
    with open_device(f"tcp:{address}") as device:
        device.load(program())
        link, served = boards[0]
        served.stop()
        link.shutdown(socket.SHUT_RDWR)
        with pytest.raises(ss.LinkError, match=r"tcp:.* broke \(.*\): check that the board's serv"):
            device.run(SAMPLES)
        same(device.run(SAMPLES, trace=True), golden())
        assert len(boards) == 2


class Foreign:
    """A server of something else: what it answers a first message with, before it hangs up."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"tcp:127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        link, _ = self.listener.accept()
        link.recv(100)
        if self.answer is None:
            link.close()
            return
        while link.send(self.answer):
            if not link.recv(100):
                return


def test_tcp_servers_of_something_else() -> None:
    hung_up = Foreign(None)
    with pytest.raises(ss.LinkError, match=r"tcp:.* broke .*: check that the board's server runs"):
        open_device(hung_up.uri)
    talks = Foreign(b"HTTP/1.1 400 Bad Request")
    with pytest.raises(ss.DeviceTimeout, match=r"\d+ bytes came, .*: check what listens there"):
        open_device(talks.uri, timeout=0.3)
    for each in (hung_up, talks):
        each.listener.close()


def test_tcp_with_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ss.DeviceNotFound, match=f"tcp:127.0.0.1:{port} cannot be reached"):
        open_device(f"tcp:127.0.0.1:{port}")


def test_tcp_that_takes_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transport = TcpTransport(f"127.0.0.1:{listener.getsockname()[1]}", timeout=0.05)
        with pytest.raises(ss.DeviceTimeout, match=r"took no more bytes in 0\.05 s"):
            transport.write(bytes(1 << 26))
        transport.close()
        with pytest.raises(ss.LinkError, match="broke"):
            transport.read(0)
        with pytest.raises(ss.LinkError, match="broke"):
            transport.write(b"x")
        with pytest.raises(ss.LinkError, match="has no baud rate to change to 9600"):
            transport.set_baud(9600)


def test_ipv6() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    TcpTransport(f"[::1]:{listener.getsockname()[1]}").close()
    listener.close()


class FakeBoard:
    """What ``stablespike.sim.board.board`` has."""

    def __init__(self, config: ArrayConfig, uart: bool = False) -> None:
        self.config, self.uart, self.cycles = config, uart, 0
        self.calls: list[Any] = []
        self.output = [b"old", b""]

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def read(self, timeout: float) -> bytes:
        self.cycles += 5
        return self.output.pop(0) if self.output else b""

    def reset(self) -> None:
        self.calls.append("reset")

    def set_baud(self, baud: int) -> None:
        self.calls.append(baud)

    def part_traces(self, apart: bool) -> None:
        self.calls.append(f"traces apart: {apart}")

    def take_traces(self) -> bytes:
        return b"trace"

    def close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def fake_boards(monkeypatch: pytest.MonkeyPatch) -> list[FakeBoard]:
    """The boards that are made in place of simulated ones."""
    made: list[FakeBoard] = []

    def make(config: ArrayConfig, uart: bool = False) -> FakeBoard:
        made.append(FakeBoard(config, uart))
        return made[-1]

    module = ModuleType("stablespike.sim.board.board")
    module.SimTransport = make  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "stablespike.sim.board.board", module)
    return made


def test_the_simulated_board(fake_boards: list[FakeBoard]) -> None:
    transport = open_transport(parse_uri("sim:icebreaker?uart=1"))
    assert isinstance(transport, SimulatedTransport)
    (board,) = fake_boards
    assert board.config == preset("icebreaker")
    assert board.uart
    transport.reset()
    transport.write(b"abc")
    transport.set_baud(1_000_000)
    transport.close()
    assert board.calls == ["reset", b"abc", 1_000_000, "close"]
    assert transport.cycles == 10
    for array in (ARRAY, "icebreaker"):
        open_transport(parse_uri("sim:"), array)
        assert fake_boards[-1].config == (ARRAY if array is ARRAY else preset("icebreaker"))


def test_traces_beside_the_link(fake_boards: list[FakeBoard]) -> None:
    transport = open_transport(parse_uri("sim:icebreaker"))
    assert transport.has_traces
    assert fake_boards[0].calls == []
    transport.drop_traces()
    assert transport.take_traces() == b"trace"
    for uri in ("sim:icebreaker?uart=1", "sim:icebreaker?traces=link"):
        transport = open_transport(parse_uri(uri))
        assert not transport.has_traces
        assert transport.take_traces() == b""
        transport.drop_traces()
    assert [board.calls for board in fake_boards] == [["traces apart: True"], [], []]


@pytest.mark.parametrize(("uri", "message"), [
    ("sim:icebreaker?traces=none", "must be beside or link, not 'none'"),
    ("sim:icebreaker?link=uart&traces=link", "traces=, which is for presets: leave it out"),
    ("sim:netlist=icebreaker?boards=2", "boards=, which is for presets: leave it out"),
])
def test_options_of_simulated_boards(
    fake_boards: list[FakeBoard], uri: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        open_transport(parse_uri(uri))
    assert not fake_boards


def test_a_simulator_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stablespike.sim.board.board", None)
    with pytest.raises(ss.DeviceNotFound, match=r"needs the simulator, .* 'stablespike\[sim\]'"):
        open_device("sim:icebreaker")


def test_a_transport_that_never_stops_talking(fake_boards: list[FakeBoard]) -> None:
    transport = open_transport(parse_uri("sim:icebreaker"))
    fake_boards[0].output = [b"x"] * 5000
    transport.reset()
    assert len(fake_boards[0].output) > 3000
