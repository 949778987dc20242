"""UDP: the link's frames in datagrams, with ARP and ping, between a PHY and byte streams.

    rx --> Receiver (Headers, Owner) --> FrameQueue --payload--> o
                                          |      |
                                          |   headers of the owner
                                       replies   v
                         tx <-- Sender <-+--- Gatherer <-------- i
"""

from __future__ import annotations

import ipaddress

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ...lib.checks import check_int
from ...lib.stream_registers import SkidBuffer
from ..wire import wire_signature
from .byte_reader import frame_byte_layout
from .frame_queue import FrameQueue
from .gatherer import Gatherer
from .receiver import Receiver
from .sender import Sender

__all__ = ["ETHERNET_HZ", "Udp"]

ETHERNET_HZ = 125_000_000
"""Bytes per second of gigabit Ethernet."""


class Udp(wiring.Component):
    """A board's end of ``spec.link`` over UDP, at a byte per clock of 125 MHz.

    Everything in a frame is checked before it takes effect (``Receiver``). Frames that find no room
    are dropped whole.

    Parameters
    ----------
    mac : bytes
        MAC address, 6 bytes; not that of a group.
    ip : str
        IP address.
    port : int
        UDP port.
    silence : int
        Cycles of silence after which the owner may be replaced: ``UDP_SILENCE`` seconds.
    queue_bytes : int
        Bytes of received frames that wait; a power of two, at least 4096.
    linger : int
        Cycles for which a datagram waits for more bytes: longer than the pauses within a frame and
        between two that follow each other.
    spacing : int
        Fewest cycles between two datagrams that are not full. Every one costs the host
        microseconds, and an answer is late by this much at most.

    Members
    -------
    rx_data : In(8)
        A byte from the PHY.
    rx_valid : In(1)
        There is a byte.
    rx_error : In(1)
        The byte is damaged.
    tx_data : Out(8)
        A byte to the PHY.
    tx_enable : Out(1)
        There is a byte.
    o, i, idle
        The bytes in the datagrams (``hw.link.wire``).

    Raises
    ------
    TypeError, ValueError
        Naming the parameter, the value and what is allowed.
    """

    def __init__(
        self, mac: bytes, ip: str, port: int, *, silence: int, queue_bytes: int = 8192,
        linger: int = 64, spacing: int = 2000,
    ) -> None:
        if len(mac) != 6 or mac[0] & 1:
            raise ValueError(
                f"mac must be 6 bytes, and the first one even, not {bytes(mac).hex(':')}"
            )
        check_int("port", port, 1, 0xFFFF)
        try:
            address = ipaddress.IPv4Address(ip)
        except ValueError:
            raise ValueError(f"ip must be an IPv4 address, not {ip!r}") from None
        self.receiver = Receiver(mac, address.packed, port, silence)
        self.queue = FrameQueue(queue_bytes)
        self.gatherer = Gatherer(linger, spacing)
        super().__init__({
            "rx_data": In(8), "rx_valid": In(1), "rx_error": In(1),
            "tx_data": Out(8), "tx_enable": Out(1),
            **wire_signature().members,
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.receiver = receiver = self.receiver
        m.submodules.queue = queue = self.queue
        m.submodules.gatherer = gatherer = self.gatherer
        m.submodules.sender = sender = Sender()
        connect(m, receiver.store, queue.store)
        connect(m, receiver.done, queue.done)
        # Blocks may be far from each other for a clock of 125 MHz, so the streams between them have
        # registers. Those of frames to send have them in their ByteReader.
        m.submodules.payload = payload = SkidBuffer(8)
        connect(m, queue.payload, payload.i)
        connect(m, payload.o, flipped(self.o))
        m.submodules.headers = headers = SkidBuffer(frame_byte_layout())
        connect(m, queue.headers, headers.i)
        connect(m, headers.o, gatherer.headers)
        connect(m, queue.replies, sender.replies)
        m.submodules.bytes = between = SkidBuffer(8)
        connect(m, flipped(self.i), between.i)
        connect(m, between.o, gatherer.i)
        connect(m, gatherer.frames, sender.datagrams)
        m.d.comb += [
            receiver.rx_data.eq(self.rx_data),
            receiver.rx_valid.eq(self.rx_valid),
            receiver.rx_error.eq(self.rx_error),
            receiver.room.eq(queue.room),
            gatherer.owned.eq(receiver.owned),
            self.tx_data.eq(sender.tx_data),
            self.tx_enable.eq(sender.tx_enable),
            self.idle.eq(~between.o.valid & gatherer.idle & sender.idle),
        ]
        return m
