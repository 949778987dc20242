"""Words of two bytes from a stream of bytes on the wire, and back."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..wire import wire_signature

__all__ = ["Narrower", "Widener", "Words"]


class Widener(wiring.Component):
    """Bytes into words: a byte per cycle, or two cycles for a word.

    It belongs to the domain of the wire. A zero ends a word, so frames begin with one.

    Members
    -------
    i : In(stream.Signature(8))
        Bytes on the wire.
    o : Out(stream.Signature(16))
        Words, a cycle after their last byte. If the low byte is 0, there is no other.
    """

    i: In(stream.Signature(8))
    o: Out(stream.Signature(16))

    def elaborate(self, platform) -> Module:
        m = Module()
        word = Signal(16, reset_less=True)
        half = Signal()  # the low byte waits for the next one
        byte, empty = self.i.payload, Signal()
        m.d.comb += [
            self.o.payload.eq(word),
            empty.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(empty),
        ]
        with m.If(empty):
            m.d.sync += self.o.valid.eq(0)
            with m.If(self.i.valid):
                m.d.sync += [
                    word.eq(Mux(half, Cat(word[:8], byte), byte)),
                    half.eq(~half & (byte != 0)),
                    self.o.valid.eq(half | (byte == 0)),
                ]
        return m


class Narrower(wiring.Component):
    """Words into bytes: a byte per cycle.

    It belongs to the domain of the wire.

    Members
    -------
    i : In(stream.Signature(16))
        Words. If the low byte is 0, there is no other.
    o : Out(stream.Signature(8))
        Bytes on the wire, in the cycle of their word.
    """

    i: In(stream.Signature(16))
    o: Out(stream.Signature(8))

    def elaborate(self, platform) -> Module:
        m = Module()
        high = Signal()  # the low byte was sent
        low = self.i.payload[:8]
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.o.payload.eq(Mux(high, self.i.payload[8:], low)),
            self.i.ready.eq(self.o.ready & (high | (low == 0))),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += high.eq(~high & (low != 0))
        return m


class Words(wiring.Component):
    """The words of a wire: a ``Widener`` and a ``Narrower``, in the domain of the wire.

    Members
    -------
    wire : In(wire_signature())
        The wire.
    words : Out(wire_signature(2))
        The same in words.
    """

    wire: In(wire_signature())
    words: Out(wire_signature(2))

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.widener = widener = Widener()
        m.submodules.narrower = narrower = Narrower()
        connect(m, flipped(self.wire.o), widener.i)
        connect(m, widener.o, flipped(self.words.o))
        connect(m, flipped(self.words.i), narrower.i)
        connect(m, narrower.o, flipped(self.wire.i))
        m.d.comb += self.words.idle.eq(self.wire.idle & ~narrower.i.valid)
        return m
