"""Serial ports that are boards with USB of their own, found by what they tell about themselves."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ...spec.usb import PRODUCT, PRODUCT_ID, VENDOR_ID
from ...support.errors import DeviceNotFound

__all__ = ["UsbPort", "all_ports", "board_at", "find_board", "ports_in_words", "usb_boards"]

_TRIES = 3  # a port that goes while it is looked at makes pyserial stumble


@dataclass(frozen=True)
class UsbPort:
    """A board's port.

    Attributes
    ----------
    device : str
        Name of the port.
    product : str
        What the board says it is. Windows does not tell it.
    serial_number : str
        Serial number of the board, the same at every port.
    """

    device: str
    product: str
    serial_number: str

    def __str__(self) -> str:
        return f"{self.device} ({self.product}, serial number {self.serial_number})"


def all_ports() -> list[Any]:
    """Serial ports of this computer, as pyserial lists them."""
    from serial.tools.list_ports import comports

    for _ in range(_TRIES):
        try:
            return sorted(comports(), key=lambda port: str(port.device))
        except (OSError, TypeError, ValueError):
            continue
    return []


def usb_boards() -> list[UsbPort]:
    """Boards that are a USB device of this project."""
    found = []
    for port in all_ports():
        product = getattr(port, "product", None)
        if (getattr(port, "vid", None), getattr(port, "pid", None)) != (VENDOR_ID, PRODUCT_ID):
            continue
        # The ID is one for tests, so the name decides where it is told.
        if product is None or product.startswith(PRODUCT):
            found.append(UsbPort(port.device, product or PRODUCT, port.serial_number or "unknown"))
    return found


def find_board(serial_number: str | None = None) -> UsbPort:
    """The only board, or the one with a serial number.

    Raises
    ------
    DeviceNotFound
        If there is none, or more than one; lists what there is.
    """
    boards = usb_boards()
    fit = [board for board in boards if serial_number in (None, board.serial_number)]
    if len(fit) == 1:
        return fit[0]
    if not fit:
        wanted = "board with USB of its own" if serial_number is None else (
            f"board with the USB serial number {serial_number}"
        )
        raise DeviceNotFound(
            f"no {wanted} was found: plug one in, or name a port behind serial:; {ports_in_words()}"
        )
    remedy = "choose one with serial:?serial=NUMBER" if serial_number is None else (
        "they have the same serial number, so name the port behind serial:"
    )
    raise DeviceNotFound(
        f"{len(fit)} boards fit: {', '.join(map(str, fit))}; {remedy}"
    )


def board_at(port: str) -> UsbPort | None:
    """The board at a port; None if there is something else."""
    real = os.path.realpath(port)
    for board in usb_boards():
        if port == board.device or real == os.path.realpath(board.device):
            return board
    return None


def ports_in_words() -> str:
    """The ports that there are, for messages."""
    boards = {board.device: str(board) for board in usb_boards()}
    ports = [boards.get(port.device, str(port.device)) for port in all_ports()]
    return f"serial ports here: {', '.join(ports)}" if ports else "no serial ports here"
