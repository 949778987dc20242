"""Registers that stay separate although others hold the same value."""

from __future__ import annotations

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Signal, Value

from .devices import has_ecp5_cells

__all__ = ["replicated"]


def replicated(m: Module, platform, name: str, value: Value) -> Signal:
    """``value`` one cycle later, from a register of its own without reset.

    Synthesis merges all registers that always hold the same value, and the net of the one that is
    left crosses the whole device. On an ECP5 the register is made of cells that synthesis leaves
    alone; elsewhere it is a plain one.

    Parameters
    ----------
    m : Module
        Gets the register.
    platform
        Names the device.
    name : str
        Of the register; unique in ``m``.
    value : Value
        What to register.

    Returns
    -------
    Signal
        Of the shape of ``value``.
    """
    value = Value.cast(value)
    copy = Signal(value.shape(), name=name, reset_less=True)
    if not has_ecp5_cells(platform):
        m.d.sync += copy.eq(value)
        return copy
    # Cells without a reset or an enable: those would be nets across the device again.
    bits = [Signal(name=f"{name}_{bit}") for bit in range(len(value))]
    for bit, out in enumerate(bits):
        m.submodules[f"{name}_{bit}"] = Instance(
            "TRELLIS_FF", p_GSR="DISABLED", p_CEMUX="1", p_CLKMUX="CLK", p_LSRMUX="LSR",
            p_REGSET="RESET", i_CLK=ClockSignal(), i_LSR=0, i_DI=value[bit], o_Q=out,
        )
    m.d.comb += copy.eq(Cat(bits))
    return copy
