"""Sipeed Tang Nano 9K."""

from .board import PLACED
from .gowin import GowinBoard
from .links.uart import UartLink
from .serial import BL702

__all__ = ["BOARDS"]

BOARDS = (
    GowinBoard(
        name="tang-nano-9k",
        title="Sipeed Tang Nano 9K",
        device="GW1NR-LV9QN88PC6/I5",
        definition="amaranth_boards.tang_nano_9k:TangNano9kPlatform",
        array="gw1nr-9",
        oscillator_hz=27_000_000,
        target_hz=27_000_000,
        links=(UartLink(BL702),),
        leds={"alive": "led:0", "busy": "led:1", "error": "led:2"},
        reset="button:0",
        loader=("-b", "tangnano9k"),
        state=PLACED,
        pack_options=("--sspi_as_gpio", "--mspi_as_gpio"),
    ),
)
