"""What each byte of a frame's headers must be, and where it goes in a reply.

A reply to a frame has the same bytes, with the two ends exchanged. So a frame is stored as its own
reply: where each byte is written is known when it arrives, and nothing needs to be looked up later.

    bytes      0..5      6..11      12, 13                14..33        34..41    42..
    ARP        to        from       0806                  ARP, to 41
    ping       to        from       0800                  IP            ICMP      data
    datagram   to        from       0800                  IP            UDP       payload
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from amaranth.lib import data
from stablespike.spec.link import OWNERSHIP_HEAD

__all__ = [
    "ARP_BYTES", "HEADER_BYTES", "IP_BYTES", "MAC_BYTES", "SENDER_BYTES", "Position", "Protocol",
    "Rule", "Write", "position_layout", "positions",
]

MAC_BYTES = 14
IP_BYTES = 20
HEADER_BYTES = MAC_BYTES + IP_BYTES + 8
"""Bytes before the payload of a datagram."""
ARP_BYTES = MAC_BYTES + 28
SENDER_BYTES = 12
"""Bytes that tell a sender from any other: its MAC address, IP address and port."""


class Protocol(enum.IntEnum):
    """What a frame carries. Until its headers say so, it is taken for a datagram."""

    UDP = 0
    ICMP = 1
    ARP = 2


class Rule(enum.IntEnum):
    """How a byte is compared with the expected one."""

    ANY = 0
    EQUAL = 1
    STATION = 2
    """As EQUAL; or all bytes of this rule are 255: a broadcast."""
    OWNERSHIP = 3
    """If any of these bytes differs, the datagram carries frames."""


class Write(enum.IntEnum):
    """What is stored."""

    BYTE = 0
    CONSTANT = 1
    SUM_HIGH = 2
    """The high byte of ICMP's checksum, made that of the reply."""
    SUM_LOW = 3


@dataclass(frozen=True)
class Position:
    """A byte of a header.

    Attributes
    ----------
    to : int
        Its place in the reply.
    expect : int or None
        What it must be.
    rule : Rule
        How it is compared.
    loose : bool
        Bit 6 may be anything: in the flags of IP, "do not fragment".
    constant : int or None
        What is stored in its place.
    write : Write
        What is stored.
    sender : int or None
        Its index among the bytes that tell senders apart.
    summed : bool
        The byte is part of what IP's checksum covers.
    """

    to: int
    expect: int | None = None
    rule: Rule = Rule.ANY
    loose: bool = False
    constant: int | None = None
    write: Write = Write.BYTE
    sender: int | None = None
    summed: bool = False

    def fields(self) -> dict[str, int]:
        """The fields of ``position_layout``."""
        return {
            "moved": 1, "to": self.to, "expect": self.expect or 0, "rule": self.rule,
            "loose": self.loose, "constant": self.constant or 0, "write": self.write,
            "from_sender": self.sender is not None, "sender": self.sender or 0,
            "summed": self.summed,
        }


def position_layout() -> data.StructLayout:
    """A ``Position``, as gateware has it; all zeros for a byte that is only stored."""
    return data.StructLayout({
        "moved": 1, "to": 6, "expect": 8, "rule": 2, "loose": 1, "constant": 8, "write": 2,
        "from_sender": 1, "sender": range(SENDER_BYTES), "summed": 1,
    })


def positions(mac: bytes, ip: bytes, port: int) -> dict[tuple[Protocol, int], Position]:
    """The header bytes of every protocol, by protocol and place; others are stored as they are.

    Parameters
    ----------
    mac : bytes
        MAC address of the board, 6 bytes.
    ip : bytes
        Its IP address, 4 bytes.
    port : int
        Its UDP port.
    """
    table: dict[tuple[Protocol, int], Position] = {}

    def equal(first: int, *values: int) -> dict[int, Position]:
        return {
            at: Position(at, value, Rule.EQUAL) for at, value in enumerate(values, start=first)
        }

    common = {
        **{at: Position(at + 6, mac[at], Rule.STATION, constant=mac[at], write=Write.CONSTANT)
           for at in range(6)},
        **{at: Position(at - 6, sender=at - 6) for at in range(6, 12)},
        **equal(12, 0x08),
    }
    arp = {
        # Ethernet, IP, lengths of addresses; a request, which becomes a reply.
        **equal(14, 0, 1, 0x08, 0, 6, 4, 0),
        21: Position(21, 1, Rule.EQUAL, constant=2, write=Write.CONSTANT),
        **{at: Position(at + 10) for at in range(22, 32)},
        **{at: Position(at - 10, constant=mac[at - 32], write=Write.CONSTANT)
           for at in range(32, 38)},
        **{at: Position(at - 10, ip[at - 38], Rule.EQUAL) for at in range(38, 42)},
    }
    plain = {at: Position(at) for at in range(14, 26)}
    over_ip = {
        **plain,
        **equal(14, 0x45),  # version 4, no options
        20: Position(20, 0, Rule.EQUAL, loose=True),  # no fragment
        **equal(21, 0),
        **{at: Position(at + 4, sender=at - 20) for at in range(26, 30)},
        **{at: Position(at - 4, ip[at - 30], Rule.EQUAL) for at in range(30, 34)},
    }
    over_ip = {at: replace(position, summed=True) for at, position in over_ip.items()}
    icmp = {
        34: Position(34, 8, Rule.EQUAL, constant=0, write=Write.CONSTANT),  # an echo request
        **equal(35, 0),
        36: Position(36, write=Write.SUM_HIGH),
        37: Position(37, write=Write.SUM_LOW),
    }
    udp = {
        **{at: Position(at + 2, sender=at - 24) for at in (34, 35)},
        **{at: Position(at - 2, byte, Rule.EQUAL)
           for at, byte in enumerate(port.to_bytes(2, "big"), start=36)},
        # No checksum, since payloads have one of their own.
        **{at: Position(at, constant=0, write=Write.CONSTANT) for at in (40, 41)},
        **{at: Position(at, byte, Rule.OWNERSHIP)
           for at, byte in enumerate(OWNERSHIP_HEAD, start=HEADER_BYTES)},
    }
    for protocol, own in (
        (Protocol.ARP, arp), (Protocol.ICMP, {**over_ip, **icmp}),
        (Protocol.UDP, {**over_ip, **udp}),
    ):
        table |= {(protocol, at): position for at, position in {**common, **own}.items()}
    return table
