"""Sender: frames with preamble, padding, FCS and the gap behind them."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC32_ETHERNET
from amaranth.lib.wiring import In, Out

from .byte_reader import frame_byte_layout

__all__ = ["Sender"]

_PREAMBLE, _START = 0x55, 0xD5
_PREAMBLE_BYTES = 7
_UNPADDED_MIN = 60
_FCS_BYTES = 4
_GAP_BYTES = 12


class Sender(wiring.Component):
    """Sends frames of two sources in turn, at one byte per cycle.

    The first byte of a frame appears 11 cycles after it became valid, behind the preamble. A frame
    of n bytes, at least 60, takes n + 24 cycles.

    Members
    -------
    replies, datagrams : In(stream.Signature(frame_byte_layout()))
        Frames from their headers on, without FCS. Once the first byte of a frame was taken, there
        must be a byte in every cycle.
    tx_data : Out(8)
        A byte, as GMII has it.
    tx_enable : Out(1)
        There is a byte.
    idle : Out(1)
        Nothing is being sent.
    """

    replies: In(stream.Signature(frame_byte_layout()))
    datagrams: In(stream.Signature(frame_byte_layout()))
    tx_data: Out(8)
    tx_enable: Out(1)
    idle: Out(1)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.crc = crc = CRC32_ETHERNET(data_width=8).create()
        # A register between the source and the CRC; what it holds has one of three kinds.
        byte = Signal(8)
        preamble, data, fcs = (Signal(name=name) for name in ("preamble", "data", "fcs"))
        m.d.comb += [crc.start.eq(preamble), crc.valid.eq(data), crc.data.eq(byte)]
        part = Signal(range(_FCS_BYTES))
        m.d.sync += [
            self.tx_data.eq(Mux(fcs, crc.crc.word_select(part, 8), byte)),
            self.tx_enable.eq(preamble | data | fcs),
            part.eq(part + fcs),
            preamble.eq(0), data.eq(0), fcs.eq(0),
        ]
        turn = Signal()  # of datagrams
        count, long = Signal(range(_UNPADDED_MIN)), Signal()
        m.d.sync += count.eq(count + 1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.idle.eq(~self.tx_enable)
                m.d.sync += [
                    count.eq(0), long.eq(0),
                    turn.eq(self.datagrams.valid & ~(turn & self.replies.valid)),
                ]
                with m.If(self.replies.valid | self.datagrams.valid):
                    m.next = "PREAMBLE"
            with m.State("PREAMBLE"):
                m.d.sync += [preamble.eq(1), byte.eq(_PREAMBLE)]
                with m.If(count == _PREAMBLE_BYTES):
                    m.d.sync += [byte.eq(_START), count.eq(0)]
                    m.next = "DATA"
            with m.State("DATA"):
                m.d.comb += [self.replies.ready.eq(~turn), self.datagrams.ready.eq(turn)]
                m.d.sync += [
                    data.eq(1),
                    byte.eq(Mux(turn, self.datagrams.p.data, self.replies.p.data)),
                ]
                with m.If(count == _UNPADDED_MIN - 1):
                    m.d.sync += long.eq(1)
                with m.If(Mux(turn, self.datagrams.p.last, self.replies.p.last)):
                    m.next = "PAD"
                    with m.If(long | (count == _UNPADDED_MIN - 1)):
                        m.d.sync += count.eq(0)
                        m.next = "FCS"
            with m.State("PAD"):
                m.d.sync += [data.eq(1), byte.eq(0)]
                with m.If(count == _UNPADDED_MIN - 1):
                    m.d.sync += count.eq(0)
                    m.next = "FCS"
            with m.State("FCS"):
                m.d.sync += fcs.eq(1)
                with m.If(count == _FCS_BYTES - 1):
                    m.d.sync += count.eq(0)
                    m.next = "GAP"
            with m.State("GAP"), m.If(count == _GAP_BYTES - 2):  # IDLE is the last one
                m.next = "IDLE"
        return m
