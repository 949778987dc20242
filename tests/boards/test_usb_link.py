"""Boards with USB of their own: clocks, pins, and what they tell about themselves."""

from dataclasses import replace
from fractions import Fraction

import pytest
from stablespike.boards.flow import elaborate
from stablespike.boards.links.usb import FullSpeedLink, UlpiLink
from stablespike.boards.pll import ecp5_pll
from stablespike.boards.registry import BOARDS
from stablespike.hw import accelerator
from stablespike.spec.link import BUILD_ID_BYTES
from test_flow import Little

pytest.importorskip("luna", reason="luna-usb is not installed")
BUILD_ID = bytes(range(BUILD_ID_BYTES))
USB = {
    name: link for name, board in BOARDS.items() for link in board.links if link.kind == "usb"
}
TOLERANCE = Fraction(25, 10_000)  # USB 2.0, 7.1.11
CRYSTAL = Fraction(50, 1_000_000)


def test_boards_with_usb():
    assert set(USB) == {
        "orangecrab-25f", "orangecrab-85f", "ulx3s-12f", "ulx3s-25f", "ulx3s-45f", "ulx3s-85f",
        "ecpix5-45f", "ecpix5-85f",
    }
    for name, link in USB.items():
        assert link.rate(BOARDS[name]) == (480_000_000 if "ecpix5" in name else 12_000_000)
        assert link.address(BOARDS[name]) == "serial:"
        assert "socket" in link.cable


@pytest.mark.parametrize("name", [n for n, link in USB.items() if isinstance(link, FullSpeedLink)])
def test_the_clock_of_full_speed_is_near_enough(name):
    pll = ecp5_pll(BOARDS[name].oscillator_hz, 48_000_000)
    assert abs(pll.output_hz / 48_000_000 - 1) + CRYSTAL < TOLERANCE
    assert 4 * pll.settings["CLKOS_DIV"] <= 128


@pytest.mark.parametrize(("name", "constraints"), [
    ("ecpix5-45f", ('FREQUENCY PORT "ulpi_0__clk__io" 60000000.0 HZ', '"ulpi_0__rst__io" SITE')),
    ("ulx3s-12f", ('FREQUENCY PORT "clk25_0__io" 25000000.0 HZ', '"usb_0__pullup__io" SITE "B12"')),
])
def test_pins_and_clocks(name, constraints, monkeypatch, tmp_path):
    monkeypatch.setattr(accelerator, "Accelerator", Little)
    board = BOARDS[name]
    elaborate(board, replace(board.config, link_bytes=1), BUILD_ID, tmp_path, USB[name])
    text = (tmp_path / "top.lpf").read_text()
    for each in constraints:
        assert each in text


def test_the_serial_number_is_the_build_id_unless_it_is_given():
    board, link = BOARDS["ecpix5-45f"], USB["ecpix5-45f"]
    assert isinstance(link, UlpiLink)
    assert link.strings(board, BUILD_ID) == ("StableSpike ecpix5-45f", BUILD_ID.hex())
    assert replace(link, serial_number="lab 3").strings(board, BUILD_ID)[1] == "lab 3"
    with pytest.raises(ValueError, match="serial_number must be 1 to 126 printable"):
        replace(link, serial_number="\n").wire(board, board.config, BUILD_ID)
