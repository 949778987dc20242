"""Lattice iCE40-HX8K breakout board."""

from .board import PLACED
from .ice40 import Ice40Board
from .links.spi import SpiLink
from .links.uart import UartLink
from .serial import FT2232H

__all__ = ["BOARDS"]

BOARDS = (
    Ice40Board(
        name="hx8k",
        title="Lattice iCE40-HX8K breakout board",
        device="iCE40HX8K-CT256",
        definition="amaranth_boards.ice40_hx8k_b_evn:ICE40HX8KBEVNPlatform",
        array="hx8k",
        oscillator_hz=12_000_000,
        target_hz=60_000_000,
        links=(UartLink(FT2232H), SpiLink(sck="R11", copi="P12", cipo="P11", cs_n="R12")),
        leds={"alive": "led:0", "busy": "led:1", "error": "led:2"},
        loader=("-b", "ice40_generic"),
        state=PLACED,
    ),
)
