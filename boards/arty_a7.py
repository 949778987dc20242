"""Digilent Arty A7-35T."""

from .board import PROJECT
from .links.uart import UartLink
from .serial import FT2232H
from .xilinx import XilinxBoard

__all__ = ["BOARDS"]

BOARDS = (
    XilinxBoard(
        name="arty-a7-35t",
        title="Digilent Arty A7-35T",
        device="xc7a35ticsg324-1L",
        definition="amaranth_boards.arty_a7:ArtyA7_35Platform",
        array="icebreaker",
        oscillator_hz=100_000_000,
        target_hz=80_000_000,
        links=(UartLink(FT2232H),),
        leds={"alive": "led:0", "busy": "led:1", "error": "led:2"},
        reset="rst:0",
        loader=("-b", "arty_a7_35t"),
        state=PROJECT,
    ),
)
