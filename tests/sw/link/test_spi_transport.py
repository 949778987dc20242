"""Boards at the SPI of an FT2232H, without one: pyftdi is a stand-in that decodes MPSSE."""

from __future__ import annotations

import builtins
from typing import Any

import pytest
import stablespike as ss
from board_model import Board, same
from device_model import DeviceModel
from mpsse_chip import Chip, Pyftdi, SpiModel, descriptor
from stablespike.link.session import Session
from stablespike.link.transports import spi
from stablespike.link.transports.mpsse import MpsseBytes
from stablespike.link.transports.spi import SpiTransport
from stablespike.spec.array import ArrayConfig
from stablespike.spec.link import SPI_FRAME_BYTES, SPI_HZ
from test_transport import SAMPLES, golden, program

ICEBREAKER = descriptor("iCEBreaker V1.0e")
CONFIG = ArrayConfig(receive_bytes=512, result_bytes=512)


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Pyftdi:
    """An iCEBreaker that answers each command with its first four bytes."""
    return plug(monkeypatch, DeviceModel(CONFIG, lambda command: command[:4]))


def plug(monkeypatch: pytest.MonkeyPatch, model: DeviceModel) -> Pyftdi:
    found = Pyftdi(Chip(SpiModel(model)), ICEBREAKER)
    monkeypatch.setattr(spi, "_pyftdi", lambda name: found)
    return found


def refused(message: str, url: str = "") -> None:
    with pytest.raises(ss.DeviceNotFound, match=message):
        SpiTransport(url)


def test_a_board_on_usb(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(program())
    found = plug(monkeypatch, DeviceModel(board.config, board.execute, board.reset))
    chip = found.Ftdi()
    with ss.open_device("spi:") as device:
        device.load(program())
        same(device.run(SAMPLES, trace=True), golden())
    assert chip.closed
    assert chip.settings["frequency"] == SPI_HZ
    # The flash memory goes to sleep, and takes nothing that follows for a command.
    assert chip.spi.firsts[0] == 0xB9
    assert set(chip.spi.firsts[1:]) == {0}


def test_frames_travel_together(plugged: Pyftdi) -> None:
    chip = plugged.Ftdi()
    session = Session(SpiTransport())
    session.open()
    commands = [i.to_bytes(4, "little").ljust(200, b"\x5a") for i in range(200)]
    source, got = iter(commands), b""
    while len(got) < 800 or not session.idle:
        got += session.step(source, "an answer")
    assert got == b"".join(each[:4] for each in commands)
    assert session.resent <= 8
    assert sum(chip.transfers) < 1.4 * session.sent
    assert len(chip.transfers) < 80


def test_short_frames_are_filled_up_and_long_writes_are_cut() -> None:
    chip = Chip(SpiModel(DeviceModel(CONFIG, lambda command: b"")))
    taken: list[bytes] = []
    chip.spi.transfer = lambda data: taken.append(data) or bytes(len(data))  # type: ignore[method-assign]
    stream = MpsseBytes(chip, "spi:")
    stream.write(b"\1\0")
    stream.read(0)
    assert taken.pop().startswith(bytes(SPI_FRAME_BYTES - 1) + b"\1\0")
    data = bytes(range(1, 251)) * 40
    stream.write(data)
    stream.read(0)
    assert b"".join(each[1:] for each in taken).rstrip(b"\0") == data
    assert max(map(len, taken)) == 4096


def test_zeros_that_say_nothing_are_left_out() -> None:
    chip = Chip(SpiModel(DeviceModel(CONFIG, lambda command: b"")))
    answers = [b"\0\0\0", b"\0\1\2\0\0\3", b"\4\0\0", b"\0\0\5"]
    chip.spi.transfer = lambda data: (answers.pop(0) if answers else b"").ljust(len(data), b"\0")  # type: ignore[method-assign]
    stream = MpsseBytes(chip, "spi:")
    came = [stream.read(0.01) for _ in range(4)]
    assert came == [b"\1\2\0\3\0", b"\4\0", b"\5\0", b""]


@pytest.mark.parametrize(("rate", "used"), [
    (None, 15e6), (15_000_000, 15e6), (14_999_999, 10e6), (12_000_000, 10e6), (100_000, 1e5),
])
def test_the_clock_is_at_most_the_rate(plugged: Pyftdi, rate: int | None, used: float) -> None:
    assert SpiTransport(rate=rate).rate == used
    assert plugged.Ftdi().settings["frequency"] == used


@pytest.mark.parametrize("rate", ["15000001", "99999"])
def test_refuses_rates(plugged: Pyftdi, rate: str) -> None:
    with pytest.raises(ValueError, match=f"rate must be from 100000 to 15000000 Hz, not {rate}"):
        ss.open_device(f"spi:?rate={rate}")


def test_which_board(plugged: Pyftdi) -> None:
    other = descriptor("Dual RS232-HS", None, 9)
    plugged.devices = [other, ICEBREAKER]
    assert SpiTransport().name == "spi:"
    assert spi.spi_urls() == ["ftdi://ftdi:2232h:ib01/1", "ftdi://ftdi:2232h:1:9/1"]
    plugged.devices = [other]
    SpiTransport()
    plugged.devices = [ICEBREAKER, descriptor("iCEBreaker V1.0e", "ib02", 5)]
    refused("may be one of 2 boards: name one of spi:ftdi://ftdi:2232h:ib01/1, spi:ftdi.*ib02/1")
    SpiTransport("ftdi://ftdi:2232h:ib02/1")
    plugged.devices = []
    refused("spi: finds no board: check its cable")


@pytest.mark.parametrize(("error", "message"), [
    (OSError("UsbError: [Errno 16] Resource busy"), "another program holds it .*: close it"),
    (OSError(13, "Access denied"), "may not be used .*udev"),
    (ValueError("The device has no langid"), "may not be used .*udev"),
    (OSError("UsbError: [Errno 19] No such device"), "unplugged .*: plug the board in again"),
    (OSError("This interface does not support MPSSE"), "name channel A of an FT2232H"),
    (RuntimeError("Invalid URL: x"), "check the cable and the URL; boards here: ftdi://.*/1"),
])
def test_why_it_does_not_open(
    plugged: Pyftdi, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    monkeypatch.setattr(spi.sys, "platform", "linux")
    plugged.Ftdi().fails = error
    refused(f"spi: cannot be opened: .*{message}")
    assert plugged.Ftdi().closed


def test_devices_that_may_not_be_read(plugged: Pyftdi) -> None:
    plugged.fails = ValueError("The device has no langid (permission issue)")
    refused("it may not be used")
    with pytest.raises(ss.DeviceNotFound, match="USB cannot be read: it may not be used"):
        spi.spi_urls()


@pytest.mark.parametrize(("platform", "advice"), [
    ("linux", "udev"), ("win32", "WinUSB with Zadig"), ("darwin", "close programs"),
])
def test_advice(monkeypatch: pytest.MonkeyPatch, platform: str, advice: str) -> None:
    monkeypatch.setattr(spi.sys, "platform", platform)
    assert advice in spi.permission_advice()


def test_unplugged_in_the_middle(plugged: Pyftdi) -> None:
    session = Session(transport := SpiTransport())
    session.open()
    plugged.Ftdi().fails = OSError("UsbError: [Errno 19] No such device")
    with pytest.raises(ss.LinkError, match=r"spi: broke .*No such device.*plug the board in again"):
        session.step(iter([b"\1" * 20]), "an answer")
    assert transport.broken
    transport.close()


def test_a_chip_that_answers_less(plugged: Pyftdi) -> None:
    transport = SpiTransport()
    plugged.Ftdi().short = 3
    with pytest.raises(ss.LinkError, match="answered 509 of 512 bytes"):
        transport.read(0.1)
    assert transport.broken


def test_a_board_without_the_bitstream(plugged: Pyftdi) -> None:
    plugged.Ftdi().spi.transfer = lambda data: bytes([255]) * len(data)
    with pytest.raises(ss.DeviceTimeout, match=r"not a frame: .*--link spi"):
        Session(SpiTransport(), timeout=0.1).open()


def test_there_is_no_baud_rate(plugged: Pyftdi) -> None:
    with pytest.raises(ss.LinkError, match=r"no baud rate to change to 9600: use \?rate="):
        SpiTransport().set_baud(9600)
    with pytest.raises(ValueError, match="has the option 'baud'; spi: takes rate"):
        ss.open_device("spi:?baud=9600")


def test_without_pyftdi(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, *arguments: Any) -> Any:
        if name.startswith("pyftdi"):
            raise ImportError(name=name)
        return load(name, *arguments)

    load = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", refuse)
    refused(r"spi: needs pyftdi, which is not installed .*stablespike\[spi\]")


def test_pyftdi_itself_finds_no_board() -> None:
    pytest.importorskip("pyftdi")
    if spi.spi_urls():
        pytest.skip("there is a board")
    refused("spi: finds no board")
    for url in ("x", "ftdi://", "ftdi://ftdi:2232h/9", "ftdi://ftdi:2232h:A/1", "ftdi://::/x",
                "ftdi://a:b:c:d:e/1", "ftdi://[/1", "http://x/1", "ftdi://ftdi:2232h/"):
        refused("spi:.* cannot be opened", url)
