"""Frames of Ethernet, ARP, ping and UDP: made by hand, so that any field can be wrong."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from ipaddress import IPv4Address

__all__ = [
    "BROADCAST", "Datagram", "Station", "arp_reply_of", "arp_request", "checksum", "ip_packet",
    "on_wire", "ping", "received", "udp_frame", "udp_of",
]

BROADCAST = b"\xff" * 6
_PREAMBLE = b"\x55" * 7 + b"\xd5"
_UNPADDED_MIN = 60
_ARP, _IP = b"\x08\x06", b"\x08\x00"
_ICMP, _UDP = 1, 17


@dataclass(frozen=True)
class Station:
    """One end: a MAC address and an IP address."""

    mac: bytes
    ip: bytes

    @classmethod
    def of(cls, mac: str, ip: str) -> Station:
        """A station of addresses as they are written."""
        return cls(bytes.fromhex(mac.replace(":", "")), IPv4Address(ip).packed)


def checksum(data: bytes) -> int:
    """The checksum of IP and ICMP (RFC 1071)."""
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)


def on_wire(frame: bytes) -> bytes:
    """A frame with preamble, padding and FCS."""
    padded = frame + bytes(max(0, _UNPADDED_MIN - len(frame)))
    return _PREAMBLE + padded + zlib.crc32(padded).to_bytes(4, "little")


def received(wire: bytes) -> bytes:
    """The frame in bytes from the wire, without preamble and FCS.

    Raises
    ------
    ValueError
        If it is too short or too long, or preamble or FCS are wrong.
    """
    start, frame, fcs = wire[:8], wire[8:-4], wire[-4:]
    if start != _PREAMBLE:
        raise ValueError(f"a frame starts with {start.hex()}")
    if not _UNPADDED_MIN <= len(frame) <= 1514:
        raise ValueError(f"a frame has {len(frame)} bytes")
    if zlib.crc32(frame).to_bytes(4, "little") != fcs:
        raise ValueError(f"a frame has the FCS {fcs.hex()}")
    return frame


def arp_request(
    source: Station, ip: bytes, *, to: bytes = BROADCAST, kind: int = 1, ethertype: bytes = _ARP
) -> bytes:
    """An ARP frame that asks for the MAC address of ``ip``."""
    return (
        to + source.mac + ethertype + struct.pack(">HHBBH", 1, 0x0800, 6, 4, kind)
        + source.mac + source.ip + bytes(6) + ip
    )


def arp_reply_of(frame: bytes) -> tuple[Station, Station] | None:
    """Sender and target of an ARP reply; None if the frame is something else."""
    if frame[12:22] != _ARP + struct.pack(">HHBBH", 1, 0x0800, 6, 4, 2):
        return None
    sender, target = frame[22:32], frame[32:42]
    return Station(sender[:6], sender[6:]), Station(target[:6], target[6:])


def ip_packet(
    source: Station, target: Station, protocol: int, body: bytes, *, ethertype: bytes = _IP,
    version: int = 4, options: bytes = b"", length: int | None = None, identification: int = 0,
    fragment: int = 0x4000, ttl: int = 64, sum_off: int = 0,
) -> bytes:
    """A frame with an IP packet; ``fragment`` holds its flags and offset."""
    size = 20 + len(options)
    head = struct.pack(
        ">BBHHHBBH4s4s", version << 4 | size // 4, 0,
        size + len(body) if length is None else length, identification, fragment, ttl, protocol, 0,
        source.ip, target.ip,
    ) + options
    correct = (checksum(head) + sum_off) & 0xFFFF
    head = head[:10] + struct.pack(">H", correct) + head[12:]
    return target.mac + source.mac + ethertype + head + body


def ping(
    source: Station, target: Station, data: bytes, *, kind: int = 8, code: int = 0, number: int = 1,
    **ip: int | bytes | None,
) -> bytes:
    """A frame with an echo request, or its reply if ``kind`` is 0."""
    head = struct.pack(">BBHHH", kind, code, 0, 0x5353, number)
    body = head[:2] + struct.pack(">H", checksum(head + data)) + head[4:] + data
    return ip_packet(source, target, _ICMP, body, **ip)  # type: ignore[arg-type]


def udp_frame(
    source: Station, target: Station, ports: tuple[int, int], payload: bytes, *,
    udp_length: int | None = None, **ip: int | bytes | None,
) -> bytes:
    """A frame with a datagram from one port to the other."""
    size = 8 + len(payload) if udp_length is None else udp_length
    body = struct.pack(">HHHH", *ports, size, 0) + payload
    return ip_packet(source, target, _UDP, body, **ip)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Datagram:
    """A datagram and its two ends, each with its port."""

    source: Station
    target: Station
    ports: tuple[int, int]
    payload: bytes


def udp_of(frame: bytes) -> Datagram | None:
    """The datagram in a frame; None if there is something else.

    Raises
    ------
    ValueError
        If a length or the checksum of IP's header is wrong.
    """
    if frame[12:14] != _IP or frame[14] != 0x45 or frame[23] != _UDP:
        return None
    total, size = struct.unpack(">H", frame[16:18])[0], struct.unpack(">H", frame[38:40])[0]
    if checksum(frame[14:34]) or total != size + 20 or total > len(frame) - 14:
        raise ValueError(f"a datagram has the headers {frame[14:42].hex()}")
    source, target = Station(frame[6:12], frame[26:30]), Station(frame[:6], frame[30:34])
    ports = struct.unpack(">HH", frame[34:38])
    return Datagram(source, target, (ports[0], ports[1]), frame[42:14 + total])
