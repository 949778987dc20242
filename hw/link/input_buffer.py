"""Input bytes of a command on their way to the loader, between registers."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..lib.stream_registers import SkidBuffer
from .receiver import command_layout

__all__ = ["Handover"]


class Handover(wiring.Component):
    """Passes a byte per cycle; the last byte of a command is taken when the loader has it.

    Whether one of a command's bytes was refused is said with its last; the loader gets nothing
    behind the one it refused.

    Members
    -------
    i, last : bytes of a command, and whether this is its last. no_head : with that one: a byte was
        refused.
    o, refused : the loader's bytes; what it says of the byte it takes.
    """

    def __init__(self) -> None:
        super().__init__({
            "i": In(stream.Signature(8)),
            "last": In(1),
            "no_head": Out(1),
            "o": Out(stream.Signature(8)),
            "refused": In(1),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.bytes = between = SkidBuffer(command_layout())
        waiting = Signal()  # for the loader to take the last one
        answered, bad, dropping = Signal(), Signal(), Signal()
        passed = Signal()
        m.d.comb += [
            between.i.valid.eq(self.i.valid & ~waiting),
            between.i.p.data.eq(self.i.payload),
            between.i.p.last.eq(self.last),
            self.i.ready.eq(Mux(self.last, answered, between.i.ready)),
            self.no_head.eq(answered & bad),
            self.o.valid.eq(between.o.valid & ~dropping),
            self.o.payload.eq(between.o.p.data),
            between.o.ready.eq(self.o.ready | dropping),
            passed.eq(between.o.valid & between.o.ready),
        ]
        m.d.sync += answered.eq(passed & between.o.p.last)
        with m.If(self.i.valid & self.last & between.i.ready):
            m.d.sync += waiting.eq(1)
        with m.If(answered):
            m.d.sync += [waiting.eq(0), bad.eq(0)]
        with m.If(self.o.valid & self.o.ready & self.refused):
            m.d.sync += [bad.eq(1), dropping.eq(1)]
        with m.If(passed & between.o.p.last):
            m.d.sync += dropping.eq(0)
        return m
