"""Resend buffer: keeps reports until the host has acknowledged them."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec.array import ArrayConfig
from stablespike.spec.link import BODY_BYTES

from ..lib.ports import reports_signature
from ..vendor.memory import collision_free_memory
from .receiver import acknowledge_layout

__all__ = ["FLIGHT", "ResendBuffer"]

FLIGHT = 128
"""The most DATA frames that may be unacknowledged: half the sequence numbers, so that none is
ambiguous."""


class ResendBuffer(wiring.Component):
    r"""A ring of reports, cut into numbered frames, and a table of where each frame began.

    With the table, a frame is sent again with the same bytes, and an acknowledgement frees any
    number of frames in two cycles (three with chained lanes).

        ring     ..free..|a.a.a.b.b.b.b.c.c.c.c.d.d.d.d.|..free..
                         ^tail          ^next           ^head
        frames           oldest         number   newest

    A new frame takes the words that are available while it is built, at most ``BODY_BYTES``. It
    starts between two packets unless the ring is full.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    reports : In(reports_signature())
        Report packets from the array; ``ready`` falls while the ring is full.
    acknowledged : In(stream.Signature(acknowledge_layout(), always_ready=True))
        The host has all frames before ``ack``; old ones change nothing.
    between : In(1)
        No frame is being built.
    settled : Out(1)
        Everything that a frame or ``rewind`` needs is known; only while ``between``.
    rewind : In(1)
        Go back to the oldest frame; only while ``settled``.
    waiting : Out(1)
        There is a frame to send, for the first time or again.
    number : Out(8)
        Its number.
    numbered : In(1)
        The number was sent; the next word taken is the frame's first. At least two cycles before
        the first ``end`` is looked at.
    word : Out(16)
        The next word of the frame. It is valid from the second cycle after ``number`` is, or after
        the last ``take``, until the second cycle after the next ``take``. With ``link_bytes`` of 2,
        it is valid from the cycle after a ``take`` on.
    take : In(1)
        The low half of ``word`` was sent. Never up in two cycles in a row. With ``link_bytes`` of
        2, all of ``word`` is sent in this cycle; up only while not ``stalled``.
    stalled : Out(1)
        ``end`` and the next word are not known in this cycle, because an acknowledgement is using
        the table.
    end : Out(1)
        The word taken in the cycle before was the frame's last. With ``link_bytes`` of 2: the word
        taken in this cycle is.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__({
            "reports": In(reports_signature()),
            "acknowledged": In(stream.Signature(acknowledge_layout(), always_ready=True)),
            "between": In(1), "settled": Out(1), "rewind": In(1), "waiting": Out(1),
            "number": Out(8),
            "numbered": In(1),
            "word": Out(16),
            "take": In(1), "stalled": Out(1), "end": Out(1),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        words = self.config.result_bytes // 2
        m.submodules.ring = ring = collision_free_memory(16, words)
        fill, drain = ring.write_port(), ring.read_port()
        head, next_word, tail = (Signal(range(2 * words), name=n) for n in ("head", "next", "tail"))
        full, inside = Signal(), Signal()
        m.d.comb += [
            # The highest bit of both distinguishes laps.
            full.eq(head == tail ^ words),
            self.reports.ready.eq(~full),
            fill.en.eq(self.reports.valid & ~full),
            fill.addr.eq(head),
            fill.data.eq(self.reports.p.data),
        ]
        after = next_word
        if self.config.link_bytes == 1:
            m.d.comb += [
                drain.addr.eq(next_word),
                drain.en.eq(~self.stalled),  # the word is held while its second byte waits
            ]
        else:
            after = Signal.like(next_word)
            m.d.comb += [
                after.eq(next_word + 1),
                drain.addr.eq(Mux(self.take, after, next_word)),
            ]
        m.d.comb += self.word.eq(drain.data)
        with m.If(fill.en):
            m.d.sync += [head.eq(head + 1), inside.eq(~self.reports.p.last)]

        # oldest <= number <= newest; ``next_word`` is the first word of frame ``number``.
        oldest, newest = Signal(8), Signal(8)
        number = self.number
        m.submodules.begins = begins = collision_free_memory(len(head), 256)
        mark, begin = begins.write_port(), begins.read_port()
        ack, freed = self.acknowledged.p.ack, Signal(8)
        # The table was read for an acknowledgement, which frees frames.
        looked = Signal(data.StructLayout({"up": 1, "frees": 1}))
        found = Signal.like(begin.data, reset_less=True)
        m.d.comb += [
            # An acknowledgement may read the entry of ``number``, so nothing is written meanwhile.
            mark.en.eq(self.between & ~self.acknowledged.valid),
            mark.addr.eq(number),
            mark.data.eq(next_word),
            begin.addr.eq(Mux(self.acknowledged.valid, ack, number)),
            freed.eq(ack + ~oldest),  # ack - oldest - 1: negative if none is freed
        ]
        frees = self.acknowledged.valid & ~freed[-1]
        m.d.sync += [looked.up.eq(self.acknowledged.valid), looked.frees.eq(frees)]
        with m.If(frees):
            m.d.sync += oldest.eq(ack)
        busy = looked.frees
        answer = looked
        if self.config.pipelined:
            # There is a register behind the table, so everything that waits for it waits a cycle
            # longer.
            answer = Signal.like(looked)
            m.d.sync += [answer.eq(looked), found.eq(begin.data)]
            busy |= answer.frees
        else:
            m.d.comb += found.eq(begin.data)
        with m.If(answer.frees):
            m.d.sync += tail.eq(found)

        again = Signal(reset_less=True)
        size = Signal(range(BODY_BYTES // 2 + 1), reset_less=True)  # words that still fit
        # If the ring is full, the rest of a packet cannot come before a frame has left. XOR with
        # ``FLIGHT`` adds it, because it is the highest bit.
        fresh = (next_word != head) & (~inside | full) & (number != oldest ^ FLIGHT)
        ends = int(self.config.link_bytes > 1)  # words that still fit before the last one
        m.d.comb += [
            self.stalled.eq(answer.up),
            # ``number`` has its entry in the table, and ``tail`` is up to date.
            self.settled.eq(mark.en & ~busy),
            self.waiting.eq((number != newest) | fresh),
            # A frame that is sent again ends where the next one began.
            self.end.eq(Mux(again, after == found, (after == head) | (size == ends))),
        ]
        with m.If(self.between):
            m.d.sync += [size.eq(BODY_BYTES // 2), again.eq(number != newest)]
        with m.If(self.rewind):
            m.d.sync += [number.eq(oldest), next_word.eq(tail)]
        with m.If(self.numbered):
            m.d.sync += number.eq(number + 1)
            with m.If(~again):
                m.d.sync += newest.eq(newest + 1)
        with m.If(self.take):
            m.d.sync += [next_word.eq(next_word + 1), size.eq(size - 1)]
        return m
