"""Receiver: finds the good frames for this board, and decides what happens with them."""

import enum

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ETHERNET
from amaranth.lib.wiring import In, Out
from stablespike.spec.link import OWNERSHIP_HEAD, Ownership

from .headers import FRAME_ROOM, Headers, store_layout
from .owner import Owner
from .positions import ARP_BYTES, HEADER_BYTES, IP_BYTES, MAC_BYTES, Protocol

__all__ = ["OWNERSHIP_BYTES", "Fate", "Receiver", "fate_layout"]

OWNERSHIP_BYTES = HEADER_BYTES + len(OWNERSHIP_HEAD) + 1
"""Bytes of a frame about ownership."""
_FRAME_MIN, _FRAME_MAX = 64, 1518
_FCS_BYTES, _UDP_BYTES = 4, 8
_PING_MIN = IP_BYTES + 8
_PREAMBLE, _START = 0x55, 0xD5
assert FRAME_ROOM > _FRAME_MAX


class Fate(enum.IntEnum):
    """What happens with a good frame."""

    PAYLOAD = 0
    """Its payload goes to the link."""
    REPLY = 1
    """It is sent, as it was stored."""
    GRANT = 2
    """The same, and its headers are those of the datagrams to come."""


def fate_layout() -> data.StructLayout:
    """What happens with a frame, and its bytes: headers and what they say follows."""
    return data.StructLayout({"fate": Fate, "length": 11})


class Receiver(wiring.Component):
    """Stores each frame as its own reply (``positions``), then says what happens with it.

    A frame has an effect only if its FCS is right, its length is that of an Ethernet frame, and it
    is one of these:

    - an ARP request for the board's address, to the board or to all;
    - a ping to the board;
    - a datagram to the board's port that is about ownership (``spec.link``);
    - a datagram with a payload from the owner.

    The last three must be sent to the board's own MAC address, in one piece, without IP options.
    The checksum of IP's header and the lengths of IP and UDP must be right. The checksum of UDP is
    not looked at: payloads have their own.

    ``done`` comes five cycles after the last byte of a frame, at the latest. A frame that begins
    before is lost; on the wire, at least 8 bytes are between two frames.

    Parameters
    ----------
    mac : bytes
        MAC address, 6 bytes.
    ip : bytes
        IP address, 4 bytes.
    port : int
        UDP port.
    silence : int
        Cycles of silence after which the owner may be replaced.

    Members
    -------
    rx_data : In(8)
        A byte, as GMII has it.
    rx_valid : In(1)
        There is a byte of a preamble or frame.
    rx_error : In(1)
        The byte is damaged.
    room : In(1)
        There is room for ``FRAME_ROOM`` bytes. Looked at when a frame begins: without room, it is
        dropped.
    store : Out(stream.Signature(store_layout(), always_ready=True))
        a byte to store.
    done : Out(stream.Signature(fate_layout(), always_ready=True))
        the frame stored last was good.
    owned : Out(1)
        There is an owner.
    """

    rx_data: In(8)
    rx_valid: In(1)
    rx_error: In(1)
    room: In(1)
    store: Out(stream.Signature(store_layout(), always_ready=True))
    done: Out(stream.Signature(fate_layout(), always_ready=True))
    owned: Out(1)

    def __init__(self, mac: bytes, ip: bytes, port: int, silence: int) -> None:
        self.headers, self.owner = Headers(mac, ip, port), Owner(silence)
        super().__init__()

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.headers = headers = self.headers
        m.submodules.owner = owner = self.owner
        m.submodules.crc = crc = CRC32_ETHERNET(data_width=8).create()
        byte = Signal(8)
        valid, error, damaged = Signal(), Signal(), Signal()
        begin, body = Signal(), Signal()
        m.d.sync += [byte.eq(self.rx_data), valid.eq(self.rx_valid), error.eq(self.rx_error)]
        m.d.comb += [
            crc.start.eq(begin), headers.begin.eq(begin), owner.begin.eq(begin),
            crc.valid.eq(body), headers.valid.eq(body),
            crc.data.eq(byte), headers.data.eq(byte),
            owner.valid.eq(headers.sender.valid),
            owner.index.eq(headers.sender.p.index),
            owner.data.eq(headers.sender.p.data),
            self.store.valid.eq(headers.store.valid),
            self.store.payload.eq(headers.store.payload),
            self.owned.eq(owner.owned),
        ]

        # The tests of a whole frame, in registers, since each is a sum or a wide comparison.
        whole, sized, carried, datagram, short, filled, owning, claims, releases = (
            Signal(name=name)
            for name in (
                "whole", "sized", "carried", "datagram", "short", "filled", "owning", "claims",
                "releases",
            )
        )
        needed, rest = Signal(17), Signal(18)  # ``rest`` is negative if IP says more than came
        over_arp = headers.protocol == Protocol.ARP
        m.d.sync += [
            whole.eq(crc.match_detected & ~damaged & headers.known),
            sized.eq((headers.count >= _FRAME_MIN) & (headers.count <= _FRAME_MAX)),
            needed.eq(headers.total + (MAC_BYTES + _FCS_BYTES)),
            rest.eq(headers.count - needed),
            carried.eq(~rest[-1] & headers.addressed & headers.summed),
            datagram.eq(headers.length + IP_BYTES == headers.total),
            short.eq(headers.length[8:] == 0),
            filled.eq(~short | (headers.length[:8] > _UDP_BYTES)),
            owning.eq(
                headers.ownership & short
                & (headers.length[:8] == _UDP_BYTES + OWNERSHIP_BYTES - HEADER_BYTES)
            ),
            claims.eq(headers.request == Ownership.CLAIM),
            releases.eq(headers.request == Ownership.RELEASE),
            self.done.valid.eq(0),
            self.done.p.length.eq(Mux(over_arp, ARP_BYTES, headers.total + MAC_BYTES)),
        ]
        with m.FSM(init="SKIP"):
            with m.State("SKIP"), m.If(~valid):
                m.next = "IDLE"
            with m.State("IDLE"):
                m.d.comb += begin.eq(1)
                m.d.sync += [damaged.eq(0), self.done.p.fate.eq(Fate.REPLY)]
                with m.If(valid & (error | (byte != _PREAMBLE))):
                    m.next = "SKIP"
                    with m.If((byte == _START) & ~error & self.room):
                        m.next = "BODY"
            with m.State("BODY"):
                m.d.comb += body.eq(valid)
                with m.If(valid & error):
                    m.d.sync += damaged.eq(1)
                with m.If(~valid):
                    m.next = "MEASURE"
            with m.State("MEASURE"):
                m.next = "DECIDE"
            with m.State("DECIDE"):
                m.next = "SKIP"
                with m.If(whole & sized), m.Switch(headers.protocol):
                    with m.Case(Protocol.ARP):
                        m.d.sync += self.done.valid.eq(headers.addressed | headers.broadcast)
                    with m.Case(Protocol.ICMP):
                        m.d.sync += self.done.valid.eq(carried & (headers.total >= _PING_MIN))
                    with m.Default(), m.If(carried & datagram):
                        m.next = "DATAGRAM"
            with m.State("DATAGRAM"):
                m.next = "SKIP"
                m.d.comb += owner.heard.eq(owner.same)
                with m.If(~owning):
                    m.d.sync += [
                        self.done.valid.eq(owner.same & filled), self.done.p.fate.eq(Fate.PAYLOAD),
                    ]
                with m.Elif(claims):
                    granted = owner.free | owner.same
                    # The answer is the claim with another last byte.
                    m.d.comb += [
                        owner.take.eq(granted),
                        self.store.valid.eq(1),
                        self.store.p.offset.eq(OWNERSHIP_BYTES - 1),
                        self.store.p.data.eq(Mux(granted, Ownership.GRANTED, Ownership.REFUSED)),
                    ]
                    m.d.sync += self.done.valid.eq(1)
                    with m.If(granted):
                        m.d.sync += self.done.p.fate.eq(Fate.GRANT)
                with m.Elif(releases):
                    m.d.comb += owner.release.eq(owner.same)
        return m
