"""Receiver for words: turns bytes from the host into commands and acknowledgements."""

from __future__ import annotations

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec.array import ArrayConfig
from stablespike.spec.link import KIND_MASK, RESEND, Kind

from ...lib.queue import Queue
from ...lib.registers import pipeline
from ..receiver import NONCE_BYTES, acknowledge_layout, command_layout
from .deframer import WIDE_FRAME_START, WideDeframer

__all__ = ["WideReceiver"]


class WideReceiver(wiring.Component):
    """The receiving half of the link, a word per cycle; what it does is that of ``Receiver``.

    The queue of commands has ``receive_bytes`` words: a command of n bytes counts n + 1, and takes
    at most as many words.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    i : In(stream.Signature(16))
        Words on the wire (see the package).
    commands : Out(stream.Signature(command_layout(2)))
        Bodies of DATA frames in order, each once.
    nonce : Out(32)
        The current session's nonce, first byte lowest.

    acknowledged, clear, greeted, missing, doubled
        As of ``Receiver``.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__({
            "i": In(stream.Signature(16)),
            "commands": Out(stream.Signature(command_layout(2))),
            "acknowledged": Out(stream.Signature(acknowledge_layout(), always_ready=True)),
            "nonce": Out(8 * NONCE_BYTES),
            "clear": Out(1), "greeted": Out(1), "missing": Out(1), "doubled": Out(1),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.deframer = deframer = WideDeframer()
        queue = Queue(command_layout(2), self.config.receive_bytes)
        m.submodules.queue = ResetInserter(self.clear)(queue)
        connect(m, flipped(self.i), deframer.i)
        connect(m, queue.o, flipped(self.commands))

        # There is one state per word of the header, then those of the nonce or one for the words
        # of the body. In each state, the current word is the one before the word addressed.
        at = Signal(7, init=WIDE_FRAME_START)
        kind = Signal(range(max(Kind) + 1), reset_less=True)
        resend, open_, same = Signal(reset_less=True), Signal(), Signal(reset_less=True)
        taken = Signal(reset_less=True)
        expected, ahead = Signal(8), Signal(8)
        hello, is_data, last = Signal(), Signal(), Signal()
        # Large arrays have a register behind the buffer, so the current word is one further back.
        got, behind = Signal(16), Signal.like(at)
        domain = pipeline(m, self.config)
        domain += [got.eq(deframer.word), behind.eq(at)]
        # A register, because it is known long before it is needed.
        words = Signal(7, reset_less=True)
        low, high, nonce = got[:8], got[8:], self.nonce
        m.d.sync += words.eq(deframer.length[1:])
        m.d.comb += [
            deframer.address.eq(at),
            hello.eq(kind == Kind.HELLO),
            is_data.eq(kind == Kind.DATA),
            ahead.eq(high - expected),
            queue.i.p.data.eq(got),
            queue.i.p.last.eq(last),
            # The words hold one byte more than the body has.
            queue.i.p.single.eq(last & ~deframer.length[0]),
            # ``behind`` is one ahead of the current word, so the last word meets the count of those
            # behind the first.
            last.eq(behind == words),
            self.acknowledged.p.ack.eq(low),
            self.acknowledged.p.resend.eq(resend),
        ]
        m.d.comb += deframer.busy.eq(1)
        m.d.sync += at.eq(at + 1)
        with m.FSM():
            with m.State("WAIT"):
                m.d.comb += deframer.busy.eq(0)
                m.d.sync += at.eq(WIDE_FRAME_START)
                with m.If(deframer.accept):
                    m.next = "FETCH"
            # The buffers change places at the end of WAIT, so the first word is addressed here.
            with m.State("FETCH"):
                m.next = "ARRIVE" if self.config.pipelined else "KIND"
            if self.config.pipelined:
                with m.State("ARRIVE"):
                    m.next = "KIND"
            with m.State("KIND"):
                of_a_kind = (high & KIND_MASK).matches(Kind.HELLO, Kind.DATA, Kind.ACK)
                m.d.sync += [kind.eq(high), resend.eq((high & RESEND) != 0)]
                m.next = "SEQUENCE"
                with m.If(~of_a_kind):
                    m.next = "WAIT"
            with m.State("SEQUENCE"):
                # Before the first session there is no nonce that a hello could repeat.
                m.d.sync += same.eq(open_)
                ours = open_ & (low == nonce[:8])
                # If the number is ahead of the expected one, a frame is missing; if behind, this
                # frame came before.
                fits = queue.level + deframer.length[1:] < queue.depth
                m.d.sync += taken.eq(is_data & (ahead == 0) & fits)
                with m.If(is_data & ours):
                    m.d.comb += [
                        self.missing.eq((ahead != 0) & ~ahead[-1]),
                        self.doubled.eq(ahead[-1]),
                    ]
                m.next = "ACK"
                with m.If(~hello & ~ours):
                    m.next = "WAIT"
            with m.State("ACK"):
                m.d.comb += self.acknowledged.valid.eq(~hello)
                m.next = "WAIT"
                with m.If(hello):
                    m.d.sync += [same.eq(same & (high == nonce[:8])), nonce[:8].eq(high)]
                    m.next = "NONCE"
                # The low byte goes to the queue as the one without meaning.
                with m.If(taken):
                    m.d.comb += queue.i.valid.eq(1)
                    m.next = "BODY"
                    with m.If(last):
                        m.d.sync += expected.eq(expected + 1)
                        m.next = "WAIT"
            with m.State("BODY"):
                m.d.comb += queue.i.valid.eq(1)
                with m.If(last):
                    m.d.sync += expected.eq(expected + 1)
                    m.next = "WAIT"
            # A repeated hello has the nonce of the current session: it is answered again, but
            # starts no new session.
            with m.State("NONCE"):
                m.d.sync += [same.eq(same & (got == nonce[8:24])), nonce[8:24].eq(got)]
                m.next = "NONCE LAST"
            with m.State("NONCE LAST"):
                m.d.sync += [same.eq(same & (low == nonce[24:])), nonce[24:].eq(low)]
                m.next = "HELLO"
            with m.State("HELLO"):
                m.d.comb += self.clear.eq(~same)
                with m.If(~same):
                    m.d.sync += [open_.eq(1), expected.eq(0)]
                m.next = "GREET"
            # ``clear`` resets the transmitter, which would miss ``greeted`` in the same cycle.
            with m.State("GREET"):
                m.d.comb += self.greeted.eq(1)
                m.next = "WAIT"
        return m
