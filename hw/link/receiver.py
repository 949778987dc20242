"""Bytes from the host to commands and acknowledgements: nothing passes before its CRC holds."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from stablespike.spec.array import ArrayConfig
from stablespike.spec.link import (
    BODY_BYTES,
    CRC_BYTES,
    FRAME_BYTES,
    HEADER_BYTES,
    KIND_MASK,
    RESEND,
    Kind,
)

from ..lib.registers import pipeline
from ..scan.row_queue import NO_COLLISION
from ..vendor.devices import prefers_logic
from .cobs import CobsDecoder
from .crc import Crc32

__all__ = [
    "NONCE_BYTES", "CommandRing", "Receiver", "acknowledge_layout", "command_layout", "nonce_layout"
]

NONCE_BYTES = 4
_HALF = 256
_START = _HALF - HEADER_BYTES  # place of a frame's first byte: its body then starts at 0


def command_layout() -> data.StructLayout:
    """A byte of a command.

    One byte without meaning comes first, then the body; ``last`` is with the last of them, on the
    first byte where the body is empty.
    """
    return data.StructLayout({"data": 8, "last": 1})


def acknowledge_layout() -> data.StructLayout:
    """``ack`` of a frame of the host's, and whether it wants what is missing again."""
    return data.StructLayout({"ack": 8, "resend": 1})


def nonce_layout() -> data.StructLayout:
    """A byte of the running session's nonce."""
    return data.StructLayout({"index": range(NONCE_BYTES), "data": 8})


def _strobe(layout: data.StructLayout) -> wiring.Signature:
    return wiring.Signature({"valid": Out(1), "payload": Out(layout)})


class CommandRing(wiring.Component):
    """A queue of ``depth`` bytes in block memory that says whether a whole command fits.

    A byte in is at the output two cycles later; one byte per cycle.

    Parameters
    ----------
    depth : a power of two.

    Members
    -------
    i : bytes to append; not to be valid without room: ask ``fits`` first.
    length, fits : there is room for ``length`` + 1 bytes.
    o : the queue's other end.
    clear : empty it.
    """

    def __init__(self, depth: int) -> None:
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two of at least 2, not {depth}")
        self.depth = depth
        super().__init__({
            "write": In(1),
            "i": In(command_layout()),
            "length": In(8),
            "fits": Out(1),
            "o": Out(stream.Signature(command_layout())),
            "clear": In(1),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(
            shape=command_layout(), depth=self.depth, init=[], attrs=NO_COLLISION
        )
        write, read = memory.write_port(), memory.read_port()
        level = Signal(range(self.depth + 1))
        head, tail = Signal(range(self.depth)), Signal(range(self.depth))
        held, fetch = Signal(), Signal()
        m.d.comb += [
            self.fits.eq(level + self.length < self.depth),
            write.en.eq(self.write),
            write.addr.eq(head),
            write.data.eq(self.i),
            fetch.eq((level != 0) & (~held | self.o.ready)),
            read.en.eq(fetch),
            read.addr.eq(tail),
            self.o.payload.eq(read.data),
            self.o.valid.eq(held),
        ]
        with m.If(self.write):
            m.d.sync += head.eq(head + 1)
        with m.If(fetch):
            m.d.sync += tail.eq(tail + 1)
        with m.If(fetch | self.o.ready):
            m.d.sync += held.eq(fetch)
        with m.If(self.write ^ fetch):
            # One adder for both directions: + 1 or, with all bits set, - 1.
            m.d.sync += level.eq(level + Cat(1, fetch.replicate(len(level) - 1)))
        with m.If(self.clear):
            m.d.sync += [level.eq(0), head.eq(0), tail.eq(0), held.eq(0)]
        return m


class Receiver(wiring.Component):
    """The receiving half of the link.

    Frames are decoded into one of two buffers while the one before is looked at, a byte per cycle
    in each, so the wire is held up only where a frame is followed by one shorter than it. What is
    damaged, too short, too long, of another session or of no known kind vanishes. Commands go to a
    ring of ``receive_bytes``; one that comes in order but does not fit vanishes too.

    Parameters
    ----------
    config : the array.

    Members
    -------
    i : bytes on the wire.
    commands : DATA bodies in order (``command_layout``), each once.
    acknowledged : a strobe: the host's ``ack``, of any frame that carries one.
    nonce : a strobe: bytes of a hello's nonce, before ``greeted`` and ``clear``.
    greeted : a strobe: a hello is to be answered.
    clear : a strobe, one cycle before ``greeted``: a new session has begun.
    missing : a strobe: a frame of the host's came too early.
    doubled : a strobe: a frame of the host's came again.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__({
            "i": In(stream.Signature(8)),
            "commands": Out(stream.Signature(command_layout())),
            "acknowledged": Out(_strobe(acknowledge_layout())),
            "nonce": Out(_strobe(nonce_layout())),
            "greeted": Out(1),
            "clear": Out(1),
            "missing": Out(1),
            "doubled": Out(1),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.cobs = cobs = CobsDecoder()
        m.submodules.crc = crc = Crc32()
        m.submodules.ring = ring = CommandRing(self.config.receive_bytes)
        m.submodules.buffer = buffer = Memory(
            shape=8, depth=2 * _HALF, init=[], attrs=NO_COLLISION
        )
        m.submodules.running = running = Memory(
            shape=8, depth=NONCE_BYTES, init=[],
            attrs={} if prefers_logic(platform) else {"ram_style": "block", **NO_COLLISION},
        )
        wiring.connect(m, wiring.flipped(self.i), cobs.i)
        wiring.connect(m, ring.o, wiring.flipped(self.commands))
        assert CRC_BYTES == HEADER_BYTES
        assert BODY_BYTES + CRC_BYTES < _START

        # Into a buffer: a frame's bytes, from place _START on, around the end of the buffer.
        put = buffer.write_port()
        half = Signal()
        place = Signal(8, init=_START)
        whole = Signal()  # header and CRC are there
        long = Signal()
        first = Signal(init=1)
        length = Signal(8, reset_less=True)
        byte, end, check, busy, accept = Signal(), Signal(), Signal(), Signal(), Signal()
        bad = Signal(reset_less=True)
        m.d.comb += [
            cobs.o.ready.eq(~check),
            byte.eq(cobs.o.valid & ~cobs.o.p.end),
            end.eq(cobs.o.valid & cobs.o.p.end),
            put.en.eq(byte & ~check),
            put.addr.eq(Cat(place, half)),
            put.data.eq(cobs.o.p.data),
            crc.first.eq(first),
            crc.valid.eq(cobs.o.valid & ~check),
            crc.data.eq(cobs.o.p.data),
            accept.eq(check & crc.match & ~bad & ~busy),
        ]
        # No byte can come in the cycle behind an end: the wire brings a code there.
        with m.If(check), m.If(accept | bad | ~crc.match):
            m.d.sync += [check.eq(0), place.eq(_START), first.eq(1), whole.eq(0), long.eq(0)]
        with m.Elif(byte):
            m.d.sync += [place.eq(place + 1), first.eq(0)]
            with m.If(place == CRC_BYTES - 1):
                m.d.sync += whole.eq(1)
            with m.If(place == FRAME_BYTES - HEADER_BYTES):
                m.d.sync += long.eq(whole)
        with m.Elif(end):
            m.d.sync += [check.eq(1), bad.eq(cobs.o.p.broken | long | ~whole)]
        with m.If(accept):
            m.d.sync += [half.eq(~half), length.eq(place - CRC_BYTES)]

        # Out of it: header, then nonce or body; the byte before the one addressed is at hand.
        get = buffer.read_port()
        at = Signal(8, init=_START)
        kind = Signal(range(max(Kind) + 1), reset_less=True)
        resend, open_, same = Signal(reset_less=True), Signal(), Signal(reset_less=True)
        taken = Signal(reset_less=True)
        expected, ahead = Signal(8), Signal(8)
        kept = running.read_port()
        keep = running.write_port()
        hello, is_data, equal, last = Signal(), Signal(), Signal(), Signal()
        # Large arrays have a register behind the buffer: the byte at hand is one further back.
        got, known, behind = Signal(8), Signal(8), Signal.like(at)
        domain = pipeline(m, self.config)
        domain += [got.eq(get.data), known.eq(kept.data), behind.eq(at)]
        m.d.comb += [
            get.addr.eq(Cat(at, ~half)),
            kept.addr.eq(at[:2] & (~at[-1]).replicate(2)),
            hello.eq(kind == Kind.HELLO),
            is_data.eq(kind == Kind.DATA),
            equal.eq(got == known),
            ahead.eq(got - expected),
            ring.length.eq(length),
            ring.i.data.eq(got),
            ring.i.last.eq(last),
            last.eq(behind == length),
            self.acknowledged.payload.ack.eq(got),
            self.acknowledged.payload.resend.eq(resend),
            self.nonce.payload.index.eq(behind[:2] - 1),
            self.nonce.payload.data.eq(got),
            keep.addr.eq(self.nonce.payload.index),
            keep.data.eq(self.nonce.payload.data),
            keep.en.eq(self.nonce.valid),
        ]
        m.d.comb += busy.eq(1)
        m.d.sync += at.eq(at + 1)
        with m.FSM():
            with m.State("WAIT"):
                m.d.comb += busy.eq(0)
                m.d.sync += at.eq(_START)
                with m.If(accept):
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.next = "ARRIVE" if self.config.pipelined else "KIND"
            if self.config.pipelined:
                with m.State("ARRIVE"):
                    m.next = "KIND"
            with m.State("KIND"):
                of_a_kind = (got & KIND_MASK).matches(Kind.HELLO, Kind.DATA, Kind.ACK)
                m.d.sync += [kind.eq(got), resend.eq((got & RESEND) != 0)]
                m.next = "SESSION"
                with m.If(~of_a_kind):
                    m.next = "WAIT"
            with m.State("SESSION"):
                m.d.sync += same.eq(open_)
                m.next = "SEQUENCE"
                with m.If(~hello & ~(open_ & equal)):
                    m.next = "WAIT"
            with m.State("SEQUENCE"):
                m.d.sync += taken.eq(is_data & (ahead == 0) & ring.fits)
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
                with m.If(taken):
                    m.d.comb += ring.write.eq(1)
                    m.next = "BODY"
                    with m.If(last):
                        m.d.sync += expected.eq(expected + 1)
                        m.next = "WAIT"
            with m.State("BODY"):
                m.d.comb += ring.write.eq(1)
                with m.If(last):
                    m.d.sync += expected.eq(expected + 1)
                    m.next = "WAIT"
            with m.State("NONCE"):
                m.d.comb += self.nonce.valid.eq(1)
                m.d.sync += same.eq(same & equal)
                with m.If(behind[:2] == 0):
                    m.next = "HELLO"
            with m.State("HELLO"):
                m.d.comb += [self.clear.eq(~same), ring.clear.eq(~same)]
                with m.If(~same):
                    m.d.sync += [open_.eq(1), expected.eq(0)]
                m.next = "GREET"
            with m.State("GREET"):
                m.d.comb += self.greeted.eq(1)
                m.next = "WAIT"
        return m
