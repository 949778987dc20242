"""Boards with USB of their own, found among the serial ports of a computer that has none."""

from __future__ import annotations

import errno
import os
import pty
import tty
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import serial
import serial.tools.list_ports
import stablespike as ss
from stablespike.link.address import located, open_transport, parse_uri
from stablespike.link.transports.serial import SerialTransport
from stablespike.link.transports.usb_ports import board_at, find_board, ports_in_words, usb_boards
from stablespike.spec.usb import PRODUCT_ID, VENDOR_ID


@dataclass
class Port:
    """A port as pyserial lists it."""

    device: str
    vid: int | None = VENDOR_ID
    pid: int | None = PRODUCT_ID
    product: str | None = "StableSpike orangecrab-85f"
    serial_number: str | None = "a1"


FTDI = Port("/dev/ttyUSB0", 0x0403, 0x6010, "Dual RS232", "x")
BUILT_IN = Port("/dev/ttyS0", None, None, None, None)
OTHER = Port("/dev/ttyACM7", product="somebody's experiment")


@pytest.fixture
def computer(monkeypatch: pytest.MonkeyPatch) -> list[Port]:
    ports: list[Port] = [FTDI, BUILT_IN, OTHER]
    monkeypatch.setattr(serial.tools.list_ports, "comports", lambda: list(ports))
    return ports


@pytest.fixture
def terminal() -> Iterator[str]:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    yield os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_no_board(computer: list[Port]) -> None:
    assert usb_boards() == []
    with pytest.raises(ss.DeviceNotFound, match=(
        "no board with USB of its own was found: plug one in, or name a port behind serial:; "
        "serial ports here: /dev/ttyACM7, /dev/ttyS0, /dev/ttyUSB0"
    )):
        ss.open_device("serial:")
    computer.clear()
    with pytest.raises(ss.DeviceNotFound, match=r"plug one in.*no serial ports here"):
        ss.open_device("serial:?serial=a1")


def test_the_only_board(computer: list[Port]) -> None:
    computer.append(Port("/dev/ttyACM0"))
    assert find_board().device == find_board("a1").device == "/dev/ttyACM0"
    with pytest.raises(ss.DeviceNotFound, match="no board with the USB serial number b2 was found"):
        find_board("b2")
    assert "/dev/ttyACM0 (StableSpike orangecrab-85f, serial number a1)" in ports_in_words()


def test_a_system_that_does_not_tell_the_product(computer: list[Port]) -> None:
    computer.append(Port("COM3", product=None))
    assert str(find_board()) == "COM3 (StableSpike, serial number a1)"


def test_several_boards(computer: list[Port]) -> None:
    computer += [Port("/dev/ttyACM0"), Port("/dev/ttyACM1", serial_number="b2")]
    assert find_board("b2").device == "/dev/ttyACM1"
    with pytest.raises(ss.DeviceNotFound, match=(
        r"2 boards fit: /dev/ttyACM0 \(.*a1\), /dev/ttyACM1 \(.*b2\); choose one with "
        r"serial:\?serial=NUMBER"
    )):
        ss.open_device("serial:")
    computer.append(Port("/dev/ttyACM2"))
    with pytest.raises(ss.DeviceNotFound, match="same serial number, so name the port"):
        find_board("a1")


def test_a_board_that_comes_back_under_another_name(
    computer: list[Port], terminal: str, tmp_path: Any
) -> None:
    first, second = tmp_path / "ttyACM0", tmp_path / "ttyACM1"
    first.symlink_to(terminal)
    computer.append(Port(str(first)))
    uri = located(parse_uri("serial:"))
    assert uri.options == {"serial": "a1"}
    transport = open_transport(uri)
    assert transport.name == f"serial:{first}"
    transport.close()
    # It is plugged in again, after another board.
    first.rename(second)
    computer[-1:] = [Port(str(tmp_path / "ttyACM0"), serial_number="b2"), Port(str(second))]
    transport = open_transport(uri)
    assert transport.name == f"serial:{second}"
    transport.close()
    computer.pop()
    with pytest.raises(ss.DeviceNotFound, match="no board with the USB serial number a1"):
        open_transport(uri)


def test_no_break_and_no_rate(
    computer: list[Port], terminal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(port: Any, duration: float = 0) -> None:
        raise OSError(errno.EOPNOTSUPP, "no break here")

    monkeypatch.setattr(serial.Serial, "send_break", refuse)
    with pytest.raises(ss.LinkError, match="no break here"):
        SerialTransport(terminal)
    computer.append(Port(terminal))
    for port in (terminal, ""):
        transport = SerialTransport(port)
        transport.reset()
        with pytest.raises(ss.LinkError, match=r"has no baud rate .*open it without \?baud="):
            transport.set_baud(1_000_000)
        transport.close()


def test_a_link_to_a_port(computer: list[Port], terminal: str, tmp_path: Any) -> None:
    link = tmp_path / "by-id"
    link.symlink_to(terminal)
    computer.append(Port(terminal))
    found = board_at(str(link))
    assert found is not None
    assert found.device == terminal
    assert board_at("/dev/ttyUSB0") is None
    assert board_at("socket://127.0.0.1:1") is None


def test_a_second_program(terminal: str) -> None:
    transport = SerialTransport(terminal)
    with pytest.raises(ss.DeviceNotFound, match="another program uses it: close that one"):
        SerialTransport(terminal)
    transport.close()
    SerialTransport(terminal).close()


def test_a_port_that_one_may_not_use(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, flags: int) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ss.DeviceNotFound, match="you may not use it: add yourself to the group"):
        SerialTransport("/dev/ttyACM0")


def test_a_port_that_goes_while_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def stumble() -> list[Port]:
        calls.append(1)
        if len(calls) == 1:
            raise TypeError("int() can't convert non-string with explicit base")
        return [Port("/dev/ttyACM0")]

    monkeypatch.setattr(serial.tools.list_ports, "comports", stumble)
    assert find_board().serial_number == "a1"


@pytest.mark.parametrize(("address", "message"), [
    ("serial:/dev/ttyACM0?serial=a1", "names a port and a serial number: leave one out"),
    ("serial:?speed=1", "has the option 'speed'; serial: takes baud, serial"),
])
def test_addresses_that_name_no_board(address: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ss.open_device(address)
