"""USB: a serial port by a ULPI PHY, or straight from pins of the FPGA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from stablespike.spec.usb import PRODUCT

from ..ecp5 import pll_cell
from ..pll import ecp5_pll
from .link import BoardLink

if TYPE_CHECKING:
    from amaranth.hdl import Module
    from amaranth.lib.wiring import Component
    from stablespike.spec.array import ArrayConfig

    from ..board import Board

__all__ = ["FullSpeedLink", "UlpiLink"]

_ULPI_HZ, _LINE_HZ = 60_000_000, 48_000_000
_PHY_RESET_SECONDS = 1e-3  # USB3300 data sheet: at least 1 us; the clock starts within 1 ms


@dataclass(frozen=True)
class _UsbLink(BoardLink):
    """A serial port on USB.

    Attributes
    ----------
    socket : str
        The board's socket, in words.
    serial_number : str or None
        Serial number of the USB device; the build ID in hex if None.
    """

    socket: str
    serial_number: str | None = None

    kind = "usb"
    domain = "usb"
    bits: ClassVar[int]
    """Bits per second of the wire."""

    @property
    def cable(self) -> str:
        return f"USB, at {self.socket}"

    def rate(self, board: Board) -> int:
        return self.bits

    def address(self, board: Board) -> str:
        return "serial:"

    def strings(self, board: Board, build_id: bytes) -> tuple[str, str]:
        """Product string and serial number."""
        return f"{PRODUCT} {board.name}", self.serial_number or build_id.hex()


@dataclass(frozen=True)
class UlpiLink(_UsbLink):
    """High speed, by the PHY at the board's resource ``ulpi``, which brings the clock."""

    bits = 480_000_000

    def wire(self, board: Board, config: ArrayConfig, build_id: bytes) -> Component:
        from stablespike.hw.link.usb.wires import UlpiUsb

        return UlpiUsb(*self.strings(board, build_id))

    def ports(self, platform: Any) -> Any:
        return platform.request("ulpi", 0, dir="-")

    def connect(self, m: Module, platform: Any, board: Board, accelerator: Any, ports: Any) -> None:
        from amaranth.hdl import ClockDomain, Signal
        from amaranth.lib import io
        from amaranth.lib.cdc import ResetSynchronizer

        m.submodules.phy_clock = clock = io.Buffer("i", ports.clk)
        m.submodules.phy_data = data = io.Buffer("io", ports.data)
        for name in ("dir", "nxt"):
            m.submodules[f"phy_{name}"] = buffer = io.Buffer("i", getattr(ports, name))
            m.d.comb += getattr(accelerator, name).eq(buffer.i)
        m.submodules.phy_stop = stop = io.Buffer("o", ports.stp)
        m.submodules.phy_reset = reset = io.Buffer("o", ports.rst)
        # The PHY starts its clock when its reset ends, and the domain leaves reset with it.
        cycles = round(_PHY_RESET_SECONDS * board.clock_hz)
        waited, ready = Signal(range(cycles + 1)), Signal()
        with m.If(waited == cycles):
            m.d.sync += ready.eq(1)
        with m.Else():
            m.d.sync += waited.eq(waited + 1)
        m.domains.usb = usb = ClockDomain("usb")
        m.submodules.usb_reset = ResetSynchronizer(~ready, domain="usb")
        m.d.comb += [
            usb.clk.eq(clock.i),
            reset.o.eq(~ready),
            accelerator.data_i.eq(data.i),
            data.o.eq(accelerator.data_o),
            data.oe.eq(accelerator.data_oe),
            stop.o.eq(accelerator.stp),
        ]
        platform.add_clock_constraint(ports.clk.io, _ULPI_HZ)


@dataclass(frozen=True)
class FullSpeedLink(_UsbLink):
    """Full speed, straight from the pins of the board's resource ``usb``.

    A second PLL makes 48 and 12 MHz. They may be off by 0.25 % (USB 2.0, 7.1.11).
    """

    bits = 12_000_000

    def wire(self, board: Board, config: ArrayConfig, build_id: bytes) -> Component:
        from stablespike.hw.link.usb.wires import FullSpeedUsb

        return FullSpeedUsb(*self.strings(board, build_id))

    def ports(self, platform: Any) -> Any:
        return platform.request("usb", 0, dir="-")

    def connect(self, m: Module, platform: Any, board: Board, accelerator: Any, ports: Any) -> None:
        from amaranth.hdl import ClockDomain, Signal
        from amaranth.lib import io
        from amaranth.lib.cdc import ResetSynchronizer

        line, byte, locked = Signal(), Signal(), Signal()
        m.submodules.usb_pll = pll_cell(
            ecp5_pll(board.oscillator_hz, _LINE_HZ), m.submodules.crystal.i, line, locked, byte
        )
        for name, clock in (("usb_io", line), ("usb", byte)):
            domain = ClockDomain(name)
            m.domains += domain
            m.submodules[f"{name}_reset"] = ResetSynchronizer(~locked, domain=name)
            m.d.comb += domain.clk.eq(clock)
        for name in ("d_p", "d_n"):
            m.submodules[name] = buffer = io.Buffer("io", getattr(ports, name))
            m.d.comb += [
                getattr(accelerator, f"{name}_i").eq(buffer.i),
                buffer.o.eq(getattr(accelerator, f"{name}_o")),
                buffer.oe.eq(accelerator.d_oe),
            ]
        m.submodules.pullup = pullup = io.Buffer("o", ports.pullup)
        m.d.comb += pullup.o.eq(accelerator.pullup)
