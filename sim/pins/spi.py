"""Boards simulated at the pins of their SPI, as an FTDI chip that the real driver talks to."""

from __future__ import annotations

import ctypes
from typing import Any

from stablespike.spec.link import SPI_HZ

from .design import Design
from .transport import PinsTransport

__all__ = ["SpiPins"]

_BASE_HZ = 30_000_000
_PINS, _DIVIDER, _FAST = 0x80, 0x86, 0x8A


class SpiPins(PinsTransport):
    """A board at the pins of its SPI. It has the methods of ``pyftdi.ftdi.Ftdi`` for MPSSE.

    The bytes of ``write`` are commands of the chip, and each transfer waits for the latency.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._latency = 0
        self._execute = self.function("mpsse_run", ctypes.c_void_p)
        self._flash = self.function(
            "mpsse_flash", ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint64)
        )
        divider = _BASE_HZ // SPI_HZ - 1
        self.write_data(bytes((_FAST, _DIVIDER, divider & 0xFF, divider >> 8, _PINS, 0x10, 0x13)))

    def peer(self, design: Design) -> str:
        return "spi.h"

    def set_latency(self, picoseconds: int) -> None:
        """Set the time from the commands of a transfer until the chip has them."""
        super().set_latency(picoseconds)
        self._latency = picoseconds

    def write_data(self, data: bytes) -> int:
        """Send commands to the chip. They are executed in ``read_data_bytes``."""
        self.write(data)
        return len(data)

    def read_data_bytes(self, size: int, attempt: int = 1) -> bytes:
        """Execute all commands, and read answers."""
        self.run(self._latency)
        self._execute(self.handle)
        came = ctypes.create_string_buffer(size)
        length = self._read(self.handle, came, size)
        return came.raw[:length]

    @property
    def flash(self) -> tuple[bool, int, int]:
        """Whether the flash memory is asleep; commands that it took; how often it was woken."""
        values = (ctypes.c_uint64 * 3)()
        self._flash(self.handle, values)
        return bool(values[0]), values[1], values[2]
