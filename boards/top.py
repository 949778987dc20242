"""The top of a board's gateware: clock, reset, accelerator, link and LEDs."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockDomain, Const, Elaboratable, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer
from stablespike.hw.accelerator import WiredAccelerator
from stablespike.spec import ArrayConfig

from .board import Board
from .links.link import BoardLink

__all__ = ["Top"]

_SETTLE_SECONDS = 15e-6  # an iCE40's block RAM reads zeros for 3 us after configuration


class Top(Elaboratable):
    """The accelerator at a board's pins.

    Reset lasts from configuration until 15 us after the PLL has locked, and while the board's
    reset button is pressed.

    Parameters
    ----------
    board : Board
        Board with the pins.
    config : ArrayConfig
        Configuration of the array.
    build_id : bytes
        Build ID that the device reports.
    link : BoardLink
        Link of the board to use.
    """

    def __init__(
        self, board: Board, config: ArrayConfig, build_id: bytes, link: BoardLink
    ) -> None:
        self.board, self.config, self.build_id, self.link = board, config, build_id, link
        self._ports: dict[str, Any] = {}

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        board = self.board
        self._clock(m, platform)
        link = self.link
        m.submodules.accelerator = accelerator = WiredAccelerator(
            self.config, link.wire(board, self.config, self.build_id), self.build_id,
            clock_hz=board.clock_hz, domain=link.domain,
        )
        link.connect(m, platform, board, accelerator, link.ports(platform))
        for role, resource in board.leds.items():
            m.submodules[f"led_{role}"] = led = io.Buffer("o", self._port(platform, resource))
            m.d.comb += led.o.eq(getattr(accelerator, role) if role != "alive" else 1)
        return m

    def _clock(self, m: Module, platform: Any) -> None:
        board, pll = self.board, self.board.pll
        pin = platform.request(platform.default_clk, dir="-")
        clock, locked = Signal(), Signal()
        if pll is None:
            m.submodules.clock = buffer = io.Buffer("i", pin)
            m.d.comb += [clock.eq(buffer.i), locked.eq(1)]
        else:
            board.add_pll(m, pin, pll, clock, locked)
        pressed = Const(0)
        if board.reset is not None:
            m.submodules.button = button = io.Buffer("i", self._port(platform, board.reset))
            pressed = button.i
        # The domain ``settle`` leaves reset first; its counter then ends the reset of the array.
        m.domains.settle = settle = ClockDomain("settle", local=True)
        m.domains.sync = sync = ClockDomain("sync")
        m.d.comb += [settle.clk.eq(clock), sync.clk.eq(clock)]
        m.submodules.settle_reset = ResetSynchronizer(~locked | pressed, domain="settle")
        waited = Signal(range(round(_SETTLE_SECONDS * board.clock_hz) + 1))
        settled = Signal()
        with m.If(waited == round(_SETTLE_SECONDS * board.clock_hz)):
            m.d.settle += settled.eq(1)
        with m.Else():
            m.d.settle += waited.eq(waited + 1)
        m.submodules.reset = ResetSynchronizer(~settled, domain="sync")

    def _port(self, platform: Any, resource: str) -> Any:
        """The port of ``name:number`` or ``name:number.signal``."""
        numbered, _, signal = resource.partition(".")
        # A resource can be requested once only, and several LEDs may be signals of one.
        if numbered not in self._ports:
            name, _, number = numbered.partition(":")
            self._ports[numbered] = platform.request(name, int(number), dir="-")
        port = self._ports[numbered]
        return getattr(port, signal) if signal else port
