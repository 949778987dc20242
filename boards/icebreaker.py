"""iCEBreaker."""

from .board import ROUTED
from .ice40 import Ice40Board
from .links.spi import SpiLink
from .links.uart import UartLink
from .serial import FT2232H

__all__ = ["BOARDS"]

BOARDS = (
    Ice40Board(
        name="icebreaker",
        title="1BitSquared iCEBreaker",
        device="iCE40UP5K-SG48",
        definition="amaranth_boards.icebreaker:ICEBreakerPlatform",
        array="icebreaker",
        oscillator_hz=12_000_000,
        target_hz=24_000_000,
        links=(UartLink(FT2232H), SpiLink(sck="15", copi="14", cipo="17", cs_n="16")),
        leds={"alive": "led_g:0", "busy": "led_g:1", "error": "led_r:0"},
        reset="button:0",
        resources="break_off_pmod",
        loader=("-b", "ice40_generic"),
        state=ROUTED,
        pll_pad=True,
    ),
)
