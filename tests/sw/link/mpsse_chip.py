"""A stand-in for pyftdi and the FT2232H behind it: decodes MPSSE (FTDI AN_108), and models the
device and the flash memory at its pins."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from device_model import DeviceModel

OUTPUTS, CS_N = 0x13, 0x10  # clock, data out and select; select


class SpiModel:
    """The device's end of SPI: bytes to and from a ``DeviceModel``, and the flash memory's view."""

    def __init__(self, model: DeviceModel) -> None:
        self.model = model
        self.firsts: list[int] = []  # the first byte of each transfer
        self._reply = bytearray()

    def transfer(self, data: bytes) -> bytes:
        self.firsts.append(data[0])
        came = bytearray()
        # Replies are those to earlier bytes, as if the device took some time.
        for at in range(0, len(data), 64):
            piece = data[at : at + 64]
            came += self._reply[: len(piece)].ljust(len(piece), b"\0")
            del self._reply[: len(piece)]
            self.model.receive(piece[1:] if at == 0 else piece)
            self.model.work(8)
            self._reply += b"".join(self.model.out)
            self.model.out.clear()
        return bytes(came)


class Chip:
    """What ``SpiTransport`` uses of ``pyftdi.ftdi.Ftdi``."""

    def __init__(self, spi: SpiModel) -> None:
        self.spi = spi
        self.transfers: list[int] = []  # their bytes
        self.settings: dict[str, Any] = {}
        self.fails: Exception | None = None
        self.short = 0  # bytes that are missing from each answer
        self.closed = False
        self._selected = False
        self._answer = bytearray()

    def open_mpsse_from_device(self, device: Any, interface: int, **settings: Any) -> None:
        self._open(settings, interface)

    def open_mpsse_from_url(self, url: str, **settings: Any) -> None:
        self._open(settings, int(url.rpartition("/")[2]))

    def _open(self, settings: dict[str, Any], interface: int) -> None:
        if self.fails:
            raise self.fails
        assert interface == 1
        assert settings["direction"] == OUTPUTS
        assert settings["initial"] == CS_N
        self.settings = settings

    def read_data_set_chunksize(self, size: int) -> None:
        assert size % 512 == 0

    def write_data(self, data: bytes) -> int:
        if self.fails:
            raise self.fails
        at = 0
        while at < len(data):
            command = data[at]
            if command == 0x80:
                assert data[at + 2] == OUTPUTS
                self._selected = not data[at + 1] & CS_N
                at += 3
            elif command == 0x31:
                assert self._selected
                size = (data[at + 1] | data[at + 2] << 8) + 1
                bytes_ = data[at + 3 : at + 3 + size]
                assert len(bytes_) == size <= 4096
                self.transfers.append(size)
                self._answer += self.spi.transfer(bytes_)
                at += 3 + size
            else:
                assert command == 0x87
                at += 1
        assert not self._selected
        return len(data)

    def read_data_bytes(self, size: int, attempt: int = 1) -> bytearray:
        if self.fails:
            raise self.fails
        size -= self.short
        came = self._answer[:size]
        del self._answer[:size]
        return came

    def close(self) -> None:
        self.closed = True


def descriptor(name: str, serial: str | None = "ib01", address: int = 4) -> SimpleNamespace:
    """A device as pyftdi describes it."""
    return SimpleNamespace(
        vid=0x0403, pid=0x6010, bus=1, address=address, sn=serial, description=name
    )


class Pyftdi:
    """pyftdi's classes, with devices that are plugged in."""

    UsbToolsError = RuntimeError

    def __init__(self, chip: Chip, *devices: SimpleNamespace) -> None:
        self.UsbTools = SimpleNamespace(
            flush_cache=lambda: None, get_device=lambda found: found, find_all=self._find
        )
        self.Ftdi = lambda: chip
        self.devices = list(devices)
        self.fails: Exception | None = None

    def _find(self, kinds: list[tuple[int, int]]) -> list[tuple[SimpleNamespace, int]]:
        if self.fails:
            raise self.fails
        return [(each, 2) for each in self.devices if (each.vid, each.pid) in kinds]
