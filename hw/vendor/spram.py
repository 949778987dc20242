"""The single-port RAM of an iCE40UP5K."""

from __future__ import annotations

from amaranth.hdl import ClockSignal, Instance, Module, Signal, Value

__all__ = ["SPRAM_DEPTH", "SPRAM_WIDTH", "SPRAM_WORTH", "single_port_ram"]

SPRAM_DEPTH = 16384
SPRAM_WIDTH = 16
SPRAM_WORTH = 2048
"""Memories of at least this many rows go here, because block RAM is too scarce for them."""


def single_port_ram(
    m: Module, name: str, address: Value, enable: Value, write: Value, data: Value
) -> Signal:
    """One SPRAM: ``SPRAM_DEPTH`` rows of ``SPRAM_WIDTH`` bits, one access per cycle.

    Parameters
    ----------
    m : Module
        The module that receives the cell.
    name : str
        Name of the cell; unique in ``m``.
    address : Value
        14 bits.
    enable : Value
        There is an access in this cycle.
    write : Value
        The access writes ``data``; without it the access reads.
    data : Value
        16 bits.

    Returns
    -------
    Signal
        The row read, one cycle after its access and until the next one.
    """
    row = Signal(SPRAM_WIDTH, name=f"{name}_row")
    # It is always awake and powered; a write covers all four nibbles.
    m.submodules[name] = Instance(
        "SB_SPRAM256KA",
        i_CLOCK=ClockSignal(), i_ADDRESS=address, i_DATAIN=data, i_MASKWREN=0b1111, i_WREN=write,
        i_CHIPSELECT=enable, i_STANDBY=0, i_SLEEP=0, i_POWEROFF=1, o_DATAOUT=row,
    )
    return row
