"""USB-serial chips and the baud rates they support."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from stablespike.spec.link import (
    BAUD_DEFAULT,
    BAUD_TOLERANCE,
    BIT_PARTS,
    CLOCKS_PER_BIT_MIN,
    bit_time,
)

__all__ = ["ADAPTER", "BL702", "FT231X", "FT2232H", "SerialChip", "fastest_baud"]


@dataclass(frozen=True)
class SerialChip:
    """A chip between USB and the UART's pins.

    Attributes
    ----------
    name : str
        Name of the chip.
    base_hz : int
        Clock that the chip divides its rates from: by 1, by 1.5, and from 2 on in steps of 1/8.
    highest : int
        Highest rate to use, in baud.
    cable : str
        What to plug in, in words.
    """

    name: str
    base_hz: int
    highest: int
    cable: str

    def rates(self) -> Iterator[Fraction]:
        """Rates from the highest down to ``BAUD_DEFAULT``, as far as they are integers."""
        for eighths in (8, 12, *range(16, 8 * self.base_hz // BAUD_DEFAULT + 1)):
            rate = Fraction(8 * self.base_hz, eighths)
            if rate <= self.highest and rate.denominator == 1:
                yield rate


# FTDI AN_120: the base is 3 MHz, and 12 MHz for the high-speed chips.
FT2232H = SerialChip("FT2232H", 12_000_000, 12_000_000, "USB, the port it is programmed through")
FT231X = SerialChip(
    "FT231X", 3_000_000, 3_000_000, "USB, the port it is programmed through"
)
# The Tang Nano's debugger is a BL702. Its firmware documents rates up to 2 Mbaud; users report that
# 3 Mbaud is clean.
BL702 = SerialChip("BL702", 3_000_000, 3_000_000, "USB, the port it is programmed through")
# For boards without a USB-serial chip: a common 3.3 V adapter.
ADAPTER = SerialChip(
    "3.3 V adapter", 3_000_000, 3_000_000, "a 3.3 V USB-serial adapter at two pins of a header"
)


def fastest_baud(chip: SerialChip, clock_hz: int) -> int:
    """The highest rate that chip and clock have in common.

    The clock must divide to the rate within ``BAUD_TOLERANCE``, by at least ``CLOCKS_PER_BIT_MIN``
    in steps of ``1 / BIT_PARTS``.

    Raises
    ------
    ValueError
        If there is no such rate from ``BAUD_DEFAULT`` up.
    """
    for rate in chip.rates():
        parts = bit_time(clock_hz, int(rate))
        if parts < BIT_PARTS * CLOCKS_PER_BIT_MIN:
            continue
        if abs(Fraction(BIT_PARTS * clock_hz, parts) - rate) <= BAUD_TOLERANCE * rate:
            return int(rate)
    raise ValueError(
        f"clock_hz must divide to a rate of the {chip.name} of at least {BAUD_DEFAULT} baud with "
        f"{CLOCKS_PER_BIT_MIN} clocks per bit, not {clock_hz}"
    )
