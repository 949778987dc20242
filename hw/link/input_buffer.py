"""Input byte buffer: registers between the command unit and the loader."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..lib.stream_registers import SkidBuffer
from .receiver import command_layout

__all__ = ["InputBuffer"]


class InputBuffer(wiring.Component):
    """Passes one byte per cycle, but holds the last byte of a command until the loader has taken
    it.

    So every refusal is known by the end of its command. The loader gets no more bytes after one
    that it refused.

        cycle        0    1    2    3    4
        i, last      b0   b1   b2*  b2*  b2*   b2 is the last byte; the other two are taken at once
        o                 b0   b1   b2
        refused                     r
        i.ready, no_head                 *     b2 is taken, with what was refused

    Members
    -------
    i : In(stream.Signature(8))
        Bytes of a command.
    last : In(1)
        This is the last byte of its command; held as long as ``i.payload``.
    no_head : Out(1)
        While the last byte is taken: one of the command's bytes was refused.
    o : Out(stream.Signature(8))
        The bytes, to the loader.
    refused : In(1)
        The loader refuses the byte that it is taking in this cycle.
    """

    i: In(stream.Signature(8))
    last: In(1)
    no_head: Out(1)
    o: Out(stream.Signature(8))
    refused: In(1)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.bytes = between = SkidBuffer(command_layout())
        waiting = Signal()  # until the loader takes the last byte
        answered, bad, dropping = Signal(), Signal(), Signal()
        passed = Signal()
        m.d.comb += [
            # The last byte stays at the input until it is answered, but may enter only once.
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
        # This comes last, because the refused byte may itself be the last one.
        with m.If(passed & between.o.p.last):
            m.d.sync += dropping.eq(0)
        return m
