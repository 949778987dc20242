"""OrangeCrab r0.2, in two sizes.

The board has no USB-serial chip: the UART uses pins 0 (to the board) and 1 (from it) of its header.
"""

from .board import FLOW, PLACED
from .ecp5 import Ecp5Board
from .links.uart import UartLink
from .links.usb import FullSpeedLink
from .serial import ADAPTER

__all__ = ["BOARDS"]

# The 85F reaches 4 us for 784-128-10 without counters from 81.6 MHz on. 84 MHz also divides to
# 3 Mbaud, the highest rate of the adapter.
_RATES = {"25F": 80_000_000, "85F": 84_000_000}

BOARDS = tuple(
    Ecp5Board(
        name=f"orangecrab-{size.lower()}",
        title=f"OrangeCrab r0.2 {size}",
        device=f"LFE5U-{size}-8CSFBGA285",
        definition=f"amaranth_boards.orangecrab_r0_2:OrangeCrabR0_2_{size}Platform",
        array=f"ecp5-{size.lower()}",
        oscillator_hz=48_000_000,
        target_hz=_RATES[size],
        state=PLACED if size == "85F" else FLOW,
        links=(
            FullSpeedLink("its USB-C socket"),
            UartLink(ADAPTER, ("0", "1", ("io", 0), {"IO_TYPE": "LVCMOS33"})),
        ),
        leds={"alive": "rgb_led:0.g", "busy": "rgb_led:0.b", "error": "rgb_led:0.r"},
        reset="button:0",
        loader=("-b", "orangeCrab"),
        pack_options=("--compress", "--freq", "38.8"),
    )
    for size in ("25F", "85F")
)
