"""SPI on an iCE40: the pins of the board's flash memory, which a chip on USB can drive, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stablespike.spec.link import SPI_HZ

from .link import BoardLink

if TYPE_CHECKING:
    from amaranth.hdl import Module
    from amaranth.lib.wiring import Component
    from stablespike.spec.array import ArrayConfig

    from ..board import Board

__all__ = ["SpiLink"]

_RESOURCE = "spi_link"


@dataclass(frozen=True)
class SpiLink(BoardLink):
    """SPI from channel A of an FT2232H: ADBUS0, 1, 2 and 4 are clock, data out, data in and select.

    The pins are those from which the FPGA read its configuration. The flash memory there sees all
    transfers, but their first byte is no command for it.

    Attributes
    ----------
    sck, copi, cipo, cs_n : str
        The pins.
    """

    sck: str
    copi: str
    cipo: str
    cs_n: str

    kind = "spi"

    @property
    def cable(self) -> str:
        return "USB, the port it is programmed through"

    def rate(self, board: Board) -> int:
        return SPI_HZ

    def address(self, board: Board) -> str:
        return "spi:"

    def wire(self, board: Board, config: ArrayConfig, build_id: bytes) -> Component:
        from stablespike.hw.link.spi import Spi

        if board.clock_hz < SPI_HZ:
            raise ValueError(
                f"{board.name} runs at {board.clock_hz} Hz, but SPI needs at least the {SPI_HZ} Hz "
                "of its own clock: use its UART"
            )
        return Spi()

    def add_resources(self, platform: Any) -> None:
        from amaranth.build import Attrs, Clock, Pins, Resource, Subsignal

        platform.add_resources([Resource(
            _RESOURCE, 0,
            Subsignal("sck", Pins(self.sck, dir="i"), Clock(SPI_HZ)),
            Subsignal("cs_n", Pins(self.cs_n, dir="i")),
            Subsignal("copi", Pins(self.copi, dir="i")),
            Subsignal("cipo", Pins(self.cipo, dir="o")),
            Attrs(IO_STANDARD="SB_LVCMOS"),
        )])

    def ports(self, platform: Any) -> Any:
        return platform.request(_RESOURCE, 0, dir="-")

    def connect(self, m: Module, platform: Any, board: Board, accelerator: Any, ports: Any) -> None:
        from amaranth.hdl import Instance
        from amaranth.lib import io

        for name in ("sck", "cs_n", "copi"):
            m.submodules[name] = buffer = io.Buffer("i", getattr(ports, name))
            if name == "sck":
                # nextpnr gives global nets to what has the most cells, and this clock has few. On
                # other wires it would come at different times, which no report says.
                m.submodules.clock_net = Instance(
                    "SB_GB", i_USER_SIGNAL_TO_GLOBAL_BUFFER=buffer.i,
                    o_GLOBAL_BUFFER_OUTPUT=accelerator.sck,
                )
            else:
                m.d.comb += getattr(accelerator, name).eq(buffer.i)
        m.submodules.cipo = buffer = io.Buffer("o", ports.cipo)
        m.d.comb += [buffer.o.eq(accelerator.cipo), buffer.oe.eq(accelerator.cipo_oe)]
