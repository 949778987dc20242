"""Boards at the pins of their SPI: an FTDI chip drives them, and a flash memory listens."""

from dataclasses import replace

import pytest
import stablespike as ss
from agreement import agree
from stablespike.boards.registry import board
from stablespike.link.transports.mpsse import MpsseBytes
from stablespike.sim.pins.kinds import open_pins
from test_boards_at_pins import CONFIG, program

ADDRESS = "sim:icebreaker?link=spi"


@pytest.fixture(scope="module")
def device():
    with ss.open_device(ADDRESS, CONFIG) as opened:
        yield opened


@pytest.mark.parametrize("latency", [0, 300_000_000])
def test_results_over_spi_are_those_of_golden(device, latency):
    pins = device.transport.pins
    pins.set_latency(latency)
    before = pins.statistics
    for seed in range(4):
        agree(device, *program(seed))
    after = pins.statistics
    # Both directions are clocked together.
    sent, came = (b - a for a, b in zip(before.wire_bytes, after.wire_bytes, strict=True))
    assert sent == came > 0
    # Its clock is 15 MHz; ours has whole picoseconds.
    assert after.occupied[0] - before.occupied[0] == pytest.approx(sent * 8e12 / 15e6, rel=1e-4)


def test_the_flash_memory_sleeps_through_it(device):
    assert device.transport.pins.flash == (True, 0, 0)


def test_the_flash_memory_is_noticed_when_it_hears_commands():
    chip = open_pins("icebreaker", "spi", CONFIG)
    raw = MpsseBytes(chip, "chip")
    raw._transfer(b"\0\x9f\xab")
    assert chip.flash == (False, 0, 0)
    raw._transfer(b"\x9f\0\0")
    assert chip.flash == (False, 1, 0)
    raw.sleep_flash()
    raw._transfer(b"\x9f\0\0")
    assert chip.flash == (True, 1, 0)
    raw._transfer(b"\xab\0\0")
    assert chip.flash == (False, 1, 1)


def test_commands_of_the_chip():
    chip = open_pins("icebreaker", "spi", CONFIG)
    chip.write_data(b"\xaa")  # there is none of this number
    assert chip.read_data_bytes(2) == b"\xfa\xaa"
    occupied = []
    for setting in (b"\x8a\x86\x01\0", b"\x86\x05\0", b"\x8b", b"\x86\0\0"):
        before = chip.statistics.occupied[0]
        chip.write_data(setting + b"\x82\0\0\x85\x31\0\0\x55\x87")
        assert len(chip.read_data_bytes(1)) == 1
        occupied.append(round(8e6 / (chip.statistics.occupied[0] - before), 2))
    assert occupied == [15, 5, 5, 6]  # MHz; a divider of 5 applies from the next setting on


def test_boards_need_a_clock_that_is_fast_enough():
    slow = replace(board("icebreaker"), target_hz=12_000_000)
    link = slow.link("spi")
    assert link.address(slow) == "spi:"
    with pytest.raises(ValueError, match=r"12000000 Hz, but SPI needs .* 15000000"):
        link.wire(slow, slow.config, bytes(16))
