"""Row queue: a small queue in block memory between the scanner's finder and issuer."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..lib.checks import check_int
from ..vendor.memory import collision_free_memory

__all__ = ["RowQueue"]


class RowQueue(wiring.Component):
    """``depth`` (a power of two) entries of ``width`` bits and one more at the output.

    Latency 2 cycles, one entry per cycle.

    Parameters
    ----------
    width : bits of an entry.
    depth : entries in memory; a power of two.

    Raises
    ------
    TypeError, ValueError
        Naming the parameter, the value and what is allowed.

    Members
    -------
    write, entry : an entry comes in; only while ``level`` is less than ``depth``.
    level : entries in memory, that at the output not counted.
    valid, head : the entry at the output; ``take`` asks for the next one.
    """

    def __init__(self, width: int, depth: int) -> None:
        self.width = check_int("width", width, 1)
        self.depth = check_int("depth", depth, 2)
        if depth & (depth - 1):
            raise ValueError(f"depth must be a power of two, not {depth}")
        super().__init__(
            {
                "write": In(1),
                "entry": In(width),
                "level": Out(range(depth + 1)),
                "valid": Out(1),
                "head": Out(width),
                "take": In(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.entries = memory = collision_free_memory(self.width, self.depth)
        write, read = memory.write_port(), memory.read_port()
        fetch = Signal()
        m.d.comb += [
            write.en.eq(self.write),
            write.data.eq(self.entry),
            fetch.eq((self.level != 0) & (~self.valid | self.take)),
            read.en.eq(fetch),
            self.head.eq(read.data),
        ]
        m.d.sync += [
            write.addr.eq(write.addr + self.write),
            read.addr.eq(read.addr + fetch),
            self.level.eq(self.level + self.write - fetch),
        ]
        with m.If(~self.valid | self.take):
            m.d.sync += self.valid.eq(fetch)
        return m
