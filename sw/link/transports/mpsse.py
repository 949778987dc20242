"""Bytes over SPI, through the MPSSE of an FTDI chip: what a device has to send comes in transfers
that the host must make."""

from __future__ import annotations

import re
import time
from typing import Protocol

from ...spec.link import SPI_FIRST, SPI_FRAME_BYTES
from ...support.errors import LinkError

__all__ = ["AHEAD", "OUTPUTS", "RELEASED", "Mpsse", "MpsseBytes"]

# FTDI AN_108. The pins are ADBUS0 clock, 1 data out, 2 data in, 4 select. All others stay inputs:
# ADBUS3 leads to an LED of the FPGA on some boards, ADBUS7 to its reset.
OUTPUTS = 0x13
RELEASED, _SELECTED = 0x10, 0x00
_SET_PINS, _EXCHANGE, _SEND_NOW = 0x80, 0x31, 0x87
_ATTEMPTS = 4  # reads of the latency timer's time each, before a transfer counts as lost

AHEAD = 512
"""``ahead`` of transports over SPI: the device executes commands during the transfer that brings
more of them. With 1,024, the small arrays had no room for their reports (docs/links/spi.md)."""

_FLASH_SLEEPS = b"\xb9"  # "deep power-down" of most flash memories
_TRANSFER = 4096         # bytes, because the chip keeps as many for the host
_TAIL = 64               # bytes behind the last frame, in which its acknowledgement comes
_POLL = 512              # bytes of a transfer that only asks; about as long as USB takes for it


class Mpsse(Protocol):
    """What is used of ``pyftdi.ftdi.Ftdi``."""

    def write_data(self, data: bytes) -> int:
        """Send commands."""

    def read_data_bytes(self, size: int, attempt: int = 1) -> bytes | bytearray:
        """Read answers."""


class MpsseBytes:
    """A byte stream each way, in transfers that carry both at once.

    Bytes wait until ``read`` is called, or there are enough of them for a transfer. Each frame must
    be written whole.

    Parameters
    ----------
    chip : Mpsse
        The chip, with its pins set to ``RELEASED`` and ``OUTPUTS``.
    name : str
        The address, for messages.
    patience : int or None
        Bytes of silence after which ``read`` gives up before its timeout. For simulations, in which
        time passes only in transfers.

    Attributes
    ----------
    transfers : int
        Transfers so far.
    """

    def __init__(self, chip: Mpsse, name: str, patience: int | None = None) -> None:
        self.transfers = 0
        self._chip, self._name, self._patience = chip, name, patience
        self._out, self._in = bytearray(), bytearray()
        self._ended = True  # the last byte that came was a zero

    def sleep_flash(self) -> None:
        """Put a flash memory on the same pins to sleep. The device does not notice."""
        self._transfer(_FLASH_SLEEPS)

    def write(self, data: bytes) -> None:
        """Send a frame, or some zeros, with the next transfer."""
        self._out += data.rjust(SPI_FRAME_BYTES, b"\0")
        while len(self._out) >= _TRANSFER - 1:
            self._exchange()

    def read(self, timeout: float) -> bytes:
        """Bytes from the device, without the zeros that say nothing.

        Parameters
        ----------
        timeout : float
            Seconds to ask for them if none came with what was sent.

        Raises
        ------
        LinkError
            If the chip did not answer.
        """
        deadline = time.monotonic() + timeout
        asked = 0
        if self._out:
            self._exchange(_TAIL)
        while not self._in and time.monotonic() < deadline:
            if self._patience is not None and asked >= self._patience:
                break
            self._exchange(_POLL - 1)
            asked += _POLL
        came, self._in = bytes(self._in), bytearray()
        return came

    def reset(self) -> None:
        """Discard bytes of both directions."""
        self._out.clear()
        self._in.clear()

    def _exchange(self, zeros: int = 0) -> None:
        """One transfer, of as many bytes as there are, and some zeros behind them."""
        sent = self._out[: _TRANSFER - 1]
        del self._out[: _TRANSFER - 1]
        zeros = min(zeros, _TRANSFER - 1 - len(sent))
        came = self._transfer(bytes((SPI_FIRST,)) + sent + bytes(zeros))
        came = re.sub(rb"\0+", b"\0", came)
        if self._ended:
            came = came.removeprefix(b"\0")
        if came:
            self._ended = came.endswith(b"\0")
            self._in += came

    def _transfer(self, data: bytes) -> bytes:
        last = len(data) - 1
        self._chip.write_data(
            bytes((_SET_PINS, _SELECTED, OUTPUTS, _EXCHANGE, last & 0xFF, last >> 8)) + data
            + bytes((_SET_PINS, RELEASED, OUTPUTS, _SEND_NOW))
        )
        came = bytes(self._chip.read_data_bytes(len(data), _ATTEMPTS))
        self.transfers += 1
        if len(came) != len(data):
            raise LinkError(
                f"{self._name}: the USB chip answered {len(came)} of {len(data)} bytes of a "
                "transfer: plug the board in again, and check that no other program uses it"
            )
        return came
