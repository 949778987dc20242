"""The UART: behind a USB-serial chip, or at two pins for an adapter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..serial import SerialChip, fastest_baud
from .link import BoardLink

if TYPE_CHECKING:
    from amaranth.hdl import Module
    from amaranth.lib.wiring import Component
    from stablespike.spec.array import ArrayConfig

    from ..board import Board

__all__ = ["UartLink"]


@dataclass(frozen=True)
class UartLink(BoardLink):
    """A UART.

    Attributes
    ----------
    chip : SerialChip
        The chip between USB and the pins.
    pins : tuple or None
        Pins of a board whose definition has no UART: pin to the board, pin from the board, their
        connector, and the pins' attributes.
    """

    chip: SerialChip
    pins: tuple[str, str, tuple[str, int], dict[str, str]] | None = None

    kind = "uart"

    @property
    def cable(self) -> str:
        return self.chip.cable

    def rate(self, board: Board) -> int:
        return fastest_baud(self.chip, board.clock_hz)

    def baud(self, board: Board) -> int:
        return self.rate(board)

    def address(self, board: Board) -> str:
        return f"serial:PORT?baud={self.rate(board)}"

    def wire(self, board: Board, config: ArrayConfig, build_id: bytes) -> Component:
        from stablespike.hw.link.uart import Uart, default_divisor

        return Uart(default_divisor(board.clock_hz))

    def add_resources(self, platform: Any) -> None:
        if self.pins is None:
            return
        from amaranth.build import Attrs
        from amaranth_boards.resources import UARTResource

        rx, tx, connector, attributes = self.pins
        platform.add_resources(
            [UARTResource(0, rx=rx, tx=tx, conn=connector, attrs=Attrs(**attributes))]
        )

    def ports(self, platform: Any) -> Any:
        return platform.request("uart", 0, dir="-")

    def connect(self, m: Module, platform: Any, board: Board, accelerator: Any, ports: Any) -> None:
        from amaranth.lib import io

        m.submodules.rx = rx = io.Buffer("i", ports.rx)
        m.submodules.tx = tx = io.Buffer("o", ports.tx)
        m.d.comb += [accelerator.rx.eq(rx.i), tx.o.eq(accelerator.tx)]
