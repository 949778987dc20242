"""Input buffer for words: hands the loader one or two bytes per cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...lib.stream_registers import SkidBuffer
from ..receiver import command_layout

__all__ = ["WideInputBuffer", "pairs_signature"]


def pairs_signature() -> wiring.Signature:
    """Bytes of which one or two are taken in a cycle.

    Members
    -------
    valid : Out(1)
        There is a byte.
    second : Out(1)
        There are two.
    payload : Out(16)
        The next two bytes, the first one low.
    ready : In(1)
        The first byte is taken; only while ``valid`` is up does this mean something.
    both : In(1)
        The second byte is taken too; only with ``ready`` and ``second``.
    """
    return wiring.Signature({
        "valid": Out(1), "second": Out(1), "payload": Out(16), "ready": In(1), "both": In(1),
    })


class WideInputBuffer(wiring.Component):
    """Aligns the bytes of a command to those that the loader has taken, and holds the last ones
    until it has taken them all.

    So every refusal is known by the end of its command. The loader gets no more bytes after one
    that it refused. Bytes of two commands are never offered together.

        cycle        0     1     2     3     4     5
        i, last      b0b1  b2b3* b2b3* b2b3* b2b3* b2b3*   b2b3 is the last word
        o                        b0b1  b2b3
        refused                        r
        i.ready, no_head                     *             b2b3 is taken, with what was refused

    Members
    -------
    i : In(stream.Signature(command_layout(2)))
        Bytes of a command.
    no_head : Out(1)
        While the last bytes are taken: one of the command's bytes was refused.
    o : Out(pairs_signature())
        The bytes, to the loader.
    refused : In(1)
        The loader refuses the byte that it is taking in this cycle, and takes no second one.
    """

    i: In(stream.Signature(command_layout(2)))
    no_head: Out(1)
    o: Out(pairs_signature())
    refused: In(1)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.words = words = SkidBuffer(command_layout(2))
        waiting = Signal()  # until the loader has taken the last byte
        answered, bad, dropping = Signal(), Signal(), Signal()
        m.d.comb += [
            # The last word stays at the input until it is answered, but may enter only once.
            words.i.valid.eq(self.i.valid & ~waiting),
            words.i.payload.eq(self.i.payload),
            self.i.ready.eq(Mux(self.i.p.last, answered, words.i.ready)),
            self.no_head.eq(answered & bad),
        ]
        with m.If(self.i.valid & self.i.p.last & words.i.ready):
            m.d.sync += waiting.eq(1)

        # Up to three bytes, the next one lowest. A word follows if no more than one is left.
        held = Signal(24, reset_less=True)
        count, closing = Signal(2), Signal()  # ``closing``: the last byte is there
        left, rest, word = Signal(2), Signal(24), words.o.p.data
        ended, accepted = Signal(), Signal()
        one = self.o.ready & ~self.o.both
        m.d.comb += [
            self.o.valid.eq((count != 0) & ~dropping),
            self.o.second.eq(count[1] & ~dropping),
            self.o.payload.eq(held),
            left.eq(count), rest.eq(held),
            words.o.ready.eq(~closing & ~left[1]),
            accepted.eq(words.o.valid & words.o.ready),
            ended.eq(closing & (left == 0)),
        ]
        with m.If(dropping):
            m.d.comb += left.eq(0)
        with m.Elif(self.o.valid & one):
            m.d.comb += [left.eq(count - 1), rest.eq(held[8:])]
        with m.Elif(self.o.valid & self.o.ready):
            m.d.comb += [left.eq(count - 2), rest.eq(held[16:])]
        m.d.sync += [
            count.eq(left + Mux(accepted, Mux(words.o.p.single, 1, 2), 0)),
            held.eq(Mux(left[1], rest, Mux(left[0], Cat(rest[:8], word), word))),
            answered.eq(ended),
        ]
        with m.If(accepted):
            m.d.sync += closing.eq(words.o.p.last)
        with m.If(answered):
            m.d.sync += [waiting.eq(0), bad.eq(0)]
        with m.If(self.o.valid & self.o.ready & self.refused):
            m.d.sync += [bad.eq(1), dropping.eq(1)]
        # This comes last, because the refused byte may itself be the last one.
        with m.If(ended):
            m.d.sync += [dropping.eq(0), closing.eq(0)]
        return m
