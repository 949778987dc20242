"""A small queue in block memory."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..vendor.memory import collision_free_memory
from .checks import check_int

__all__ = ["Queue"]


class Queue(wiring.Component):
    """``depth`` entries in block memory and one more at the output.

    The latency is two cycles, the throughput one entry per cycle. The input has no back-pressure,
    so the writer must look at ``level`` first.

    Parameters
    ----------
    shape : ShapeLike
        The shape of an entry.
    depth : int
        Entries in memory; a power of two.

    Members
    -------
    i : In(stream.Signature(shape, always_ready=True))
        An entry to append; valid only while ``level`` is less than ``depth``.
    level : Out(range(depth + 1))
        Entries in memory in this cycle; the one at the output is not counted.
    o : Out(stream.Signature(shape))
        The oldest entry, starting with the second cycle after it was written.

    Raises
    ------
    TypeError, ValueError
        Naming the parameter, the value and what is allowed.
    """

    def __init__(self, shape: ShapeLike, depth: int) -> None:
        self.shape, self.depth = shape, check_int("depth", depth, 2)
        if depth & (depth - 1):
            raise ValueError(f"depth must be a power of two, not {depth}")
        super().__init__({
            "i": In(stream.Signature(shape, always_ready=True)),
            "level": Out(range(depth + 1)),
            "o": Out(stream.Signature(shape)),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        # The entry at the output is in the memory's output register, so it costs no cells.
        m.submodules.entries = memory = collision_free_memory(self.shape, self.depth)
        write, read = memory.write_port(), memory.read_port()
        head, tail = Signal(range(self.depth)), Signal(range(self.depth))
        fetch = Signal()
        m.d.comb += [
            write.en.eq(self.i.valid),
            write.addr.eq(head),
            write.data.eq(self.i.payload),
            # ``level`` counts finished writes only, so no row is read while it is written.
            fetch.eq((self.level != 0) & (~self.o.valid | self.o.ready)),
            read.en.eq(fetch),
            read.addr.eq(tail),
            self.o.payload.eq(read.data),
        ]
        with m.If(self.i.valid):
            m.d.sync += head.eq(head + 1)
        with m.If(fetch):
            m.d.sync += tail.eq(tail + 1)
        with m.If(fetch | self.o.ready):
            m.d.sync += self.o.valid.eq(fetch)
        with m.If(self.i.valid ^ fetch):
            # One adder for both directions: + 1 or, with all bits set, - 1.
            m.d.sync += self.level.eq(self.level + Cat(1, fetch.replicate(len(self.level) - 1)))
        return m
