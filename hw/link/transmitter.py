"""Reports, acknowledgements and the answer to hello as frames to the host."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from stablespike.spec.array import ArrayConfig
from stablespike.spec.link import (
    BODY_BYTES,
    BUILD_ID_BYTES,
    FAULT,
    RESEND,
    Kind,
    pack_info,
)

from ..lib.ports import reports_signature
from ..lib.registers import pipeline
from ..scan.row_queue import NO_COLLISION
from .cobs import encoded_layout
from .crc import Crc32
from .receiver import NONCE_BYTES, acknowledge_layout, nonce_layout

__all__ = ["FLIGHT", "Transmitter"]

FLIGHT = 128
"""DATA frames that may be unacknowledged: half the sequence numbers, so none is ambiguous."""


class Transmitter(wiring.Component):
    """The sending half of the link: go-back-N.

    Reports are kept in a ring of ``result_bytes`` until the host has them. A frame takes what is
    there when it is built, at most ``BODY_BYTES``, and starts between two packets unless the ring
    is full; so results go out at once on a fast link, many in a frame on a slow one. A table keeps
    where each frame began, so a frame is sent again with the same bytes, and an acknowledgement
    frees any number of frames in two cycles. Building takes a cycle for each byte and 3 more.

    First go answers to hello, then what asks the host for its frames again, then reports, then
    plain acknowledgements.

    Parameters
    ----------
    config : the array.
    build_id, clock_hz : for the answer to hello.

    Members
    -------
    reports : of the array; ``ready`` falls while the ring is full.
    o : bytes of frames; a frame begins when ``ready`` is up, which must then stay up to its end.
    executed, done, fault : the command unit's. Each ``done`` is answered by an ACK, once there is
        nothing else to send.
    acknowledged, missing, doubled, greeted, nonce : strobes of the receiver. What the host has
        acknowledged before changes nothing.
    quiet : no ``done`` waits for its answer, and no frame is being built.
    """

    def __init__(
        self, config: ArrayConfig, build_id: bytes = bytes(BUILD_ID_BYTES), clock_hz: int = 0
    ) -> None:
        self.config = config
        self.info = pack_info(config, build_id, clock_hz)
        if len(build_id) != BUILD_ID_BYTES:
            raise ValueError(f"build_id must be {BUILD_ID_BYTES} bytes, not {len(build_id)}")
        super().__init__({
            "reports": In(reports_signature()),
            "o": Out(stream.Signature(encoded_layout())),
            "executed": In(8),
            "done": In(1),
            "fault": In(1),
            "acknowledged": In(wiring.Signature({
                "valid": Out(1), "payload": Out(acknowledge_layout()),
            })),
            "nonce": In(wiring.Signature({"valid": Out(1), "payload": Out(nonce_layout())})),
            "missing": In(1),
            "doubled": In(1),
            "greeted": In(1),
            "quiet": Out(1),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.crc = crc = Crc32()

        words = self.config.result_bytes // 2
        m.submodules.ring = ring = Memory(
            shape=16, depth=words, init=[], attrs=NO_COLLISION
        )
        fill, drain = ring.write_port(), ring.read_port()
        head, next_word, tail = (Signal(range(2 * words), name=n) for n in ("head", "next", "tail"))
        full, inside = Signal(), Signal()
        looked, newly, back = Signal(), Signal(), Signal()
        late = Signal(data.StructLayout({"looked": 1, "newly": 1}))
        stalled = Signal()  # the table's answer is not that for ``number``
        m.d.comb += [
            full.eq(head == tail ^ words),
            self.reports.ready.eq(~full),
            fill.en.eq(self.reports.valid & ~full),
            fill.addr.eq(head),
            fill.data.eq(self.reports.p.data),
            drain.addr.eq(next_word),
            drain.en.eq(~stalled),  # a word waits with its second byte
        ]
        with m.If(fill.en):
            m.d.sync += [head.eq(head + 1), inside.eq(~self.reports.p.last)]

        # Frames by number: oldest <= number <= newest; next_word is where ``number`` begins.
        oldest, number, newest = (Signal(8, name=n) for n in ("oldest", "number", "newest"))
        m.submodules.begins = begins = Memory(
            shape=len(head), depth=256, init=[], attrs=NO_COLLISION
        )
        mark, begin = begins.write_port(), begins.read_port()
        again = Signal(reset_less=True)
        ack = self.acknowledged.payload
        ahead = Signal(8)
        begun = Signal.like(begin.data, reset_less=True)
        # Large arrays have a register behind the table; what waits for it waits a cycle longer.
        domain = pipeline(m, self.config)
        domain += begun.eq(begin.data)
        m.d.comb += [
            mark.addr.eq(number),
            mark.data.eq(next_word),
            begin.addr.eq(Mux(self.acknowledged.valid, ack.ack, number)),
            ahead.eq(ack.ack + ~oldest),
        ]
        m.d.sync += looked.eq(self.acknowledged.valid)  # the table's port was taken for it
        m.d.sync += newly.eq(self.acknowledged.valid & ~ahead[-1])
        with m.If(self.acknowledged.valid & ~ahead[-1]):
            m.d.sync += oldest.eq(ack.ack)
        if self.config.pipelined:
            m.d.sync += [late.looked.eq(looked), late.newly.eq(newly)]
        m.d.comb += stalled.eq(late.looked if self.config.pipelined else looked)
        with m.If(late.newly if self.config.pipelined else newly):
            m.d.sync += tail.eq(begun)

        greet, nak, owe = Signal(), Signal(), Signal()
        resend = self.acknowledged.valid & ack.resend
        # The session's nonce, whose first byte is its name, and the answer to hello behind it.
        info = list(self.info)
        depth = NONCE_BYTES + len(info)
        m.submodules.told = told = Memory(
            shape=8, depth=depth, init=[0] * NONCE_BYTES + info,
            # Written while it is read only by the nonce that is there already.
            attrs={"ram_style": "block", **NO_COLLISION},
        )
        keep, tell = told.write_port(), told.read_port()
        at = Signal(range(depth + 1), reset_less=True)
        m.d.comb += [
            keep.en.eq(self.nonce.valid),
            keep.addr.eq(self.nonce.payload.index),
            keep.data.eq(self.nonce.payload.data),
            tell.addr.eq(at),
        ]

        kind = Signal(range(max(Kind) + 1), reset_less=True)
        asks = Signal(reset_less=True)
        step = Signal(2)
        size = Signal(range(BODY_BYTES // 2 + 1), reset_less=True)
        byte, emit = Signal(8), Signal()
        checking = Signal()
        begins_frame, ends_frame = Signal(), Signal()
        on_the_way = Signal()  # a byte of a frame
        if self.config.pipelined:
            # Words come late out of their memory: their bytes go by way of a register.
            chosen = Signal(8, reset_less=True)
            adding, closing = Signal(), Signal()
            m.d.sync += [
                on_the_way.eq(emit), chosen.eq(byte), adding.eq(checking),
                crc.first.eq(begins_frame), closing.eq(ends_frame),
            ]
            checked = Mux(adding, crc.crc[:8], chosen)
            m.d.comb += [
                self.o.valid.eq(on_the_way),
                self.o.p.data.eq(checked ^ adding.replicate(8)),
                self.o.p.last.eq(closing),
                crc.valid.eq(on_the_way),
                crc.data.eq(checked),
            ]
        else:
            m.d.comb += [
                self.o.valid.eq(emit),
                self.o.p.data.eq(byte ^ checking.replicate(8)),
                self.o.p.last.eq(ends_frame),
                crc.first.eq(begins_frame),
                crc.valid.eq(emit),
                crc.data.eq(byte),
            ]
        fresh = Signal()  # a frame with new reports may begin
        end = Signal()
        m.d.comb += [
            fresh.eq((next_word != head) & (~inside | full) & (number != oldest ^ FLIGHT)),
            end.eq(Mux(again, next_word == begun, (next_word == head) | (size == 0))),
        ]
        with m.FSM():
            with m.State("WAIT"):
                m.d.comb += [
                    mark.en.eq(~self.acknowledged.valid),
                    self.quiet.eq(~owe & ~on_the_way),
                ]
                m.d.sync += [
                    at.eq(0), step.eq(0), size.eq(BODY_BYTES // 2), again.eq(number != newest),
                    asks.eq(0),
                ]
                # Only once the place of ``number`` is in the table and ``tail`` is up to date.
                with m.If(mark.en & ~newly & ~late.newly):
                    with m.If(back):
                        m.d.sync += [back.eq(0), number.eq(oldest), next_word.eq(tail)]
                    with m.Elif(self.o.ready & ~on_the_way):
                        m.next = "HEADER"
                        with m.If(greet):
                            m.d.sync += [kind.eq(Kind.INFO), greet.eq(0)]
                        with m.Elif(nak):
                            m.d.sync += [kind.eq(Kind.ACK), nak.eq(0), asks.eq(1)]
                        with m.Elif((number != newest) | fresh):
                            m.d.sync += kind.eq(Kind.DATA)
                        with m.Elif(owe):
                            m.d.sync += [kind.eq(Kind.ACK), owe.eq(0)]
                        with m.Else():
                            m.next = "WAIT"
            with m.State("HEADER"):
                m.d.comb += emit.eq(1)
                m.d.sync += step.eq(step + 1)
                with m.Switch(step):
                    with m.Case(0):
                        m.d.comb += [
                            begins_frame.eq(1),
                            byte.eq(
                                kind | Mux(asks, RESEND, 0)
                                | Mux(self.fault & (kind != Kind.INFO), FAULT, 0)
                            ),
                        ]
                    with m.Case(1):
                        m.d.comb += byte.eq(tell.data)
                    with m.Case(2):
                        m.d.comb += byte.eq(number)
                        with m.If(kind == Kind.DATA):
                            m.d.sync += number.eq(number + 1)
                            with m.If(~again):
                                m.d.sync += newest.eq(newest + 1)
                    with m.Case(3):
                        m.d.comb += byte.eq(self.executed)
                        m.d.sync += at.eq(1)
                        with m.Switch(kind):
                            with m.Case(Kind.INFO):
                                m.next = "INFO"
                            with m.Case(Kind.DATA):
                                m.next = "WORD LOW"
                            with m.Default():
                                m.next = "CRC"
            with m.State("INFO"):
                m.d.comb += [emit.eq(1), byte.eq(tell.data)]
                m.d.sync += at.eq(at + 1)
                with m.If(at == depth):
                    m.next = "CRC"
            with m.State("WORD LOW"):
                m.d.comb += [emit.eq(1), byte.eq(drain.data[:8])]
                m.d.sync += [next_word.eq(next_word + 1), size.eq(size - 1)]
                m.next = "WORD HIGH"
            with m.State("WORD HIGH"):
                m.d.comb += [emit.eq(~stalled), byte.eq(drain.data[8:])]
                with m.If(emit):
                    m.next = "WORD LOW"
                    with m.If(end):
                        m.next = "CRC"
            with m.State("CRC"):
                m.d.comb += [emit.eq(1), checking.eq(1), ends_frame.eq(step == 3)]
                if not self.config.pipelined:
                    m.d.comb += byte.eq(crc.crc[:8])
                m.d.sync += step.eq(step + 1)
                with m.If(step == 3):
                    m.next = "WAIT"

        with m.If(self.done | self.doubled | resend):
            m.d.sync += owe.eq(1)
        with m.If(resend):
            m.d.sync += back.eq(1)
        with m.If(self.missing):
            m.d.sync += nak.eq(1)
        with m.If(self.greeted):
            m.d.sync += greet.eq(1)
        return m
