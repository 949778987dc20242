"""A register in a stream."""

from __future__ import annotations

from amaranth.hdl import Module, ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["StreamRegister"]


class StreamRegister(wiring.Component):
    """Cuts ``payload`` and ``valid`` of a stream; ``ready`` passes through, unless ``spaced``.

    Latency one cycle; a transfer per cycle, spaced: every other cycle.

    Parameters
    ----------
    shape : of the payload. spaced : cut ``ready`` too.

    Members
    -------
    i, o : the stream.
    """

    def __init__(self, shape: ShapeLike, *, spaced: bool = False) -> None:
        self.spaced = spaced
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform) -> Module:
        m = Module()
        room = ~self.o.valid if self.spaced else ~self.o.valid | self.o.ready
        m.d.comb += self.i.ready.eq(room)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.ready):
            m.d.sync += [self.o.valid.eq(self.i.valid), self.o.payload.eq(self.i.payload)]
        return m
