"""Radiona ULX3S, in four sizes."""

from .board import FLOW, PLACED
from .ecp5 import Ecp5Board
from .links.uart import UartLink
from .links.usb import FullSpeedLink
from .serial import FT231X

__all__ = ["BOARDS"]

# A 12F is the same chip as a 25F, and the open tools use all of its 24 k LUTs.
_ARRAYS = {"12F": "ecp5-25f", "25F": "ecp5-25f", "45F": "ecp5-45f", "85F": "ecp5-85f"}
# In this slowest speed grade the 85F reaches 62 to 77 MHz, depending on the seed.
_RATES = {"12F": 80_000_000, "25F": 80_000_000, "45F": 80_000_000, "85F": 60_000_000}

BOARDS = tuple(
    Ecp5Board(
        name=f"ulx3s-{size.lower()}",
        title=f"Radiona ULX3S {size}",
        device=f"LFE5U-{size}-6CABGA381",
        definition=f"amaranth_boards.ulx3s:ULX3S_{size}_Platform",
        array=_ARRAYS[size],
        oscillator_hz=25_000_000,
        target_hz=_RATES[size],
        links=(UartLink(FT231X), FullSpeedLink("the socket US2")),
        leds={"alive": "led:0", "busy": "led:1", "error": "led:2"},
        reset="button_pwr:0",
        loader=("-b", "ulx3s"),
        state=PLACED if size == "25F" else FLOW,
        seed=2 if _ARRAYS[size] == "ecp5-25f" else 1,
    )
    for size in ("12F", "25F", "45F", "85F")
)
