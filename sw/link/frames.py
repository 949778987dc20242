"""Frames on the wire: COBS-encoded, with a CRC-32. ``spec.link`` describes them."""

from __future__ import annotations

import zlib
from typing import NamedTuple

from cobs import cobs

from ..spec.link import (
    BODY_BYTES,
    CRC_BYTES,
    FRAME_BYTES,
    HEADER_BYTES,
)

__all__ = ["Frame", "decode_frame", "encode_frame"]


class Frame(NamedTuple):
    """A decoded frame.

    Attributes
    ----------
    kind : int
        The first byte, with its flags.
    session : int
        The number of the session.
    seq : int
        The number of a DATA frame.
    ack : int
        The number of frames that the sender has taken.
    body : bytes
        0 to ``BODY_BYTES`` bytes.
    """

    kind: int
    session: int
    seq: int
    ack: int
    body: bytes = b""


def encode_frame(frame: Frame) -> bytes:
    """The bytes of a frame on the wire, with the zero that ends it.

    Raises
    ------
    ValueError
        If the body is too long, or a header field is not a byte.
    """
    if len(frame.body) > BODY_BYTES:
        raise ValueError(f"body must be at most {BODY_BYTES} bytes, not {len(frame.body)}")
    data = bytes((frame.kind, frame.session, frame.seq, frame.ack)) + frame.body
    return bytes(cobs.encode(data + zlib.crc32(data).to_bytes(CRC_BYTES, "little"))) + b"\0"


def decode_frame(raw: bytes) -> Frame | None:
    """The frame in the bytes between two zeros; None if they are not a frame."""
    try:
        data = bytes(cobs.decode(raw))
    except cobs.DecodeError:
        return None
    if not HEADER_BYTES + CRC_BYTES <= len(data) <= FRAME_BYTES:
        return None
    data, crc = data[:-CRC_BYTES], data[-CRC_BYTES:]
    if zlib.crc32(data) != int.from_bytes(crc, "little"):
        return None
    kind, session, seq, ack = data[:HEADER_BYTES]
    return Frame(kind, session, seq, ack, data[HEADER_BYTES:])
