"""Frame queue: received frames, until the link or the sender has taken them."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...lib.checks import check_int
from ...lib.queue import Queue
from ...vendor.memory import collision_free_memory
from .byte_reader import ByteReader, frame_byte_layout
from .headers import FRAME_ROOM, store_layout
from .positions import HEADER_BYTES
from .receiver import Fate, fate_layout

__all__ = ["FrameQueue"]

_FRAMES = 32


class FrameQueue(wiring.Component):
    """A ring of frames in block memory, and a queue of what happens with each.

    The frame that is being received is behind the last good one. If it is not good, the next one
    takes its place.

    Parameters
    ----------
    size : int
        Bytes of the ring; a power of two, at least 4096.

    Members
    -------
    room : Out(1)
        There is room for a frame, whatever its length.
    store : In(stream.Signature(store_layout(), always_ready=True))
        A byte to store.
    done : In(stream.Signature(fate_layout(), always_ready=True))
        The frame stored last was good.
    payload : Out(stream.Signature(8))
        Payloads of the frames with ``Fate.PAYLOAD``, in order.
    replies : Out(stream.Signature(frame_byte_layout()))
        Frames to send. Once a frame's first byte was taken, there is a byte in every cycle.
    headers : Out(stream.Signature(frame_byte_layout()))
        The headers of a frame with ``Fate.GRANT``, twice, before the frame is sent.
    """

    def __init__(self, size: int) -> None:
        self.size = check_int("size", size, 4096)
        if size & (size - 1):
            raise ValueError(f"size must be a power of two, not {size}")
        super().__init__({
            "room": Out(1),
            "store": In(stream.Signature(store_layout(), always_ready=True)),
            "done": In(stream.Signature(fate_layout(), always_ready=True)),
            "payload": Out(stream.Signature(8)),
            "replies": Out(stream.Signature(frame_byte_layout())),
            "headers": Out(stream.Signature(frame_byte_layout())),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.ring = ring = collision_free_memory(8, self.size)
        m.submodules.fates = fates = Queue(fate_layout(), _FRAMES)
        m.submodules.reader = reader = ByteReader(self.size)
        write, read = ring.write_port(), ring.read_port()
        head, tail = Signal(range(self.size)), Signal(range(self.size))
        used = Signal(range(self.size))
        oldest = Signal.like(tail)  # a payload's bytes make room as soon as they are read
        m.d.comb += oldest.eq(tail)
        m.d.sync += [
            write.en.eq(self.store.valid),
            write.addr.eq(head + self.store.p.offset),
            write.data.eq(self.store.p.data),
            used.eq(head - oldest),
            self.room.eq((used <= self.size - 1 - FRAME_ROOM) & (fates.level < _FRAMES - 1)),
        ]
        m.d.comb += [
            fates.i.valid.eq(self.done.valid),
            fates.i.payload.eq(self.done.payload),
            read.addr.eq(reader.address),
            read.en.eq(reader.enable),
            reader.data.eq(read.data),
        ]
        with m.If(self.done.valid):
            m.d.sync += head.eq(head + self.done.p.length)

        # The frame at the front is read; where to, depends on its fate.
        front = fates.o
        again = Signal()  # the headers are read for the second time
        finished = Signal()
        m.d.comb += [
            reader.i.p.first.eq(tail),
            reader.i.p.length.eq(front.p.length),
            finished.eq(reader.o.valid & reader.o.ready & reader.o.p.last),
            self.payload.payload.eq(reader.o.p.data),
            self.replies.payload.eq(reader.o.payload),
            self.headers.payload.eq(reader.o.payload),
        ]
        with m.FSM():
            with m.State("WAIT"):
                m.d.sync += again.eq(0)
                with m.If(front.valid), m.Switch(front.p.fate):
                    with m.Case(Fate.PAYLOAD):
                        m.next = "READ PAYLOAD"
                    with m.Case(Fate.GRANT):
                        m.next = "READ HEADERS"
                    with m.Default():
                        m.next = "READ REPLY"
            with m.State("READ PAYLOAD"):
                m.d.comb += [
                    reader.i.valid.eq(1),
                    reader.i.p.first.eq(tail + HEADER_BYTES),
                    reader.i.p.length.eq(front.p.length - HEADER_BYTES),
                ]
                m.next = "PAYLOAD"
            with m.State("PAYLOAD"):
                m.d.comb += [
                    oldest.eq(reader.address),
                    self.payload.valid.eq(reader.o.valid), reader.o.ready.eq(self.payload.ready)
                ]
                with m.If(finished):
                    m.next = "FREE"
            with m.State("READ HEADERS"):
                m.d.comb += [reader.i.valid.eq(1), reader.i.p.length.eq(HEADER_BYTES)]
                m.next = "HEADERS"
            with m.State("HEADERS"):
                m.d.comb += [
                    self.headers.valid.eq(reader.o.valid), reader.o.ready.eq(self.headers.ready)
                ]
                with m.If(finished):
                    m.d.sync += again.eq(1)
                    m.next = "READ HEADERS"
                    with m.If(again):
                        m.next = "READ REPLY"
            with m.State("READ REPLY"):
                m.d.comb += reader.i.valid.eq(1)
                m.next = "REPLY"
            with m.State("REPLY"):
                m.d.comb += [
                    self.replies.valid.eq(reader.o.valid), reader.o.ready.eq(self.replies.ready)
                ]
                with m.If(finished):
                    m.next = "FREE"
            with m.State("FREE"):
                m.d.comb += [front.ready.eq(1), oldest.eq(tail + front.p.length)]
                m.d.sync += tail.eq(tail + front.p.length)
                m.next = "WAIT"
        return m
