"""Baud rates of the link, which chip and clock must have in common."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stablespike.boards.serial import ADAPTER, BL702, FT231X, FT2232H, fastest_baud
from stablespike.spec.link import BAUD_DEFAULT, CLOCKS_PER_BIT_MIN

MHZ = 1_000_000


@pytest.mark.parametrize(
    ("chip", "clock", "baud"),
    [
        (FT2232H, 24 * MHZ, 6_000_000),   # 4 clocks per bit
        (FT2232H, 40 * MHZ, 8_000_000),
        (FT2232H, 80 * MHZ, 12_000_000),  # 6 5/8 clocks per bit
        (FT231X, 96 * MHZ, 3_000_000),    # the chip's highest
        (FT231X, 80 * MHZ, 3_000_000),    # 26 5/8 clocks per bit
        (BL702, 27 * MHZ, 3_000_000),
    ],
)
def test_the_fastest_rate(chip, clock, baud):
    assert fastest_baud(chip, clock) == baud


@given(chip=st.sampled_from([FT2232H, FT231X, BL702, ADAPTER]), clock=st.integers(12, 150))
def test_every_rate_is_divided_well(chip, clock):
    baud = fastest_baud(chip, clock * MHZ)
    assert BAUD_DEFAULT <= baud <= chip.highest
    divisor = Fraction(round(Fraction(8 * clock * MHZ, baud)), 8)
    assert divisor >= CLOCKS_PER_BIT_MIN
    assert abs(Fraction(clock * MHZ) / divisor / baud - 1) <= Fraction(1, 100)


def test_a_clock_that_is_too_slow_is_refused():
    with pytest.raises(ValueError, match=r"clock_hz must divide .* of the FT231X .* not 100000$"):
        fastest_baud(FT231X, 100_000)
