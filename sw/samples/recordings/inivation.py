"""Recordings of iniVation's cameras: AEDAT 3.1 and AEDAT 4."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from .source import EVENTS, Recordings, Source, empty_events, header_lines, library

__all__ = ["AEDAT4_MAGIC", "read_aedat3", "read_aedat4"]

AEDAT4_MAGIC = b"#!AER-DAT4.0\r\n"
_PACKET = struct.Struct("<hhiiiiii")
"""Type, source, size of an event, place of its time, loops of the time, capacity, events, valid."""
_POLARITY, _EVENT_BYTES = 1, 8
_TYPES = 32  # more than there are; a larger one is no packet


def read_aedat3(source: Source) -> Recordings:
    """AEDAT 3.1: packets of events. Those that are marked invalid are left out."""
    lines, start = header_lines(source.head, b"#", b"#!END-HEADER")
    if not lines or lines[-1] != "#!END-HEADER":
        raise source.error("is a truncated AEDAT 3.1 file: its header has no end")
    form = next((line for line in lines if line.startswith("#Format:")), "#Format: RAW")
    if form.split(":")[1].strip() != "RAW":
        raise source.error(f"has packets of the form {form[8:].strip()!r}: 'RAW' is read")
    data = source.values("u1", start)
    parts: dict[int, list[npt.NDArray[Any]]] = {}
    for sender, loops, packet in _polarity_packets(source, data):
        words = packet.view("<u4").reshape(-1, 2)
        words = words[words[:, 0] & 1 == 1]
        part = empty_events(len(words))
        place, time = words[:, 0], words[:, 1]
        part["t"] = time.astype(np.int64) + (loops << 31)
        part["x"], part["y"] = place >> 17, place >> 2 & 0x7FFF
        part["p"] = place >> 1 & 1
        parts.setdefault(sender, []).append(part)
    return _by_stream(parts)


def _by_stream(parts: dict[int, list[npt.NDArray[Any]]]) -> Recordings:
    """A recording for each camera of a file, in the order of their numbers."""
    if not parts:
        return Recordings([empty_events(0)])
    events = [np.concatenate(parts.pop(sender)) for sender in sorted(parts)]
    return Recordings(events, several=len(events) > 1)


def _polarity_packets(
    source: Source, data: npt.NDArray[np.uint8]
) -> Iterator[tuple[int, int, npt.NDArray[np.uint8]]]:
    """The sender, the loops of the time and the bytes of each packet of events."""
    at = 0
    while at < len(data):
        if at + _PACKET.size > len(data):
            raise source.error("is truncated: it ends in the header of a packet")
        kind, sender, size, _, loops, capacity, count, _ = _PACKET.unpack(
            data[at : at + _PACKET.size].tobytes()
        )
        if not 0 <= kind < _TYPES or size < 1 or not 0 <= count <= capacity or loops < 0:
            raise source.error(f"is damaged: at byte {at} of its data is no header of a packet")
        at += _PACKET.size
        stop = at + size * capacity
        if stop > len(data):
            raise source.error(
                f"is truncated: its last packet has {size * capacity} bytes, of which "
                f"{len(data) - at} are there"
            )
        if kind == _POLARITY:
            if size != _EVENT_BYTES:
                raise source.error(f"is damaged: events of {size} bytes, not of {_EVENT_BYTES}")
            yield sender, loops, data[at : at + size * count]
        at = stop


def read_aedat4(source: Source) -> Recordings:
    """AEDAT 4, decoded by aedat: a recording for each stream of events."""
    aedat = library("aedat", source, "an AEDAT 4 recording")
    _check_packets(source)
    parts: dict[int, list[npt.NDArray[Any]]] = {}
    try:
        decoder = aedat.Decoder(str(source.path))
        kinds = {number: each["type"] for number, each in decoder.id_to_stream().items()}
        for packet in decoder:
            if "events" in packet:
                parts.setdefault(packet["stream_id"], []).append(packet["events"])
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library's own panics are no Exception
        raise source.damaged(error) from error
    streams = sorted(number for number, kind in kinds.items() if kind == "events")
    if not streams:
        raise source.error(
            f"has no stream of events; it has {', '.join(sorted(set(kinds.values()))) or 'none'}"
        )
    events = [_joined(parts.pop(number, [])) for number in streams]
    return Recordings(events, several=len(events) > 1)


def _joined(parts: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """The events of packets in one array; the packets are let go one by one."""
    events = np.empty(sum(map(len, parts)), EVENTS)
    stop = len(events)
    while parts:
        part = parts.pop()
        block = events[stop - len(part) : stop]
        # Times are signed in the file, and the library gives them as unsigned.
        block["t"] = part["t"].view(np.int64)
        block["x"], block["y"], block["p"] = part["x"], part["y"], part["on"]
        stop -= len(part)
    return events


def _check_packets(source: Source) -> None:
    """Refuse a file that ends in the midst of a packet, before a library reserves memory for what
    the packet claims to have."""
    with source.path.open("rb") as file:
        start = len(AEDAT4_MAGIC)
        file.seek(start)
        length = int.from_bytes(file.read(4), "little")
        head = file.read(length) if length <= source.size - start - 4 else b""
        if not head:
            raise source.error("is truncated or damaged: its header ends after the file")
        table = _table_position(source, head)
        at = start + 4 + length
        end = source.size if table < 0 else table
        if not at <= end <= source.size:
            raise source.error(f"is truncated: its table of packets is at byte {table}")
        while at < end:
            file.seek(at)
            packet = file.read(8)
            size = int.from_bytes(packet[4:], "little", signed=True)
            if len(packet) < 8 or size < 0 or at + 8 + size > end:
                raise source.error(f"is truncated: its packet at byte {at} has no end")
            at += 8 + size


def _table_position(source: Source, head: bytes) -> int:
    """Where the table of packets begins; -1 without one."""
    # A flatbuffer: the places of the fields of its root are in the root's table of fields.
    try:
        place = _field(head, 1)
        table = int(struct.unpack_from("<q", head, place)[0]) if place else -1
        place = _field(head, 2)
        place += int(struct.unpack_from("<I", head, place)[0])
        length = int(struct.unpack_from("<I", head, place)[0])
        # The library takes for granted what this checks.
        head[place + 4 : place + 4 + length].decode("utf-8")
    except (struct.error, UnicodeDecodeError) as error:
        raise source.error(f"is damaged: its header is none of AEDAT 4 ({error})") from error
    return table


def _field(head: bytes, number: int) -> int:
    """The place of a field of the root of a flatbuffer; 0 without it."""
    (root,) = struct.unpack_from("<I", head)
    fields = root - struct.unpack_from("<i", head, root)[0]
    if fields < 0:
        raise struct.error("fields before the header")
    (size,) = struct.unpack_from("<H", head, fields)
    if size < 6 + 2 * number:
        return 0
    place = int(struct.unpack_from("<H", head, fields + 4 + 2 * number)[0])
    return root + place if place else 0
