"""Boards simulated at the pins of their USB: a ULPI PHY, or D+ and D-."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from stablespike.support.errors import LinkError

from .design import Design
from .transport import PinsTransport

__all__ = ["UsbPins", "UsbStatistics"]

# Bulk packets of 512 and 64 bytes: 13 in an eighth of a millisecond, 19 in one (USB 2.0, 5.8.4).
_BULK_BYTES = {"ulpi.h": 53_248_000, "full_speed.h": 1_216_000}
# Times in ps without a byte, and in all, that end a batch: longer than a packet; a frame.
_BATCH = {"ulpi.h": (20_000_000, 250_000_000), "full_speed.h": (150_000_000, 1_000_000_000)}
_DESCRIPTOR_ROOM = 512


@dataclass(frozen=True)
class UsbStatistics:
    """What the simulated host saw so far; pairs are to the board and from it.

    Attributes
    ----------
    payload : tuple of int
        Bytes in bulk packets.
    packets : tuple of int
        Bulk packets that were acknowledged.
    refused : tuple of int
        Times that the board had no room, or nothing to send.
    repeated : int
        Packets from the board that came twice.
    errors : int
        Times without an answer, or with a broken one.
    frames : int
        Packets that start a frame, or an eighth of one.
    configured : bool
        Whether the host took the device into use.
    gone : bool
        Whether the host gave the device up.
    """

    payload: tuple[int, int]
    packets: tuple[int, int]
    refused: tuple[int, int]
    repeated: int
    errors: int
    frames: int
    configured: bool
    gone: bool


class UsbPins(PinsTransport):
    """A board at the pins of its USB, with a host that has a driver for serial ports."""

    shared = True
    headers = ("usb_host.h", "usb_exports.h")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        handle, numbers = ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint64)
        self._usb = self.function("usb_statistics", handle, numbers)
        self._descriptor = self.function(
            "usb_descriptor", handle, ctypes.c_uint32, ctypes.c_char_p, ctypes.c_uint64,
            result=ctypes.c_int64,
        )
        self._refusals = self.function("usb_refusals", handle, result=ctypes.c_uint64)
        self._unplug = self.function("usb_unplug", handle)
        self._plug = self.function("usb_plug", handle)
        self._faults = self.function("usb_set_faults", handle, ctypes.c_uint32)

    def peer(self, design: Design) -> str:
        found = "ulpi.h" if "nxt_i" in design.pins else "full_speed.h"
        # Packets and frames set the pace of what arrives.
        self.quiet, self.gather = _BATCH[found]  # type: ignore[misc]
        self._bulk = _BULK_BYTES[found]
        return found

    @property
    def wire_rate(self) -> float:
        return float(self._bulk)

    @property
    def usb(self) -> UsbStatistics:
        """What the host saw."""
        values = (ctypes.c_uint64 * 11)()
        self._usb(self.handle, values)
        out, back, sent, came, full, empty, repeated, errors, frames, configured, gone = values
        return UsbStatistics(
            (out, back), (sent, came), (full, empty), repeated, errors, frames, bool(configured),
            bool(gone),
        )

    @property
    def refusals(self) -> int:
        """Requests of the host that the device refused."""
        return int(self._refusals(self.handle))

    def descriptor(self, kind: int, index: int = 0) -> bytes | None:
        """A descriptor that the host read; None if the device refused it."""
        room = ctypes.create_string_buffer(_DESCRIPTOR_ROOM)
        length = self._descriptor(self.handle, kind << 8 | index, room, _DESCRIPTOR_ROOM)
        return None if length < 0 else room.raw[:length]

    def read(self, timeout: float) -> bytes:
        if self.usb.gone:
            raise LinkError(f"{self.name} is gone: plug the board in again and retry")
        return super().read(timeout)

    def unplug(self) -> None:
        """Pull the plug."""
        self._unplug(self.handle)

    def plug(self) -> None:
        """Put it in again: the host resets the board, and takes it into use anew."""
        self._plug(self.handle)

    def set_faults(self, one_in: int) -> None:
        """Damage or lose one in so many bulk packets from now on; 0 for none."""
        self._faults(self.handle, one_in)
