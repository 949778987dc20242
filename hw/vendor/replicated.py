"""Registers that stay separate although others hold the same values."""

from __future__ import annotations

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Signal, Value

from .devices import has_ecp5_cells

__all__ = ["replicated"]


def replicated(m: Module, platform, name: str, value: Value) -> Signal:
    """``value`` one cycle later, from a separate register without reset.

    Synthesis merges registers that always hold the same value, and the net of the remaining one
    crosses the whole device. On an ECP5, the register is made of cells that synthesis does not
    merge; elsewhere it is a plain register.

    Parameters
    ----------
    m : Module
        The module that receives the register.
    platform
        Names the device.
    name : str
        Name of the register; unique in ``m``.
    value : Value
        The value to register.

    Returns
    -------
    Signal
        A signal of the shape of ``value``.
    """
    value = Value.cast(value)
    copy = Signal(value.shape(), name=name, reset_less=True)
    if not has_ecp5_cells(platform):
        m.d.sync += copy.eq(value)
        return copy
    # The cells have no reset or enable, because those would again be nets across the device.
    bits = [Signal(name=f"{name}_{bit}") for bit in range(len(value))]
    for bit, out in enumerate(bits):
        m.submodules[f"{name}_{bit}"] = Instance(
            "TRELLIS_FF", p_GSR="DISABLED", p_CEMUX="1", p_CLKMUX="CLK", p_LSRMUX="LSR",
            p_REGSET="RESET", i_CLK=ClockSignal(), i_LSR=0, i_DI=value[bit], o_Q=out,
        )
    m.d.comb += copy.eq(Cat(bits))
    return copy
