"""The multipliers of the iCE40UP5K, put to other uses: eight of them, else idle, are 32 bits of
registers, or an adder, each."""

from __future__ import annotations

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .checks import whole

__all__ = ["WIDTH", "Held", "has_multipliers", "less_share", "share_factor"]

WIDTH = 32
_HALF = 16


def has_multipliers(platform) -> bool:
    """Whether the device has multipliers of this kind that the gateware leaves idle."""
    return getattr(platform, "device", "").startswith("iCE40UP")


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
        for at in range(0, self.width, WIDTH):
            value = Signal(WIDTH)
            m.d.comb += value.eq(self.i[at : at + WIDTH])
            held = Signal(WIDTH)
            m.d.comb += self.o[at : at + WIDTH].eq(held)
            _multiplier(
                m, f"held{at}", held, i_C=value[_HALF:], i_D=value[:_HALF],
                i_OLOADTOP=1, i_OLOADBOT=1, i_OHOLDTOP=~self.load, i_OHOLDBOT=~self.load,
            )
        return m


def share_factor(shift: Value, on: Value) -> Value:
    """What a value is taken times for ``-(value >> shift) << 15``, or for nothing."""
    return Cat(on & (shift >= 15 - bit) for bit in range(_HALF)).as_signed()


def less_share(m: Module, name: str, value: Value, shift: Value, on: Value, base: Value) -> Value:
    """``base - (value >> shift)``, or ``base`` unless ``on``, one cycle later; by a multiplier.

    A share is rounded down, so what is left is rounded up: ``2**15 - 1`` is added to what is below
    the point. Setup time of all inputs is that of the multiplier: 9 ns.
    """
    total = Signal(WIDTH, name=f"{name}_total")
    wide = Signal(signed(WIDTH), name=f"{name}_base")
    times = Signal(signed(_HALF), name=f"{name}_value")
    m.d.comb += [
        wide.eq(Cat(Const(-1, 15), base).as_signed()),
        times.eq(value),
    ]
    _multiplier(
        m, name, total, i_A=times, i_B=share_factor(shift, on), i_C=wide[_HALF:], i_D=wide[:_HALF],
        p_A_SIGNED=Const(1, 1), p_B_SIGNED=Const(1, 1),
        p_TOPADDSUB_LOWERINPUT=Const(2, 2), p_TOPADDSUB_UPPERINPUT=Const(1, 1),
        p_TOPADDSUB_CARRYSELECT=Const(2, 2),
        p_BOTADDSUB_LOWERINPUT=Const(2, 2), p_BOTADDSUB_UPPERINPUT=Const(1, 1),
    )
    return total[15:].as_signed()
