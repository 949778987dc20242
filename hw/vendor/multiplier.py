"""Registers, and the leak, in the multipliers of an iCE40UP5K.

The device has eight multipliers, and the design has nothing to multiply. Used as a register, a
multiplier saves 32 logic cells; used as two registers in a row, it saves 64. On other devices the
components here are plain registers.
"""

from __future__ import annotations

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .devices import has_multipliers

__all__ = ["Count", "Delay", "EnableRegister", "with_shifted"]

_WIDTH = 32
_HALF = 16
_MOST = 2  # multipliers of an ``EnableRegister``: with more, a core with wide counters has nine


def _multiplier(m: Module, name: str, output: Value, **connections: object) -> None:
    """An SB_MAC16 whose 32-bit ``output`` comes from its output registers."""
    # Nothing is negated, cascaded or held unless ``connections`` says so, and the output is the
    # adder's, registered (OUTPUT_SELECT 1).
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


def _loaded(m: Module, name: str, i: Value, o: Value, **connections: object) -> None:
    """``o`` is ``i``, registered in the outputs of as many multipliers as needed.

    The load inputs bring C and D past the adder to the output registers.
    """
    for low in range(0, len(i), _WIDTH):
        value, output = Signal(_WIDTH), Signal(_WIDTH)
        m.d.comb += [value.eq(i[low : low + _WIDTH]), o[low : low + _WIDTH].eq(output)]
        _multiplier(
            m, f"{name}{low}", output, i_C=value[_HALF:], i_D=value[:_HALF],
            i_OLOADTOP=1, i_OLOADBOT=1, **connections,
        )


class EnableRegister(wiring.Component):
    """A register with an enable and without reset, of which two multipliers hold up to 64 bits.

    Parameters
    ----------
    width : int
        Bits of the register.

    Members
    -------
    i : In(width)
        The value to load.
    load : In(1)
        ``o`` becomes ``i`` at the end of this cycle.
    o : Out(width)
        The value loaded last; undefined before the first load.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__({"i": In(width), "load": In(1), "o": Out(width)})

    def elaborate(self, platform) -> Module:
        m = Module()
        inside = min(self.width, _MOST * _WIDTH) if has_multipliers(platform) else 0
        if inside:
            _loaded(
                m, "held", self.i[:inside], self.o[:inside],
                i_OHOLDTOP=~self.load, i_OHOLDBOT=~self.load,
            )
        if inside < self.width:
            rest = Signal(self.width - inside, reset_less=True)
            m.d.comb += self.o[inside:].eq(rest)
            with m.If(self.load):
                m.d.sync += rest.eq(self.i[inside:])
        return m


class Delay(wiring.Component):
    """Two registers in a row, without reset.

    Parameters
    ----------
    width : int
        Bits of either register.

    Members
    -------
    i : In(width)
        A value per cycle.
    o : Out(width)
        ``i`` of two cycles ago.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__({"i": In(width), "o": Out(width)})

    def elaborate(self, platform) -> Module:
        m = Module()
        if has_multipliers(platform):
            # The input registers of C and D are the first stage.
            _loaded(m, "delayed", self.i, self.o, p_C_REG=Const(1, 1), p_D_REG=Const(1, 1))
            return m
        first, second = (
            Signal(self.width, name=name, reset_less=True) for name in ("first", "second")
        )
        m.d.sync += [first.eq(self.i), second.eq(first)]
        m.d.comb += self.o.eq(second)
        return m


class Count(wiring.Component):
    """A counter of cycles, 32 bits wide; it wraps around to 0.

    Members
    -------
    up : In(1)
        This cycle counts; must be low in the first cycle after a reset.
    o : Out(32)
        The cycles counted since the reset, not including this one.
    """

    def __init__(self) -> None:
        super().__init__({"up": In(1), "o": Out(_WIDTH)})

    def elaborate(self, platform) -> Module:
        m = Module()
        if not has_multipliers(platform):
            m.d.sync += self.o.eq(self.o + self.up)
            return m
        # The output register has no reset here, so it loads C and D, which are 0, in the first
        # cycle. From then on it adds B, which is 1, and holds unless ``up``.
        running = Signal()
        m.d.sync += running.eq(1)
        _multiplier(
            m, "count", self.o, i_B=Const(1, _HALF), i_OLOADTOP=~running, i_OLOADBOT=~running,
            i_OHOLDTOP=running & ~self.up, i_OHOLDBOT=running & ~self.up,
            p_TOPADDSUB_CARRYSELECT=Const(2, 2),
        )
        return m


def _factor(shift: Value, on: Value) -> Value:
    """The factor that turns a value into ``-(value >> shift) << 15``, or 0 unless ``on``."""
    # In two's complement, -2**(15 - shift) has all bits set from bit 15 - shift up.
    return Cat(on & (shift >= 15 - bit) for bit in range(_HALF)).as_signed()


def with_shifted(
    m: Module, name: str, value: Value, shift: Value, on: Value, add: Value, base: Value
) -> Value:
    """``base - (value >> shift)``, one cycle later, by a multiplier.

    With ``add`` it is ``base + (value >> shift)``, and unless ``on`` it is ``base``.

    The shift is a product with a negative power of two, with 15 fraction bits; with ``add`` it is
    subtracted. It rounds down, so the difference has to round up: ``2**15 - 1`` is added in the
    fraction bits. All inputs need the multiplier's setup time of 9 ns.

    Parameters
    ----------
    m : Module
        The module that receives the multiplier.
    name : str
        Name of the multiplier; unique in ``m``.
    value : Value
        Signed, at most 16 bits.
    shift : Value
        Unsigned, 0 to 15.
    on : Value
        One bit.
    add : Value
        One bit.
    base : Value
        Signed, at most 17 bits.

    Returns
    -------
    Value
        Signed, 17 bits.
    """
    total = Signal(_WIDTH, name=f"{name}_total")
    wide = Signal(signed(_WIDTH), name=f"{name}_base")
    times = Signal(signed(_HALF), name=f"{name}_value")
    m.d.comb += [
        wide.eq(Cat((~add).replicate(15), base).as_signed()),  # 2**15 - 1 in the fraction bits
        times.eq(value),
    ]
    # The adder takes the product (LOWERINPUT 2) and C with D (UPPERINPUT 1), and subtracts the
    # product from them with ADDSUB. The carry goes from its bottom half to the top one
    # (CARRYSELECT 2).
    _multiplier(
        m, name, total, i_A=times, i_B=_factor(shift, on), i_C=wide[_HALF:], i_D=wide[:_HALF],
        i_ADDSUBTOP=add, i_ADDSUBBOT=add,
        p_A_SIGNED=Const(1, 1), p_B_SIGNED=Const(1, 1),
        p_TOPADDSUB_LOWERINPUT=Const(2, 2), p_TOPADDSUB_UPPERINPUT=Const(1, 1),
        p_TOPADDSUB_CARRYSELECT=Const(2, 2),
        p_BOTADDSUB_LOWERINPUT=Const(2, 2), p_BOTADDSUB_UPPERINPUT=Const(1, 1),
    )
    return total[15:].as_signed()
