"""Lattice ECP5 Versa."""

from .ecp5 import Ecp5Board
from .links.uart import UartLink
from .links.udp import UdpLink
from .serial import FT2232H

__all__ = ["BOARDS"]

BOARDS = (
    Ecp5Board(
        name="versa-ecp5",
        title="Lattice ECP5 Versa",
        device="LFE5UM-45F-8CABGA381",
        definition="amaranth_boards.versa_ecp5:VersaECP5Platform",
        array="ecp5-45f",
        oscillator_hz=100_000_000,
        target_hz=80_000_000,
        links=(UartLink(FT2232H), UdpLink()),
        leds={"alive": "led:0", "busy": "led:1", "error": "led:2"},
        reset="rst:0",
        loader=("-c", "ft2232"),
    ),
)
