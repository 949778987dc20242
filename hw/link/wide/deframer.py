"""Deframer for words: finds the frames with a valid CRC."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec.link import CRC_BYTES, FRAME_BYTES, HEADER_BYTES

from ...vendor.memory import collision_free_memory
from .crc import START_BEFORE, WideCrc32, crc_residue

__all__ = ["WIDE_FRAME_START", "WideDeframer"]

_HALF = 128
WIDE_FRAME_START = _HALF - 3
"""Address of a frame's first word: ``kind`` above a byte without meaning, then ``session`` and
``seq``, then ``ack`` and the first byte of the body, whose others start at 0."""

# The place of the word in which the shortest frame ends.
_SHORTEST = WIDE_FRAME_START + (HEADER_BYTES + CRC_BYTES) // 2
# A code of 255 has no zero behind it. The next code would be the last byte of the longest frame.
_SPARE = WIDE_FRAME_START + FRAME_BYTES // 2
_WHOLE = 255


class WideDeframer(wiring.Component):
    """Writes frames into one of two buffers, a word per cycle, while the other one is read.

    Frames that are damaged, too short or too long are dropped. Behind each frame the wire waits for
    a cycle, and longer only if the frame before is still ``busy``.

    Members
    -------
    i : In(stream.Signature(16))
        Words on the wire (see the package).
    accept : Out(1)
        A frame is complete; its words and ``length`` are valid from the next cycle on. Only while
        not ``busy``.
    busy : In(1)
        The frame accepted last is being read, from the cycle after ``accept`` on.
    length : Out(8)
        The number of bytes of its body.
    address : In(7)
        The address of one of its words, from ``WIDE_FRAME_START`` on, around the end.
    word : Out(16)
        The word that was addressed in the cycle before.
    """

    i: In(stream.Signature(16))
    accept: Out(1)
    busy: In(1)
    length: Out(8)
    address: In(7)
    word: Out(16)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.crc = crc = WideCrc32(START_BEFORE)
        m.submodules.buffer = buffer = collision_free_memory(16, 2 * _HALF)
        put, get = buffer.write_port(), buffer.read_port()

        # COBS: codes replace zeros, and ``left`` bytes are there before the next code.
        low, high = self.i.payload[:8], self.i.payload[8:]
        first, left, whole, spared = Signal(init=1), Signal(8), Signal(), Signal()
        code, high_code = Signal(), Signal()
        alone, spare, taken = Signal(), Signal(), Signal()
        position = Signal(8, init=WIDE_FRAME_START)
        m.d.comb += [
            code.eq(left == 0),
            high_code.eq(Mux(code, low == 1, left == 1)),
            alone.eq(low == 0),
            # Some encoders put a code of 1 between a block of 254 bytes and the end.
            spare.eq(whole & ~spared & (position == _SPARE) & high_code & (high == 1)),
        ]

        half = Signal()  # the half that is written
        check = Signal()
        long, bad, odd = Signal(), Signal(reset_less=True), Signal(reset_less=True)
        length = Signal(8, reset_less=True)
        m.d.comb += [
            self.i.ready.eq(~check),
            taken.eq(self.i.valid & ~check),
            put.en.eq(taken),
            put.addr.eq(Cat(position[:7], half)),
            put.data.eq(Cat(low & ~code.replicate(8), high & ~high_code.replicate(8))),
            get.addr.eq(Cat(self.address, ~half)),
            self.word.eq(get.data),
            # The first code is no byte of the frame, but counts as one of 0. So does the end.
            crc.first.eq(first),
            crc.valid.eq(taken & ~alone),
            crc.data.eq(put.data),
            self.length.eq(length),
        ]
        # An end in a word of its own comes behind an odd number of bytes.
        match = crc.crc == Mux(odd, crc_residue(0), crc_residue(1))
        m.d.comb += self.accept.eq(check & match & ~bad & ~self.busy)
        with m.If(check), m.If(self.accept | bad | ~match):
            m.d.sync += [
                check.eq(0), position.eq(WIDE_FRAME_START), first.eq(1), long.eq(0), left.eq(0),
                spared.eq(0),
            ]
        with m.Elif(taken & (~alone | ~first)):
            m.d.sync += [
                first.eq(0),
                position.eq(position + ~spare),
                spared.eq(spared | spare),
                # The last word of the longest frame is followed by nothing else.
                long.eq(long | (~spare & (position == _SPARE))),
                left.eq(Mux(high_code, high - 1, Mux(code, low, left) - 2)),
            ]
            with m.If(first):
                m.d.sync += whole.eq(low == _WHOLE)
            with m.If(alone | (high == 0)):
                short = position < _SHORTEST + alone
                m.d.sync += [
                    check.eq(1), odd.eq(alone & ~spared),
                    bad.eq(~Mux(alone, code, high_code) | long | short | (spared & ~alone)),
                ]
        with m.If(self.accept):
            m.d.sync += [half.eq(~half), length.eq(Cat(odd, position[:7] - 2 - odd))]
        return m
