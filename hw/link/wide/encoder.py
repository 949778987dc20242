"""COBS encoder for words."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec.link import FRAME_BYTES

from ...vendor.memory import collision_free_memory
from ..cobs import encoded_layout

__all__ = ["WideEncoder"]

_HALF = 128  # words of a frame buffer: the first code, and the words of the longest frame
_STORED = data.StructLayout({"low": 8, "high": 8, "low_zero": 1, "high_zero": 1, "last": 1})


class WideEncoder(wiring.Component):
    """Encodes frames of an even number of bytes into words on the wire, through two frame buffers.

    The distance from a zero to the next one is not known before that comes. So the bytes of a frame
    go to one memory, and the distance from the last zero of each word to another one at the same
    address. Between two zeros in a word the distance is 1. A complete frame is sent while the next
    one is written. A frame of n bytes takes n / 2 + 1 cycles to write, and has n / 2 + 1 words on
    the wire.

        frame            11 22 | 00 33 | 00 44         (the last word with ``last``)
        address           0     1       2       3
        words                   11 22   00 33   00 44
        distances         3             2       2
        on the wire      03 11 | 22 02 | 33 02 | 44 00

    Members
    -------
    i : In(stream.Signature(encoded_layout(2)))
        Words of frames, at most ``FRAME_BYTES`` bytes in each. Once ``ready`` is up for the first
        word of a frame, it stays up until the frame ends.
    restart : In(1)
        Discard a frame whose last word has not been taken yet.
    o : Out(stream.Signature(16))
        Words on the wire, of two bytes each.
    idle : Out(1)
        Nothing is on its way out.
    """

    i: In(stream.Signature(encoded_layout(2)))
    restart: In(1)
    o: Out(stream.Signature(16))
    idle: Out(1)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.words = words = collision_free_memory(_STORED, 2 * _HALF)
        m.submodules.distances = distances = collision_free_memory(8, 2 * _HALF)
        put, mark = words.write_port(), distances.write_port()
        get, find = words.read_port(), distances.read_port()
        # The longest frame without zeros has a distance of 255, so one code is always enough.
        assert FRAME_BYTES // 2 < _HALF

        full = Signal(2)  # the buffers
        filling, half = Signal(), Signal()  # the one that is written; that is sent
        at = Signal(7, init=1)
        last_zero = Signal(7)  # the word with the zero whose distance comes next
        run = Signal(8, init=1)  # from there to the low byte of the next word
        low, high = self.i.p.data[:8], self.i.p.data[8:]
        low_zero, high_zero = low == 0, high == 0
        taken, close = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~full.bit_select(filling, 1) & ~close),
            taken.eq(self.i.valid & self.i.ready),
            put.en.eq(taken),
            put.addr.eq(Cat(at, filling)),
            put.data.low.eq(low),
            put.data.high.eq(high),
            put.data.low_zero.eq(low_zero),
            put.data.high_zero.eq(high_zero),
            put.data.last.eq(self.i.p.last),
            # The last distance, to the end, is written behind the frame.
            mark.en.eq((taken & (low_zero | high_zero)) | close),
            mark.addr.eq(Cat(last_zero, filling)),
            mark.data.eq(run + ~(low_zero | close)),
        ]
        m.d.sync += close.eq(taken & self.i.p.last & ~self.restart)
        with m.If(taken):
            m.d.sync += [
                at.eq(at + 1),
                run.eq(Mux(high_zero, 1, Mux(low_zero, 2, run + 2))),
            ]
            with m.If(low_zero | high_zero):
                m.d.sync += last_zero.eq(at)
        with m.If(close):
            m.d.sync += [filling.eq(~filling), full.bit_select(filling, 1).eq(1)]
        with m.If(close | self.restart):
            m.d.sync += [at.eq(1), run.eq(1), last_zero.eq(0)]

        # A word of the frame is sent a byte late, behind the code or the high byte before it.
        position = Signal(7)
        held, opening, tail = Signal(), Signal(), Signal()  # ``opening``: address 0 is held
        before = Signal(8, reset_less=True)
        leaves, last, fetch, sent = Signal(), Signal(), Signal(), Signal()
        word, code = get.data, find.data
        m.d.comb += [
            last.eq(word.last & ~opening),
            leaves.eq(held & (opening | self.o.ready)),
            fetch.eq(full.bit_select(half, 1) & ~tail & (~held | (leaves & ~last))),
            get.en.eq(fetch),
            find.en.eq(fetch),
            get.addr.eq(Cat(position, half)),
            find.addr.eq(get.addr),
            sent.eq(tail & self.o.ready),
            self.o.valid.eq((held & ~opening) | tail),
            self.o.payload[:8].eq(before),
            self.idle.eq((full == 0) & ~close),
        ]
        with m.If(~tail):
            m.d.comb += self.o.payload[8:].eq(
                Mux(word.low_zero, Mux(word.high_zero, 1, code), word.low)
            )
        with m.If(leaves):
            m.d.sync += [
                held.eq(0), tail.eq(last),
                before.eq(Mux(word.high_zero | opening, code, word.high)),
            ]
        with m.If(fetch):
            m.d.sync += [held.eq(1), opening.eq(position == 0), position.eq(position + 1)]
        with m.If(sent):
            m.d.sync += [
                tail.eq(0), position.eq(0), half.eq(~half), full.bit_select(half, 1).eq(0)
            ]
        return m
