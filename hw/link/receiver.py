"""Receiver: turns bytes from the host into commands and acknowledgements, after checking the
CRC."""

from __future__ import annotations

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec.array import ArrayConfig
from stablespike.spec.link import KIND_MASK, RESEND, Kind

from ..lib.queue import Queue
from ..lib.registers import pipeline
from ..vendor.devices import prefers_logic
from ..vendor.memory import collision_free_memory
from .deframer import FRAME_START, Deframer

__all__ = ["NONCE_BYTES", "Receiver", "acknowledge_layout", "command_layout", "nonce_layout"]

NONCE_BYTES = 4


def command_layout(link_bytes: int = 1) -> data.StructLayout:
    """A byte of a command, or two.

    A byte without meaning comes first, then the body. ``last`` marks the last of these bytes; if
    the body is empty, that is the first byte. Of two bytes, the first is the low one; with
    ``single``, there is only that one.
    """
    if link_bytes == 1:
        return data.StructLayout({"data": 8, "last": 1})
    return data.StructLayout({"data": 16, "single": 1, "last": 1})


def acknowledge_layout() -> data.StructLayout:
    """``ack`` of a host frame, and whether the host asks for missing frames again (``resend``)."""
    return data.StructLayout({"ack": 8, "resend": 1})


def nonce_layout() -> data.StructLayout:
    """A byte of the current session's nonce, and its ``index``."""
    return data.StructLayout({"index": range(NONCE_BYTES), "data": 8})


class Receiver(wiring.Component):
    """The receiving half of the link.

    A frame is parsed, one byte per cycle, while the next one is received. A frame of another
    session or of an unknown kind is dropped. Commands go to a queue of ``receive_bytes``. A command
    that comes in order but does not fit is dropped too, and the host sends it again.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    i : In(stream.Signature(8))
        Bytes on the wire.
    commands : Out(stream.Signature(command_layout()))
        Bodies of DATA frames in order, each once.
    acknowledged : Out(stream.Signature(acknowledge_layout(), always_ready=True))
        The host's ``ack``, from any frame that carries one.
    nonce : Out(stream.Signature(nonce_layout(), always_ready=True))
        Bytes of a hello's nonce, before ``clear`` and ``greeted``.
    clear : Out(1)
        A strobe, one cycle before ``greeted``: a new session has begun.
    greeted : Out(1)
        A strobe: a hello must be answered.
    missing : Out(1)
        A strobe: a host frame came too early, so one is missing.
    doubled : Out(1)
        A strobe: a host frame came a second time.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__({
            "i": In(stream.Signature(8)),
            "commands": Out(stream.Signature(command_layout())),
            "acknowledged": Out(stream.Signature(acknowledge_layout(), always_ready=True)),
            "nonce": Out(stream.Signature(nonce_layout(), always_ready=True)),
            "clear": Out(1), "greeted": Out(1), "missing": Out(1), "doubled": Out(1),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.deframer = deframer = Deframer()
        queue = Queue(command_layout(), self.config.receive_bytes)
        m.submodules.queue = ResetInserter(self.clear)(queue)
        m.submodules.running = running = collision_free_memory(
            8, NONCE_BYTES, block=not prefers_logic(platform)
        )
        connect(m, flipped(self.i), deframer.i)
        connect(m, queue.o, flipped(self.commands))

        # There is one state per byte of the header, then one for the bytes of the nonce or the
        # body. In each state, the current byte is the one before the byte addressed.
        at = Signal(8, init=FRAME_START)
        kind = Signal(range(max(Kind) + 1), reset_less=True)
        resend, open_, same = Signal(reset_less=True), Signal(), Signal(reset_less=True)
        taken = Signal(reset_less=True)
        expected, ahead = Signal(8), Signal(8)
        kept, keep = running.read_port(), running.write_port()
        hello, is_data, equal, last = Signal(), Signal(), Signal(), Signal()
        # Large arrays have a register behind the buffer, so the current byte is one further back.
        got, known, behind = Signal(8), Signal(8), Signal.like(at)
        domain = pipeline(m, self.config)
        domain += [got.eq(deframer.byte), known.eq(kept.data), behind.eq(at)]
        m.d.comb += [
            deframer.address.eq(at),
            # Throughout the header this is 0, because the session is the first byte of the nonce.
            kept.addr.eq(at[:2] & (~at[-1]).replicate(2)),
            hello.eq(kind == Kind.HELLO),
            is_data.eq(kind == Kind.DATA),
            equal.eq(got == known),
            ahead.eq(got - expected),
            queue.i.p.data.eq(got),
            queue.i.p.last.eq(last),
            # ``behind`` is one ahead of the current byte, so the body's last byte meets its length.
            last.eq(behind == deframer.length),
            self.acknowledged.p.ack.eq(got),
            self.acknowledged.p.resend.eq(resend),
            self.nonce.p.index.eq(behind[:2] - 1),
            self.nonce.p.data.eq(got),
            keep.addr.eq(self.nonce.p.index),
            keep.data.eq(self.nonce.p.data),
            keep.en.eq(self.nonce.valid),
        ]
        m.d.comb += deframer.busy.eq(1)
        m.d.sync += at.eq(at + 1)
        with m.FSM():
            with m.State("WAIT"):
                m.d.comb += deframer.busy.eq(0)
                m.d.sync += at.eq(FRAME_START)
                with m.If(deframer.accept):
                    m.next = "FETCH"
            # The buffers change places at the end of WAIT, so the first byte is addressed here.
            with m.State("FETCH"):
                m.next = "ARRIVE" if self.config.pipelined else "KIND"
            if self.config.pipelined:
                with m.State("ARRIVE"):
                    m.next = "KIND"
            # Frames of other sessions are dropped as soon as they are recognized.
            with m.State("KIND"):
                of_a_kind = (got & KIND_MASK).matches(Kind.HELLO, Kind.DATA, Kind.ACK)
                m.d.sync += [kind.eq(got), resend.eq((got & RESEND) != 0)]
                m.next = "SESSION"
                with m.If(~of_a_kind):
                    m.next = "WAIT"
            with m.State("SESSION"):
                # Before the first session there is no nonce that a hello could repeat.
                m.d.sync += same.eq(open_)
                m.next = "SEQUENCE"
                with m.If(~hello & ~(open_ & equal)):
                    m.next = "WAIT"
            with m.State("SEQUENCE"):
                # If the number is ahead of the expected one, a frame is missing; if behind, this
                # frame came before. A command takes one byte more than its body has.
                fits = queue.level + deframer.length < queue.depth
                m.d.sync += taken.eq(is_data & (ahead == 0) & fits)
                with m.If(is_data):
                    m.d.comb += [
                        self.missing.eq((ahead != 0) & ~ahead[-1]),
                        self.doubled.eq(ahead[-1]),
                    ]
                m.next = "ACK"
            with m.State("ACK"):
                m.d.comb += self.acknowledged.valid.eq(~hello)
                m.next = "WAIT"
                with m.If(hello):
                    m.next = "NONCE"
                # This byte goes to the queue as the one without meaning, which can be ``last``.
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
            with m.State("NONCE"):
                # A repeated hello has the nonce of the current session: it is answered again, but
                # starts no new session.
                m.d.comb += self.nonce.valid.eq(1)
                m.d.sync += same.eq(same & equal)
                with m.If(behind[:2] == 0):
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
