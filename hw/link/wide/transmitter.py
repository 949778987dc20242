"""Transmitter for words: sends reports, acknowledgements and the answer to hello as frames."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, connect, flipped
from stablespike.spec.link import FAULT, RESEND, Kind

from ..receiver import NONCE_BYTES
from ..resend_buffer import ResendBuffer
from ..transmitter import DUE, Transmitter
from .crc import WideCrc32

__all__ = ["WideTransmitter"]

_WORD = data.StructLayout({"valid": 1, "data": 16, "first": 1, "crc": 1, "last": 1})
"""A word of a frame; with ``crc``, the next half of the CRC in place of ``data``."""


class WideTransmitter(Transmitter):
    """The transmitter with twice its pace: two bytes of a frame per cycle.

    Building a frame takes one cycle for each word, and at most 4 more. All frames have an even
    number of bytes.

    ``o`` has two bytes in a transfer, and ``nonce`` is In(32), first byte lowest; the other members
    are those of ``Transmitter``.
    """

    @staticmethod
    def _nonce() -> wiring.Member:
        return In(8 * NONCE_BYTES)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.buffer = buffer = ResendBuffer(self.config)
        connect(m, flipped(self.reports), buffer.reports)
        connect(m, flipped(self.acknowledged), buffer.acknowledged)

        # The answer to hello: behind the words of the nonce, those of INFO.
        info = [int.from_bytes(self.info[at : at + 2], "little") for at in range(
            0, len(self.info), 2)]
        m.submodules.told = told = Memory(shape=16, depth=len(info), init=info)
        tell = told.read_port()
        at = Signal(range(len(info) + 1), reset_less=True)
        m.d.comb += tell.addr.eq(at)

        kind = Signal(range(max(Kind) + 1), reset_less=True)
        asks = Signal(reset_less=True)
        number = Signal(8, reset_less=True)
        step = Signal()
        word = Signal(_WORD)
        on_the_way = self._send(m, word)
        due = Signal(DUE)
        with m.FSM():
            with m.State("WAIT"):
                # A frame that has begun is never stalled: the encoder has room for all of it.
                m.d.comb += buffer.between.eq(1)
                m.d.sync += [at.eq(0), step.eq(0), asks.eq(0), number.eq(buffer.number)]
                self._choose(m, buffer, due, kind, asks, on_the_way)
            with m.State("HEADER"):
                flags = Mux(asks, RESEND, 0) | Mux(self.fault & (kind != Kind.INFO), FAULT, 0)
                m.d.comb += [
                    word.valid.eq(1),
                    word.first.eq(~step),
                    word.data.eq(Mux(
                        step, Cat(number, self.executed),
                        Cat((kind | flags)[:8], self.nonce[:8]),
                    )),
                    buffer.numbered.eq(~step & (kind == Kind.DATA)),
                ]
                m.d.sync += step.eq(~step)
                with m.If(step):
                    m.next = "CRC"
                    with m.If(kind == Kind.INFO):
                        m.next = "NONCE"
                    with m.If(kind == Kind.DATA):
                        m.next = "LOOK" if self.config.pipelined else "WORDS"
            with m.State("NONCE"):
                m.d.comb += [
                    word.valid.eq(1),
                    word.data.eq(self.nonce.word_select(step, 16)),
                ]
                m.d.sync += step.eq(~step)
                with m.If(step):
                    # The address runs one word ahead of the memory's output.
                    m.d.sync += at.eq(1)
                    m.next = "INFO"
            with m.State("INFO"):
                m.d.comb += [word.valid.eq(1), word.data.eq(tell.data)]
                m.d.sync += at.eq(at + 1)
                with m.If(at == len(info)):
                    m.next = "CRC"
            if self.config.pipelined:
                # Where a repeated frame ends is known a cycle later.
                with m.State("LOOK"):
                    m.next = "WORDS"
            with m.State("WORDS"):
                m.d.comb += [
                    word.valid.eq(~buffer.stalled),
                    word.data.eq(buffer.word),
                    buffer.take.eq(word.valid),
                ]
                with m.If(word.valid & buffer.end):
                    m.next = "CRC"
            with m.State("CRC"):
                m.d.comb += [word.valid.eq(1), word.crc.eq(1), word.last.eq(step)]
                m.d.sync += step.eq(~step)
                with m.If(step):
                    m.next = "WAIT"
        self._requests(m, due)
        return m

    def _send(self, m: Module, byte: Value) -> Value:
        """Send words, with the CRC; returns whether one has not been sent yet."""
        word = byte
        m.submodules.crc = crc = WideCrc32()
        on_the_way: Value = Const(0)
        if self.config.pipelined:
            # Words come late from their memory.
            later = Signal.like(word)
            m.d.sync += later.eq(word)
            word, on_the_way = later, later.valid
        # The CRC to send is the inverse of the register. Feeding the register its own half moves
        # the other one into position. Other data is 0 meanwhile.
        checked = word.data | (crc.crc[:16] & word.crc.replicate(16))
        m.d.comb += [
            self.o.valid.eq(word.valid),
            self.o.p.data.eq(checked ^ word.crc.replicate(16)),
            self.o.p.last.eq(word.last),
            crc.first.eq(word.first),
            crc.valid.eq(word.valid),
            crc.data.eq(checked),
        ]
        return on_the_way
