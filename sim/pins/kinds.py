"""Boards simulated at their pins, by the kinds of their links."""

from __future__ import annotations

from stablespike.boards.board import Board
from stablespike.boards.registry import board as find_board
from stablespike.spec.array import ArrayConfig

from .spi import SpiPins
from .transport import PinsTransport
from .uart import UartPins
from .udp import UdpPins
from .usb import UsbPins

__all__ = ["KINDS", "open_pins"]

KINDS: dict[str, type[PinsTransport]] = {
    "uart": UartPins, "usb": UsbPins, "udp": UdpPins, "spi": SpiPins,
}
"""The class of each kind of link."""


def open_pins(name: str, kind: str, config: ArrayConfig | None = None) -> PinsTransport:
    """Simulate a board at the pins of one of its links.

    Parameters
    ----------
    name : str
        Name of the board.
    kind : str
        Kind of the link.
    config : ArrayConfig, optional
        Another array than the board's own.

    Raises
    ------
    ValueError
        If there is no such board, or it has no such link; lists what there is.
    ToolError
        If the gateware cannot be built on this machine; names what is missing.
    """
    board: Board = find_board(name)
    link = board.link(kind)
    return KINDS[link.kind](board, link, config)
