"""Byte reader: the bytes of a range of block memory, as a stream."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...lib.stream_registers import SkidBuffer

__all__ = ["LENGTH_BITS", "ByteReader", "frame_byte_layout", "range_layout"]

LENGTH_BITS = 11
"""Bits of a frame's length, and of an offset in a frame."""


def frame_byte_layout() -> data.StructLayout:
    """A byte of a frame, ``last`` with its last one."""
    return data.StructLayout({"data": 8, "last": 1})


def range_layout(size: int) -> data.StructLayout:
    """Bytes from ``first`` on, around the end of the memory; at least one."""
    return data.StructLayout({"first": range(size), "length": LENGTH_BITS})


class ByteReader(wiring.Component):
    """Reads a memory of bytes. Behind the memory there is a register, for a fast clock.

    The first byte comes four cycles after its range was taken. The throughput is a byte per cycle.

    Parameters
    ----------
    size : int
        Bytes of the memory; a power of two.

    Members
    -------
    i : In(stream.Signature(range_layout(size)))
        Ranges; one is taken when the one before was read.
    address : Out(range(size))
        The byte to read.
    enable : Out(1)
        Read it.
    data : In(8)
        The byte, in the next cycle and until the next ``enable``.
    o : Out(stream.Signature(frame_byte_layout()))
        The bytes of the ranges, ``last`` with the last one of each.
    """

    def __init__(self, size: int) -> None:
        super().__init__({
            "i": In(stream.Signature(range_layout(size))),
            "address": Out(range(size)), "enable": Out(1), "data": In(8),
            "o": Out(stream.Signature(frame_byte_layout())),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        # The memory may be far away, so its enable must not wait for ``ready``.
        m.submodules.output = output = SkidBuffer(frame_byte_layout())
        wiring.connect(m, output.o, wiring.flipped(self.o))
        out = output.i
        left = Signal(LENGTH_BITS)
        busy, final = Signal(), Signal()
        fetched, fetched_last, held, moves = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~busy),
            moves.eq(~held | out.ready),
            out.valid.eq(held),
            self.enable.eq(busy & (~fetched | moves)),
            final.eq(left == 1),
        ]
        with m.If(moves):
            m.d.sync += [
                held.eq(fetched), out.p.data.eq(self.data), out.p.last.eq(fetched_last),
                fetched.eq(0),
            ]
        with m.If(self.enable):
            m.d.sync += [
                fetched.eq(1), fetched_last.eq(final), left.eq(left - 1),
                self.address.eq(self.address + 1), busy.eq(~final),
            ]
        with m.If(self.i.valid & ~busy):
            m.d.sync += [
                busy.eq(1), left.eq(self.i.p.length), self.address.eq(self.i.p.first),
            ]
        return m
