"""Colorlight 5A-75B, revision 7.0.

The UART uses the pins of J19: KEY+ to the board, DATA_LED- from it. That leaves neither the board's
only LED nor its button to the array.
"""

from .ecp5 import Ecp5Board
from .links.uart import UartLink
from .links.udp import UdpLink
from .serial import ADAPTER

__all__ = ["BOARDS"]

BOARDS = (
    Ecp5Board(
        name="colorlight-5a-75b",
        title="Colorlight 5A-75B 7.0",
        device="LFE5U-25F-6CABGA256",
        definition="amaranth_boards.colorlight_5a75b_r7_0:Colorlight_5A75B_R70Platform",
        array="ecp5-25f",
        oscillator_hz=25_000_000,
        target_hz=80_000_000,
        links=(UdpLink(rx_delay_ps=2000), UartLink(ADAPTER)),
        loader=("-b", "colorlight"),
    ),
)
