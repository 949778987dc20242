"""Registers, and the leak, in the multipliers of an iCE40UP5K.

It has eight, and nothing to multiply. Each saves 32 logic cells as a register, twice that as one
in two stages. Elsewhere the components here are plain registers.
"""

from __future__ import annotations

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..lib.checks import whole
from .devices import has_multipliers

__all__ = ["Count", "Delayed", "Held", "less_share"]

_WIDTH = 32
_HALF = 16


def _multiplier(m: Module, name: str, output: Signal, **connections: object) -> None:
    """An SB_MAC16 whose 32-bit ``output`` comes from its output registers."""
    inputs = {
        **{f"i_{half}": Const(0, _HALF) for half in "ABCD"},
        **{f"i_{half}HOLD": 0 for half in "ABCD"},
        **{f"i_{what}{half}": 0 for what in ("IRST", "ORST", "OLOAD", "ADDSUB", "OHOLD")
           for half in ("TOP", "BOT")},
        "i_CI": 0, "i_ACCUMCI": 0, "i_SIGNEXTIN": 0,
        "i_CLK": ClockSignal(), "i_CE": 1,
        "p_TOPOUTPUT_SELECT": Const(1, 2), "p_BOTOUTPUT_SELECT": Const(1, 2),
    }
    m.submodules[name] = Instance("SB_MAC16", **{**inputs, **connections}, o_O=output)


class Held(wiring.Component):
    """A register of ``width`` bits without reset: ``o`` becomes ``i`` where ``load`` is up.

    Parameters
    ----------
    width : of it.

    Raises
    ------
    TypeError, ValueError
        If ``width`` is not a whole number of at least 1.
    """

    def __init__(self, width: int) -> None:
        self.width = whole("width", width, 1)
        super().__init__({"i": In(width), "load": In(1), "o": Out(width)})

    def elaborate(self, platform) -> Module:
        m = Module()
        if not has_multipliers(platform):
            o = Signal(self.width, reset_less=True)
            m.d.comb += self.o.eq(o)
            with m.If(self.load):
                m.d.sync += o.eq(self.i)
            return m
        for at in range(0, self.width, _WIDTH):
            value = Signal(_WIDTH)
            m.d.comb += value.eq(self.i[at : at + _WIDTH])
            held = Signal(_WIDTH)
            m.d.comb += self.o[at : at + _WIDTH].eq(held)
            _multiplier(
                m, f"held{at}", held, i_C=value[_HALF:], i_D=value[:_HALF],
                i_OLOADTOP=1, i_OLOADBOT=1, i_OHOLDTOP=~self.load, i_OHOLDBOT=~self.load,
            )
        return m


class Delayed(wiring.Component):
    """``o`` is what ``i`` was two cycles ago; no reset.

    Parameters
    ----------
    width : of both.

    Raises
    ------
    TypeError, ValueError
        If ``width`` is not a whole number of at least 1.
    """

    def __init__(self, width: int) -> None:
        self.width = whole("width", width, 1)
        super().__init__({"i": In(width), "o": Out(width)})

    def elaborate(self, platform) -> Module:
        m = Module()
        if not has_multipliers(platform):
            first, second = (
                Signal(self.width, name=name, reset_less=True) for name in ("first", "second")
            )
            m.d.sync += [first.eq(self.i), second.eq(first)]
            m.d.comb += self.o.eq(second)
            return m
        for at in range(0, self.width, _WIDTH):
            value, delayed = Signal(_WIDTH), Signal(_WIDTH)
            m.d.comb += [
                value.eq(self.i[at : at + _WIDTH]),
                self.o[at : at + _WIDTH].eq(delayed),
            ]
            _multiplier(
                m, f"delayed{at}", delayed, i_C=value[_HALF:], i_D=value[:_HALF],
                i_OLOADTOP=1, i_OLOADBOT=1, p_C_REG=Const(1, 1), p_D_REG=Const(1, 1),
            )
        return m


class Count(wiring.Component):
    """A count of 32 bits: ``o`` is the number of cycles, from reset on, in which ``up`` was up.

    ``up`` is not to be up in the first cycle behind a reset.
    """

    def __init__(self) -> None:
        super().__init__({"up": In(1), "o": Out(_WIDTH)})

    def elaborate(self, platform) -> Module:
        m = Module()
        if not has_multipliers(platform):
            m.d.sync += self.o.eq(self.o + self.up)
            return m
        running = Signal()
        m.d.sync += running.eq(1)
        _multiplier(
            m, "count", self.o, i_B=Const(1, _HALF), i_OLOADTOP=~running, i_OLOADBOT=~running,
            i_OHOLDTOP=running & ~self.up, i_OHOLDBOT=running & ~self.up,
            p_TOPADDSUB_CARRYSELECT=Const(2, 2),
        )
        return m


def _factor(shift: Value, on: Value) -> Value:
    """What a value is taken times for ``-(value >> shift) << 15``, or for nothing."""
    return Cat(on & (shift >= 15 - bit) for bit in range(_HALF)).as_signed()


def less_share(m: Module, name: str, value: Value, shift: Value, on: Value, base: Value) -> Value:
    """``base - (value >> shift)``, or ``base`` unless ``on``, one cycle later; by a multiplier.

    A share is rounded down, so what is left is rounded up: ``2**15 - 1`` is added to what is below
    the point. Setup time of all inputs is that of the multiplier: 9 ns.
    """
    total = Signal(_WIDTH, name=f"{name}_total")
    wide = Signal(signed(_WIDTH), name=f"{name}_base")
    times = Signal(signed(_HALF), name=f"{name}_value")
    m.d.comb += [
        wide.eq(Cat(Const(-1, 15), base).as_signed()),
        times.eq(value),
    ]
    _multiplier(
        m, name, total, i_A=times, i_B=_factor(shift, on), i_C=wide[_HALF:], i_D=wide[:_HALF],
        p_A_SIGNED=Const(1, 1), p_B_SIGNED=Const(1, 1),
        p_TOPADDSUB_LOWERINPUT=Const(2, 2), p_TOPADDSUB_UPPERINPUT=Const(1, 1),
        p_TOPADDSUB_CARRYSELECT=Const(2, 2),
        p_BOTADDSUB_LOWERINPUT=Const(2, 2), p_BOTADDSUB_UPPERINPUT=Const(1, 1),
    )
    return total[15:].as_signed()
