"""Settings of the devices' PLLs, found by trying all that may be the nearest.

Limits are those of the vendors' documents: Lattice FPGA-TN-02052 (iCE40 sysCLOCK PLL), Lattice
FPGA-DS-02012 (ECP5, sysCLOCK PLL timing), Gowin DS117 (GW1NR, PLL switching characteristic, C6/I5)
and AMD DS181 (Artix-7, PLL of speed grade -1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["TOLERANCE", "Pll", "artix_pll", "ecp5_pll", "gowin_pll", "ice40_pll"]

TOLERANCE = Fraction(1, 100)
"""How far the rate may be from the one asked for."""

_MHZ = 1_000_000


@dataclass(frozen=True)
class Pll:
    """A PLL's setting.

    Attributes
    ----------
    input_hz, output_hz : rates, the output as it really is.
    compare_hz : rate at which the phases are compared. vco_hz : of the oscillator inside.
    settings : the primitive's parameters, by name.
    """

    input_hz: int
    output_hz: Fraction
    compare_hz: Fraction
    vco_hz: Fraction
    settings: dict[str, int]

    @property
    def clock_hz(self) -> int:
        """The output rate, rounded to a whole Hz."""
        return round(self.output_hz)


def _nearest(kind: str, input_hz: int, wanted_hz: int, found: Iterable[Pll]) -> Pll:
    """The one nearest to the rate wanted; of equals the first.

    Raises
    ------
    TypeError, ValueError
        If a rate is no positive integer, or none is within ``TOLERANCE``.
    """
    for name, rate in (("input_hz", input_hz), ("output_hz", wanted_hz)):
        if not isinstance(rate, int) or isinstance(rate, bool):
            raise TypeError(f"{name} must be an integer, not {rate!r}")
        if rate < 1:
            raise ValueError(f"{name} must be at least 1, not {rate}")
    best = min(found, key=lambda pll: abs(pll.output_hz - wanted_hz), default=None)
    if best is None or abs(best.output_hz - wanted_hz) > TOLERANCE * wanted_hz:
        nearest = "" if best is None else f"; the nearest is {float(best.output_hz) / _MHZ:g} MHz"
        raise ValueError(
            f"the {kind} PLL cannot make {wanted_hz / _MHZ:g} MHz of {input_hz / _MHZ:g} MHz to "
            f"within {float(TOLERANCE):.0%}{nearest}: choose another clock"
        )
    return best


def _divided(
    input_hz: int, highest: int, taken: tuple[int, int], compared: tuple[int, int]
) -> Iterator[tuple[int, Fraction]]:
    """Dividers of an input in the range ``taken``, in MHz, whose phase comparison rates are in the
    range ``compared``, and these rates."""
    if not taken[0] * _MHZ <= input_hz <= taken[1] * _MHZ:
        return
    for divider in range(1, highest + 1):
        rate = Fraction(input_hz, divider)
        if compared[0] * _MHZ <= rate <= compared[1] * _MHZ:
            yield divider, rate


def _around(ratio: Fraction, highest: int) -> Iterator[int]:
    """The whole numbers from 1 on that are nearest to a ratio: no others make a nearer rate."""
    for number in (int(ratio), int(ratio) + 1):
        if 1 <= number <= highest:
            yield number


def ice40_pll(input_hz: int, output_hz: int) -> Pll:
    """An SB_PLL40 with simple feedback: in * (DIVF + 1) / (DIVR + 1) / 2**DIVQ.

    Raises
    ------
    TypeError, ValueError
        If a rate is no positive integer, or it cannot be made to within 1 %.
    """

    def settings() -> Iterator[Pll]:
        for divider, compare in _divided(input_hz, 16, (10, 133), (10, 133)):
            for divf in range(128):
                vco = compare * (divf + 1)
                if not 533 * _MHZ <= vco <= 1066 * _MHZ:
                    continue
                for divq in range(1, 7):
                    output = vco / 2**divq
                    if 16 * _MHZ <= output <= 275 * _MHZ:
                        yield Pll(input_hz, output, compare, vco, {
                            "DIVR": divider - 1, "DIVF": divf, "DIVQ": divq,
                            "FILTER_RANGE": _filter_range(compare),
                        })

    return _nearest("iCE40", input_hz, output_hz, settings())


def _filter_range(compare_hz: Fraction) -> int:
    """The loop filter's setting for a phase comparison rate."""
    bounds = (17, 26, 44, 66, 101)
    return 1 + sum(compare_hz >= bound * _MHZ for bound in bounds)


def ecp5_pll(input_hz: int, output_hz: int) -> Pll:
    """An EHXPLLL fed back from CLKOP, the clock being CLKOS: in / CLKI_DIV * CLKOP_DIV / CLKOS_DIV.

    Raises
    ------
    TypeError, ValueError
        If a rate is no positive integer, or it cannot be made to within 1 %.
    """

    def settings() -> Iterator[Pll]:
        for clki, compare in _divided(input_hz, 128, (8, 400), (10, 400)):
            # The middle of the oscillator's range leaves most room on either side.
            middle = Fraction(600 * _MHZ) / compare
            for clkop in sorted(range(1, 129), key=lambda each: abs(each - middle)):
                vco = compare * clkop
                if not 400 * _MHZ <= vco <= 800 * _MHZ:
                    continue
                for clkos in _around(vco / output_hz, 128):
                    if _MHZ * 25 / 8 <= vco / clkos <= 400 * _MHZ:
                        yield Pll(input_hz, vco / clkos, compare, vco, {
                            "CLKI_DIV": clki, "CLKFB_DIV": 1,
                            "CLKOP_DIV": clkop, "CLKOP_CPHASE": clkop - 1,
                            "CLKOS_DIV": clkos, "CLKOS_CPHASE": clkos - 1,
                        })

    return _nearest("ECP5", input_hz, output_hz, settings())


def gowin_pll(input_hz: int, output_hz: int) -> Pll:
    """An rPLL of a GW1NR-9 C6/I5: in * (FBDIV_SEL + 1) / (IDIV_SEL + 1).

    Raises
    ------
    TypeError, ValueError
        If a rate is no positive integer, or it cannot be made to within 1 %.
    """

    def settings() -> Iterator[Pll]:
        for divider, compare in _divided(input_hz, 64, (3, 400), (3, 400)):
            for multiplier in _around(output_hz / compare, 64):
                fbdiv, output = multiplier - 1, compare * multiplier
                if not _MHZ * 25 / 8 <= output <= 600 * _MHZ:
                    continue
                for odiv in (2, 4, *range(8, 129, 8)):
                    vco = output * odiv
                    if (odiv <= 16 or odiv % 16 == 0) and 400 * _MHZ <= vco <= 1200 * _MHZ:
                        yield Pll(input_hz, output, compare, vco, {
                            "IDIV_SEL": divider - 1, "FBDIV_SEL": fbdiv, "ODIV_SEL": odiv,
                        })

    return _nearest("GW1NR", input_hz, output_hz, settings())


def artix_pll(input_hz: int, output_hz: int) -> Pll:
    """A PLLE2: in * CLKFBOUT_MULT / DIVCLK_DIVIDE / CLKOUT0_DIVIDE.

    Raises
    ------
    TypeError, ValueError
        If a rate is no positive integer, or it cannot be made to within 1 %.
    """

    def settings() -> Iterator[Pll]:
        for divclk, compare in _divided(input_hz, 56, (19, 800), (19, 450)):
            for mult in range(2, 65):
                vco = compare * mult
                if not 800 * _MHZ <= vco <= 1600 * _MHZ:
                    continue
                for divide in _around(vco / output_hz, 128):
                    output = vco / divide
                    if output >= _MHZ * 25 / 4:
                        yield Pll(input_hz, output, compare, vco, {
                            "CLKFBOUT_MULT": mult, "DIVCLK_DIVIDE": divclk,
                            "CLKOUT0_DIVIDE": divide,
                        })

    return _nearest("Artix-7", input_hz, output_hz, settings())
