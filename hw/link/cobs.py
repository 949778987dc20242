"""COBS: encodes frames of any bytes as bytes without zeros, with a zero after each frame."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec.link import FRAME_BYTES

from ..vendor.memory import collision_free_memory

__all__ = ["CobsDecoder", "CobsEncoder", "decoded_layout", "encoded_layout"]

_HALF = 256  # bytes of a frame buffer: code, FRAME_BYTES, closing zero


def decoded_layout() -> data.StructLayout:
    """A decoded byte, or with ``end`` the end of a frame (``broken``: not a valid COBS frame)."""
    return data.StructLayout({"data": 8, "end": 1, "broken": 1})


def encoded_layout(link_bytes: int = 1) -> data.StructLayout:
    """One or two bytes of a frame, the first one low; ``last`` with the last ones."""
    return data.StructLayout({"data": 8 * link_bytes, "last": 1})


class CobsDecoder(wiring.Component):
    """Decodes bytes on the wire into bytes of frames; combinational, one per cycle.

    Any bytes are accepted. The decoder starts afresh after each zero, and zeros with nothing
    between them make no frame. A frame that is cut short by its zero ends ``broken``.

    Members
    -------
    i : In(stream.Signature(8))
        Bytes on the wire.
    o : Out(stream.Signature(decoded_layout()))
        Bytes of frames and their ends, in the cycle of the byte on the wire.
    """

    i: In(stream.Signature(8))
    o: Out(stream.Signature(decoded_layout()))

    def elaborate(self, platform) -> Module:
        m = Module()
        byte = self.i.payload
        # Counts up to the next code byte. A loadable counter that counts up takes half the cells of
        # one that counts down.
        code_at = 0xFE
        count = Signal(8, init=code_at)
        fresh = Signal(init=1)
        no_zero = Signal()  # a code of 255: 254 bytes and no zero after them
        at_code, zero = Signal(), Signal()
        m.d.comb += [
            at_code.eq(count == code_at),
            zero.eq(byte == 0),
            self.o.p.data.eq(Mux(at_code, 0, byte)),
            self.o.p.end.eq(zero),
            self.o.p.broken.eq(zero & ~at_code),
            # A code byte stands for a zero, unless it is the first or follows a code of 255.
            self.o.valid.eq(self.i.valid & Mux(zero, ~fresh, ~(at_code & (fresh | no_zero)))),
            self.i.ready.eq(self.o.ready | ~self.o.valid),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += fresh.eq(zero)
            # After a code c, c - 1 bytes follow: as many steps lead from ~c = 255 - c to
            # ``code_at``. Subtracting all ones adds 1.
            m.d.sync += count.eq(Mux(at_code, ~byte, count - (~at_code).replicate(8)))
            with m.If(at_code):
                m.d.sync += no_zero.eq(byte == 0xFF)
            with m.If(zero):
                m.d.sync += count.eq(code_at)
        return m


class CobsEncoder(wiring.Component):
    """Encodes frames into bytes on the wire, through two frame buffers.

    A frame is encoded in place: the distance to a zero is written to the position of the zero
    before it. A complete frame is sent while the next one is written. A frame of n bytes takes n +
    2 cycles to write and has n + 2 bytes on the wire.

        frame            11 22 00 33 00                      (n = 5, last byte with ``last``)
        buffer           03 11 22 02 33 01 00                (a code, n bytes, the end)
        written in cycle  2  0  1  4  3  5  6

    Parameters
    ----------
    marked : bool
        The buffers have a ninth bit, which marks a frame's end. At a fast clock, there is no time
        to examine the byte itself.

    Members
    -------
    i : In(stream.Signature(encoded_layout()))
        Bytes of frames, at most ``FRAME_BYTES`` in each. Once ``ready`` is up for the first byte of
        a frame, it stays up until the frame ends.
    restart : In(1)
        Discard a frame whose last byte has not been taken yet.
    o : Out(stream.Signature(8))
        Bytes on the wire.
    idle : Out(1)
        Nothing is on its way out.
    """

    i: In(stream.Signature(encoded_layout()))
    restart: In(1)
    o: Out(stream.Signature(8))
    idle: Out(1)

    def __init__(self, *, marked: bool = False) -> None:
        self.marked = marked
        super().__init__()

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.buffer = buffer = collision_free_memory(8 + self.marked, 2 * _HALF)
        write, read = buffer.write_port(), buffer.read_port()
        # The longest frame without zeros has a distance of 255, so one code is always enough.
        assert FRAME_BYTES + 2 <= _HALF

        full = Signal(2)  # the buffers
        filling, half = Signal(), Signal()  # the one that is written; that is sent
        at = Signal(8, init=1)  # byte 0 is the first distance's
        last_zero = Signal(8)  # where the next distance goes
        run = Signal(8, init=1)  # from there on
        zero, close, finish = Signal(), Signal(), Signal()
        taken, last = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~full.bit_select(filling, 1) & ~close & ~finish),
            taken.eq(self.i.valid & self.i.ready),
            last.eq(taken & self.i.p.last),
            zero.eq((self.i.p.data == 0) | close),
            write.en.eq(taken | close | finish),
            # In ``finish``, the byte at the input is not taken, but it may be 0.
            write.addr.eq(Cat(Mux(zero & ~finish, last_zero, at), filling)),
            write.data.eq(Mux(zero, run, self.i.p.data)),
        ]
        # Each frame takes two more cycles: for the last distance and for the end.
        with m.If(finish):
            m.d.comb += write.data.eq(1 << 8 if self.marked else 0)
        m.d.sync += [close.eq(last & ~self.restart), finish.eq(close)]
        with m.If(taken):
            m.d.sync += [at.eq(at + 1), run.eq(run + 1)]
            with m.If(zero):
                m.d.sync += [run.eq(1), last_zero.eq(at)]
        with m.If(finish):
            m.d.sync += [filling.eq(~filling), full.bit_select(filling, 1).eq(1)]
        # In ``close``, the frame is complete, and ``at`` still says where its end goes.
        with m.If(finish | (self.restart & ~close)):
            m.d.sync += [at.eq(1), run.eq(1), last_zero.eq(0)]

        position = Signal(8)
        held, fetch, sent, end = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            end.eq(read.data[8] if self.marked else read.data == 0),
            sent.eq(held & self.o.ready & end),
            fetch.eq(full.bit_select(half, 1) & (~held | (self.o.ready & ~end))),
            read.en.eq(fetch),
            read.addr.eq(Cat(position, half)),
            self.o.payload.eq(read.data),
            self.o.valid.eq(held),
            self.idle.eq((full == 0) & ~close & ~finish),
        ]
        with m.If(fetch):
            m.d.sync += [held.eq(1), position.eq(position + 1)]
        with m.If(sent):
            m.d.sync += [
                held.eq(0), position.eq(0), half.eq(~half), full.bit_select(half, 1).eq(0)
            ]
        return m
