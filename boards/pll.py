"""Settings of the devices' PLLs, found by trying every setting that may be the nearest.

The limits are those of the vendors' documents: Lattice FPGA-TN-02052 (iCE40 sysCLOCK PLL), Lattice
FPGA-DS-02012 (ECP5, sysCLOCK PLL timing), Gowin DS117 (GW1NR, PLL switching characteristic, C6/I5)
and AMD DS181 (Artix-7, PLL of speed grade -1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

__all__ = ["TOLERANCE", "Pll", "artix_pll", "ecp5_pll", "gowin_pll", "ice40_pll"]

TOLERANCE = Fraction(1, 100)
"""Largest deviation from the requested rate, as a part of it."""

_MHZ = 1_000_000

Candidate = tuple[Fraction, Fraction, dict[str, int]]
"""Output rate, oscillator rate and parameters of one setting."""
Candidates = Callable[[int, Fraction], Iterator[Candidate]]
"""Settings for an input divider and the phase comparison rate it makes."""


@dataclass(frozen=True)
class Pll:
    """A PLL's setting.

    Attributes
    ----------
    input_hz : int
        Rate of the input.
    output_hz : Fraction
        Exact rate of the output.
    compare_hz : Fraction
        Rate at which the phases are compared.
    vco_hz : Fraction
        Rate of the oscillator inside the PLL.
    settings : dict of str to int
        Parameters of the primitive.
    """

    input_hz: int
    output_hz: Fraction
    compare_hz: Fraction
    vco_hz: Fraction
    settings: dict[str, int]

    @property
    def clock_hz(self) -> int:
        """The output rate, rounded to an integer in Hz."""
        return round(self.output_hz)


@dataclass(frozen=True)
class _Limits:
    """Limits of a device's PLL; each range is (lowest, highest) in MHz, both included."""

    device: str
    highest_divider: int
    input_mhz: tuple[int, int]
    compare_mhz: tuple[int, int]
    vco_mhz: tuple[int, int]
    output_mhz: tuple[float, int]

    def multipliers(self, compare_hz: Fraction, highest: int) -> range:
        """Multipliers up to ``highest`` that keep the oscillator within its range."""
        low, high = (Fraction(limit * _MHZ) / compare_hz for limit in self.vco_mhz)
        return range(ceil(low), min(highest, int(high)) + 1)


def _within(rate_hz: Fraction, limits_mhz: tuple[float, float]) -> bool:
    low, high = limits_mhz
    return low * _MHZ <= rate_hz <= high * _MHZ


def _search(limits: _Limits, input_hz: int, output_hz: int, candidates: Candidates) -> Pll:
    """The setting within the limits that is nearest to a rate; of equals the first.

    Raises
    ------
    TypeError, ValueError
        If a rate is not a positive integer, or no setting is within ``TOLERANCE``.
    """
    for name, rate in (("input_hz", input_hz), ("output_hz", output_hz)):
        if not isinstance(rate, int) or isinstance(rate, bool):
            raise TypeError(f"{name} must be an integer, not {rate!r}")
        if rate < 1:
            raise ValueError(f"{name} must be at least 1, not {rate}")
    found = (
        Pll(input_hz, output, compare, vco, settings)
        for divider, compare in _dividers(limits, input_hz)
        for output, vco, settings in candidates(divider, compare)
        if _within(vco, limits.vco_mhz) and _within(output, limits.output_mhz)
    )
    best = min(found, key=lambda pll: abs(pll.output_hz - output_hz), default=None)
    if best is None or abs(best.output_hz - output_hz) > TOLERANCE * output_hz:
        nearest = "" if best is None else f"; the nearest is {float(best.output_hz) / _MHZ:g} MHz"
        raise ValueError(
            f"the {limits.device} PLL cannot make {output_hz / _MHZ:g} MHz of "
            f"{input_hz / _MHZ:g} MHz to within {float(TOLERANCE):.0%}{nearest}: choose another "
            "clock"
        )
    return best


def _dividers(limits: _Limits, input_hz: int) -> Iterator[tuple[int, Fraction]]:
    """Input dividers within the limits, and the phase comparison rate of each."""
    if not _within(Fraction(input_hz), limits.input_mhz):
        return
    for divider in range(1, limits.highest_divider + 1):
        compare = Fraction(input_hz, divider)
        if _within(compare, limits.compare_mhz):
            yield divider, compare


def _around(ratio: Fraction, highest: int) -> Iterator[int]:
    """The integers from 1 to ``highest`` next to a ratio: no other comes nearer to the rate."""
    for number in (int(ratio), int(ratio) + 1):
        if 1 <= number <= highest:
            yield number


_ICE40 = _Limits("iCE40", 16, (10, 133), (10, 133), (533, 1066), (16, 275))


def ice40_pll(input_hz: int, output_hz: int) -> Pll:
    """An SB_PLL40 with simple feedback: in * (DIVF + 1) / (DIVR + 1) / 2**DIVQ.

    Raises
    ------
    TypeError, ValueError
        If a rate is not a positive integer, or cannot be made to within 1 %.
    """

    def candidates(divider: int, compare: Fraction) -> Iterator[Candidate]:
        for multiplier in _ICE40.multipliers(compare, 128):
            vco = compare * multiplier
            for divq in range(1, 7):
                yield vco / 2**divq, vco, {
                    "DIVR": divider - 1, "DIVF": multiplier - 1, "DIVQ": divq,
                    "FILTER_RANGE": _filter_range(compare),
                }

    return _search(_ICE40, input_hz, output_hz, candidates)


def _filter_range(compare_hz: Fraction) -> int:
    """The loop filter's setting for a phase comparison rate."""
    # Bounds in MHz, as icepll has them: Lattice's document leaves the choice to its own tool.
    bounds = (17, 26, 44, 66, 101)
    return 1 + sum(compare_hz >= bound * _MHZ for bound in bounds)


_ECP5 = _Limits("ECP5", 128, (8, 400), (10, 400), (400, 800), (3.125, 400))


def ecp5_pll(input_hz: int, output_hz: int) -> Pll:
    """An EHXPLLL fed back from CLKOP, with the clock at CLKOS.

    The rate is in / CLKI_DIV * CLKOP_DIV / CLKOS_DIV.

    Raises
    ------
    TypeError, ValueError
        If a rate is not a positive integer, or cannot be made to within 1 %.
    """

    def candidates(divider: int, compare: Fraction) -> Iterator[Candidate]:
        # Of several settings with the same output, the first is taken. It is the one nearest to the
        # middle of the oscillator's range, which leaves the most margin on either side.
        middle = Fraction(sum(_ECP5.vco_mhz) * _MHZ, 2) / compare
        for clkop in sorted(
            _ECP5.multipliers(compare, 128), key=lambda multiplier: abs(multiplier - middle)
        ):
            vco = compare * clkop
            for clkos in _around(vco / output_hz, 128):
                yield vco / clkos, vco, {
                    "CLKI_DIV": divider, "CLKFB_DIV": 1,
                    # A CPHASE of the divider minus 1 means no phase shift.
                    "CLKOP_DIV": clkop, "CLKOP_CPHASE": clkop - 1,
                    "CLKOS_DIV": clkos, "CLKOS_CPHASE": clkos - 1,
                }

    return _search(_ECP5, input_hz, output_hz, candidates)


_GOWIN = _Limits("GW1NR", 64, (3, 400), (3, 400), (400, 1200), (3.125, 600))
# The data sheet's values of ODIV_SEL, which only divides the oscillator down to the output.
_GOWIN_ODIV = (2, 4, 8, *range(16, 129, 16))


def gowin_pll(input_hz: int, output_hz: int) -> Pll:
    """An rPLL of a GW1NR-9 C6/I5: in * (FBDIV_SEL + 1) / (IDIV_SEL + 1).

    Raises
    ------
    TypeError, ValueError
        If a rate is not a positive integer, or cannot be made to within 1 %.
    """

    def candidates(divider: int, compare: Fraction) -> Iterator[Candidate]:
        for multiplier in _around(output_hz / compare, 64):
            output = compare * multiplier
            for odiv in _GOWIN_ODIV:
                yield output, output * odiv, {
                    "IDIV_SEL": divider - 1, "FBDIV_SEL": multiplier - 1, "ODIV_SEL": odiv,
                }

    return _search(_GOWIN, input_hz, output_hz, candidates)


_ARTIX = _Limits("Artix-7", 56, (19, 800), (19, 450), (800, 1600), (6.25, 800))


def artix_pll(input_hz: int, output_hz: int) -> Pll:
    """A PLLE2: in * CLKFBOUT_MULT / DIVCLK_DIVIDE / CLKOUT0_DIVIDE.

    Raises
    ------
    TypeError, ValueError
        If a rate is not a positive integer, or cannot be made to within 1 %.
    """

    def candidates(divider: int, compare: Fraction) -> Iterator[Candidate]:
        # CLKFBOUT_MULT starts at 2, and 1 would leave the oscillator below its range anyway.
        for multiplier in _ARTIX.multipliers(compare, 64):
            vco = compare * multiplier
            for divide in _around(vco / output_hz, 128):
                yield vco / divide, vco, {
                    "CLKFBOUT_MULT": multiplier, "DIVCLK_DIVIDE": divider,
                    "CLKOUT0_DIVIDE": divide,
                }

    return _search(_ARTIX, input_hz, output_hz, candidates)
