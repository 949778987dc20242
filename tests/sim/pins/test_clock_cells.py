"""Clocks of boards at their pins: the rates are those that the cells' parameters say."""

from fractions import Fraction

import pytest
from amaranth.hdl import ClockDomain, Elaboratable, Instance, Module, Signal
from amaranth.lib import io
from stablespike.boards.registry import BOARDS
from stablespike.sim.pins.design import Clock, elaborate
from stablespike.support.errors import ToolError

ULX3S = BOARDS["ulx3s-25f"]


class Clocked(Elaboratable):
    """A register on a clock that ``make`` adds behind the pin of the crystal."""

    def __init__(self, make):
        self.make = make

    def elaborate(self, platform):
        m = Module()
        pin = platform.request(platform.default_clk, dir="-")
        m.domains.sync = sync = ClockDomain(reset_less=True)
        self.make(m, pin, sync.clk)
        state = Signal()
        m.d.sync += state.eq(~state)
        m.submodules.led = led = io.Buffer("o", platform.request("uart", 0, dir="-").tx)
        m.d.comb += led.o.eq(state)
        return m


def add_ecp5(m, source, outputs, **parameters):
    """Add an ECP5's PLL."""
    m.submodules += Instance(
        "EHXPLLL", i_CLKI=source, **{f"p_{name}": value for name, value in parameters.items()},
        **{f"o_{name}": signal for name, signal in outputs.items()},
    )


@pytest.mark.parametrize("name", [name for name in BOARDS if BOARDS[name].pll])
def test_the_clock_of_a_board_is_that_of_its_pll(name):
    board = BOARDS[name]

    def make(m, pin, clock):
        board.add_pll(m, pin, board.pll, clock, Signal())

    design = elaborate(Clocked(make), board)
    clock = design.clocks[design.sync]
    assert Fraction(clock.hertz, clock.part) == board.pll.output_hz
    assert clock.first == 0


def test_a_crystal_may_be_the_clock():
    def make(m, pin, clock):
        m.submodules.clock = buffer = io.Buffer("i", pin)
        m.d.comb += clock.eq(buffer.i)

    design = elaborate(Clocked(make), ULX3S)
    assert design.clocks == (Clock("crystal", 25_000_000, 1, 0),)
    assert design.pins == ("rx_i", "tx_o", "tx_oe", "rts_i", "dtr_i")


def test_outputs_of_a_pll_have_rates_and_phases_and_may_feed_another_one():
    def make(m, pin, clock):
        m.submodules.crystal = buffer = io.Buffer("i", pin)
        fast, late, slow = Signal(), Signal(), Signal()
        # 25 MHz, times 4: the oscillator runs at 600 MHz.
        add_ecp5(
            m, buffer.i, {"CLKOP": clock, "CLKOS": fast, "CLKOS2": late}, CLKFB_DIV=4,
            CLKOP_DIV=6, CLKOP_CPHASE=5, CLKOS_DIV=5, CLKOS_CPHASE=4, CLKOS2_DIV=6,
            CLKOS2_CPHASE=6, CLKOS2_FPHASE=4,
        )
        add_ecp5(m, fast, {"CLKOP": slow}, CLKI_DIV=7, CLKFB_DIV=2, CLKOP_DIV=12)

    clocks = {
        (Fraction(clock.hertz, clock.part), clock.first)
        for clock in elaborate(Clocked(make), ULX3S).clocks
    }
    assert clocks == {
        (100_000_000, 0), (120_000_000, 0), (100_000_000, 2500), (Fraction(240_000_000, 7), 0),
    }


def test_a_pll_behind_logic_has_no_rate():
    def make(m, pin, clock):
        m.submodules.crystal = buffer = io.Buffer("i", pin)
        add_ecp5(m, ~buffer.i, {"CLKOP": clock}, CLKOP_DIV=8)

    with pytest.raises(ToolError, match="rate at the input of EHXPLLL is unknown"):
        elaborate(Clocked(make), ULX3S)


def test_two_pins_of_a_link_need_two_names():
    class Twice(Elaboratable):
        def elaborate(self, platform):
            for number in range(2):
                platform.request("eth_rgmii", number, dir="-")
            return Module()

    with pytest.raises(ValueError, match="the link of versa-ecp5 has two pins rst_o"):
        elaborate(Twice(), BOARDS["versa-ecp5"])
