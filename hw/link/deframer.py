"""Deframer: finds, in the bytes on the wire, the frames with a valid CRC."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec.link import BODY_BYTES, CRC_BYTES, FRAME_BYTES, HEADER_BYTES

from ..vendor.memory import collision_free_memory
from .cobs import CobsDecoder
from .crc import Crc32

__all__ = ["FRAME_START", "Deframer"]

_HALF = 256
FRAME_START = _HALF - HEADER_BYTES
"""Address of a frame's first byte. Its body then starts at 0, around the end of the buffer."""


class Deframer(wiring.Component):
    """Writes frames into one of two buffers, a byte per cycle, while the other one is read.

    Frames that are damaged, too short or too long are dropped. The wire is stalled only if a frame
    ends while the one before is still ``busy``.

    Members
    -------
    i : In(stream.Signature(8))
        Bytes on the wire.
    accept : Out(1)
        A frame is complete; its bytes and ``length`` are valid from the next cycle on. Only while
        not ``busy``.
    busy : In(1)
        The frame accepted last is being read, from the cycle after ``accept`` on.
    length : Out(8)
        The number of bytes of its body.
    address : In(8)
        The address of one of its bytes: the header starts at ``FRAME_START``, the body at 0.
    byte : Out(8)
        The byte that was addressed in the cycle before.
    """

    i: In(stream.Signature(8))
    accept: Out(1)
    busy: In(1)
    length: Out(8)
    address: In(8)
    byte: Out(8)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.cobs = cobs = CobsDecoder()
        m.submodules.crc = crc = Crc32()
        m.submodules.buffer = buffer = collision_free_memory(8, 2 * _HALF)
        connect(m, flipped(self.i), cobs.i)
        # Even the longest frame plus one byte ends before it wraps around to the header.
        assert BODY_BYTES + CRC_BYTES < FRAME_START

        put, get = buffer.write_port(), buffer.read_port()
        half = Signal()  # the half that is written
        position = Signal(8, init=FRAME_START)
        complete, long = Signal(), Signal()  # header and CRC are complete; the frame is too long
        first = Signal(init=1)
        length = Signal(8, reset_less=True)
        byte, end, check = Signal(), Signal(), Signal()
        bad = Signal(reset_less=True)
        m.d.comb += [
            cobs.o.ready.eq(~check),
            byte.eq(cobs.o.valid & ~cobs.o.p.end),
            end.eq(cobs.o.valid & cobs.o.p.end),
            put.en.eq(byte & ~check),
            put.addr.eq(Cat(position, half)),
            put.data.eq(cobs.o.p.data),
            get.addr.eq(Cat(self.address, ~half)),
            self.byte.eq(get.data),
            crc.first.eq(first),
            # The end is fed as the byte of 0 that ``match`` needs. While ``check`` waits, the CRC
            # stands still, so ``match`` stays.
            crc.valid.eq(cobs.o.valid & ~check),
            crc.data.eq(cobs.o.p.data),
            self.accept.eq(check & crc.match & ~bad & ~self.busy),
            self.length.eq(length),
        ]
        # No byte can come in the cycle after an end, because a code byte comes first. A good frame
        # waits here until the previous one has been read; the wire waits too.
        with m.If(check), m.If(self.accept | bad | ~crc.match):
            m.d.sync += [
                check.eq(0), position.eq(FRAME_START), first.eq(1), complete.eq(0), long.eq(0)
            ]
        with m.Elif(byte):
            m.d.sync += [position.eq(position + 1), first.eq(0)]
            with m.If(position == CRC_BYTES - 1):
                m.d.sync += complete.eq(1)
            with m.If(position == FRAME_BYTES - HEADER_BYTES):
                m.d.sync += long.eq(complete)
        with m.Elif(end):
            m.d.sync += [check.eq(1), bad.eq(cobs.o.p.broken | long | ~complete)]
        with m.If(self.accept):
            m.d.sync += [half.eq(~half), length.eq(position - CRC_BYTES)]
        return m
