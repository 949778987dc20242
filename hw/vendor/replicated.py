"""Registers that stay their owner's own, though others hold the same."""

from __future__ import annotations

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Signal, Value

__all__ = ["own"]


def own(m: Module, platform, name: str, value: Value) -> Signal:
    """``value`` a cycle later, without reset.

    Synthesis makes one register of all that always hold the same, and its net crosses the array.
    On an ECP5 these are cells that it leaves alone.
    """
    value = Value.cast(value)
    held = Signal(value.shape(), name=name, reset_less=True)
    if not getattr(platform, "device", "").startswith("LFE5U"):
        m.d.sync += held.eq(value)
        return held
    bits = [Signal(name=f"{name}_{bit}") for bit in range(len(value))]
    for bit, out in enumerate(bits):
        m.submodules[f"{name}_{bit}"] = Instance(
            "TRELLIS_FF", p_GSR="DISABLED", p_CEMUX="1", p_CLKMUX="CLK", p_LSRMUX="LSR",
            p_REGSET="RESET", i_CLK=ClockSignal(), i_LSR=0, i_DI=value[bit], o_Q=out,
        )
    m.d.comb += held.eq(Cat(bits))
    return held
