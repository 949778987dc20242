"""LambdaConcept ECPIX-5, in two sizes."""

from .ecp5 import Ecp5Board
from .links.uart import UartLink
from .links.udp import UdpLink
from .links.usb import UlpiLink
from .serial import FT2232H

__all__ = ["BOARDS"]

BOARDS = tuple(
    Ecp5Board(
        name=f"ecpix5-{size}f",
        title=f"LambdaConcept ECPIX-5 {size}F",
        device=f"LFE5UM5G-{size}F-8CABGA554",
        definition=f"amaranth_boards.ecpix5:ECPIX5{size}Platform",
        array=f"ecp5-{size}f",
        oscillator_hz=100_000_000,
        target_hz=80_000_000,
        links=(
            UartLink(FT2232H),
            UlpiLink("the USB-C socket"),
            UdpLink(control="ctrl", tx_delay_ps=2000),
        ),
        leds={"alive": "rgb_led:0.g", "busy": "rgb_led:1.b", "error": "rgb_led:2.r"},
        reset="rst:0",
        loader=("-b", "ecpix5"),
    )
    for size in (45, 85)
)
