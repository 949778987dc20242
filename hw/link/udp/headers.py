"""Headers: stores a frame as its own reply, and compares its headers on the way."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...vendor.memory import collision_free_memory
from .positions import HEADER_BYTES, MAC_BYTES, Protocol, Rule, Write, position_layout, positions

__all__ = ["FRAME_ROOM", "Headers", "sender_layout", "store_layout"]

FRAME_ROOM = 1536
"""Bytes that a frame may overwrite, even if it is too long."""

_PLACES = 64  # the last one is behind the headers
_ETHERTYPE_LOW, _IP_PROTOCOL = 13, 23
_IP_LENGTH_LOW, _UDP_LENGTH_LOW = MAC_BYTES + 3, HEADER_BYTES - 3
_ETHERTYPE = {0x00: Protocol.UDP, 0x06: Protocol.ARP}
_OVER_IP = {1: Protocol.ICMP, 17: Protocol.UDP}


def store_layout() -> data.StructLayout:
    """A byte to store, at an offset from the frame's place."""
    return data.StructLayout({"offset": 11, "data": 8})


def sender_layout() -> data.StructLayout:
    """One of the bytes that tell senders apart, and which of them it is."""
    return data.StructLayout({"index": 4, "data": 8})


class Headers(wiring.Component):
    """Follows the bytes of a frame.

    A byte is stored three cycles after it came. What the outputs say about it is known in the cycle
    behind.

    Parameters
    ----------
    mac : bytes
        MAC address, 6 bytes.
    ip : bytes
        IP address, 4 bytes.
    port : int
        UDP port.

    Members
    -------
    begin : In(1)
        The next byte is the first one of a frame.
    valid : In(1)
        There is a byte.
    data : In(8)
        The byte.
    store : Out(stream.Signature(store_layout(), always_ready=True))
        A byte to store.
    sender : Out(stream.Signature(sender_layout(), always_ready=True))
        One of the bytes that tell senders apart.
    count : Out(11)
        Bytes of the frame so far; counting ends at ``FRAME_ROOM``.
    protocol : Out(Protocol)
        The protocol.
    known : Out(1)
        All bytes that must have one value had it.
    addressed : Out(1)
        The frame is for the board's MAC address.
    broadcast : Out(1)
        The frame is for all.
    summed : Out(1)
        The checksum of IP's header is right.
    total : Out(16)
        Bytes of IP's header and of what follows, as IP says.
    length : Out(16)
        Bytes of UDP's header and of the payload, as UDP says.
    ownership : Out(1)
        The payload starts like one about ownership.
    request : Out(8)
        The byte behind this start.
    """

    begin: In(1)
    valid: In(1)
    data: In(8)
    store: Out(stream.Signature(store_layout(), always_ready=True))
    sender: Out(stream.Signature(sender_layout(), always_ready=True))
    count: Out(11)
    protocol: Out(Protocol)
    known: Out(1)
    addressed: Out(1)
    broadcast: Out(1)
    summed: Out(1)
    total: Out(16)
    length: Out(16)
    ownership: Out(1)
    request: Out(8)

    def __init__(self, mac: bytes, ip: bytes, port: int) -> None:
        self.positions = positions(mac, ip, port)
        super().__init__()

    def elaborate(self, platform) -> Module:
        m = Module()
        # First stage: what the byte at this place must be in this protocol is read from block RAM,
        # since logic is too slow for 125 MHz. The byte that tells the protocol is not in the table,
        # or has the same row in each one that is still possible.
        layout, strange = position_layout(), Signal()
        rows: list[dict[str, int]] = [{}] * (4 * _PLACES)
        for (protocol, place), position in self.positions.items():
            rows[protocol * _PLACES + place] = position.fields()
        m.submodules.table = table = collision_free_memory(layout, len(rows), rows, block=True)
        row = table.read_port()
        at_place = Signal(range(_PLACES))  # it stays at the last one, behind the headers
        m.d.comb += row.addr.eq(Cat(at_place, self.protocol))
        with m.If(self.valid & ~(self.count[9] & self.count[10])):
            m.d.sync += self.count.eq(self.count + 1)
            with m.If(at_place != _PLACES - 1):
                m.d.sync += at_place.eq(at_place + 1)
        for place, protocols, over_ip in (
            (_ETHERTYPE_LOW, _ETHERTYPE, False), (_IP_PROTOCOL, _OVER_IP, True)
        ):
            applies = (self.protocol == Protocol.UDP) if over_ip else 1
            with m.If(self.valid & (self.count == place) & applies), m.Switch(self.data):
                for value, protocol in protocols.items():
                    with m.Case(value):
                        m.d.sync += self.protocol.eq(protocol)
                with m.Default():
                    m.d.sync += strange.eq(1)

        # Second stage: behind the memory there is a register.
        follower, waiting = Signal(8), Signal()  # the byte behind that of the third stage
        place, at, byte, before = Signal(11), Signal(layout), Signal(8), Signal(8)
        second_place, arrived = Signal(11), Signal()
        m.d.sync += [
            follower.eq(self.data), waiting.eq(self.valid), second_place.eq(self.count),
            byte.eq(follower), arrived.eq(waiting), place.eq(second_place), at.eq(row.data),
        ]

        # Third stage: the byte is compared, added and made one of the reply.
        # Both are known a cycle before they are added.
        carries, wraps = Signal(), Signal()
        m.d.sync += wraps.eq(follower[3:].all() & self.data.all())
        with m.If(arrived):
            m.d.sync += [before.eq(byte), carries.eq(byte[3:].all())]
        equal, ones = Signal(), Signal()
        rule = Signal(Rule)
        m.d.sync += [
            equal.eq(((byte ^ at.expect) & ~Cat(*[0] * 6, at.loose, 0)) == 0),
            ones.eq(byte.all()),
            rule.eq(Mux(arrived, at.rule, Rule.ANY)),
        ]
        # A reply has a type of 0 in place of 8, so its checksum is 0x0800 higher; in one's
        # complement the carry of the high byte goes into the low one.
        added = Mux(at.write == Write.SUM_HIGH, Cat(wraps, 0, 0, 1), carries)
        with m.Switch(at.write):
            with m.Case(Write.BYTE):
                m.d.sync += self.store.p.data.eq(byte)
            with m.Case(Write.CONSTANT):
                m.d.sync += self.store.p.data.eq(at.constant)
            with m.Default():
                m.d.sync += self.store.p.data.eq(byte + added)
        m.d.sync += [
            self.store.valid.eq(arrived & ~(place[9] & place[10])),
            self.store.p.offset.eq(Mux(at.moved, at.to, place)),
        ]
        m.d.comb += [
            self.sender.valid.eq(arrived & at.from_sender),
            self.sender.p.index.eq(at.sender),
            self.sender.p.data.eq(byte),
        ]
        added_up = Signal(17)  # the highest bit is added with the next word
        with m.If(arrived & at.summed & place[0]):
            m.d.sync += added_up.eq(added_up[:16] + Cat(byte, before) + added_up[16])
        with m.If(arrived & (place == _IP_LENGTH_LOW)):
            m.d.sync += self.total.eq(Cat(byte, before))
        with m.If(arrived & (place == _UDP_LENGTH_LOW)):
            m.d.sync += self.length.eq(Cat(byte, before))
        with m.If(arrived & (place == HEADER_BYTES + 7)):
            m.d.sync += self.request.eq(byte)

        # Fourth stage: the results.
        from_group = Signal()  # no frame comes from a group of stations
        m.d.sync += [
            from_group.eq(self.sender.valid & (at.sender == 0) & byte[0]),
            self.summed.eq(
                Mux(added_up[16], added_up[:16] == 0xFFFE, added_up[:16] == 0xFFFF)
            ),
        ]
        with m.If(from_group | strange | ((rule == Rule.EQUAL) & ~equal)):
            m.d.sync += self.known.eq(0)
        with m.If((rule == Rule.STATION) & ~equal):
            m.d.sync += self.addressed.eq(0)
        with m.If((rule == Rule.STATION) & ~ones):
            m.d.sync += self.broadcast.eq(0)
        with m.If((rule == Rule.OWNERSHIP) & ~equal):
            m.d.sync += self.ownership.eq(0)
        with m.If(self.begin):
            m.d.sync += [
                self.count.eq(0), at_place.eq(0), self.protocol.eq(Protocol.UDP), strange.eq(0),
                added_up.eq(0),
                self.known.eq(1), self.addressed.eq(1), self.broadcast.eq(1),
                self.ownership.eq(1),
            ]
        return m
