"""USB-serial chips: the rates they can be set to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from stablespike.spec.link import BAUD_DEFAULT, BAUD_TOLERANCE, CLOCKS_PER_BIT_MIN

__all__ = ["ADAPTER", "BL702", "FT231X", "FT2232H", "SerialChip", "fastest_baud"]


@dataclass(frozen=True)
class SerialChip:
    """A chip between USB and the UART's pins.

    Attributes
    ----------
    name : of the chip.
    base_hz : what it divides its rates from, in eighths from 2 on, and by 1 and 1.5.
    highest : the highest rate it is trusted with.
    """

    name: str
    base_hz: int
    highest: int

    def rates(self) -> Iterator[Fraction]:
        """Rates from the highest down to ``BAUD_DEFAULT``, as far as they are whole."""
        for eighths in (8, 12, *range(16, 8 * self.base_hz // BAUD_DEFAULT + 1)):
            rate = Fraction(8 * self.base_hz, eighths)
            if rate <= self.highest and rate.denominator == 1:
                yield rate


# FTDI AN_120: divisors of 3 MHz, of 12 MHz for the high-speed chips.
FT2232H = SerialChip("FT2232H", 12_000_000, 12_000_000)
FT231X = SerialChip("FT231X", 3_000_000, 3_000_000)
# The Tang Nano's debugger is a BL702 with firmware that takes the usual rates up to 2 Mbaud.
BL702 = SerialChip("BL702", 2_000_000, 2_000_000)
# A board without a USB-serial chip: any 3.3 V adapter of the usual kind.
ADAPTER = SerialChip("3.3 V adapter", 3_000_000, 3_000_000)


def fastest_baud(chip: SerialChip, clock_hz: int) -> int:
    """The highest rate of the chip that the clock divides to within 1 %, with at least
    ``CLOCKS_PER_BIT_MIN`` clocks per bit.

    Raises
    ------
    ValueError
        If there is none from ``BAUD_DEFAULT`` on.
    """
    for rate in chip.rates():
        divisor = round(clock_hz / rate)
        if divisor < CLOCKS_PER_BIT_MIN:
            continue
        if abs(Fraction(clock_hz, divisor) - rate) <= BAUD_TOLERANCE * rate:
            return int(rate)
    raise ValueError(
        f"clock_hz must divide to a rate of the {chip.name} of at least {BAUD_DEFAULT} baud with "
        f"{CLOCKS_PER_BIT_MIN} clocks per bit, not {clock_hz}"
    )
