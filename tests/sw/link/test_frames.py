from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stablespike.link.frames import Frame, decode_frame, encode_frame
from stablespike.spec.link import BODY_BYTES, FRAME_BYTES, Kind


@given(
    st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.integers(0, 255),
    st.binary(max_size=BODY_BYTES),
)
def test_frames_come_back(kind: int, number: int, seq: int, ack: int, body: bytes) -> None:
    frame = Frame(kind, number, seq, ack, body)
    wire = encode_frame(frame)
    assert wire.count(0) == 1
    assert wire.endswith(b"\0")
    assert len(wire) <= FRAME_BYTES + 2
    assert decode_frame(wire[:-1]) == frame


@given(st.binary(max_size=60), st.data())
def test_a_damaged_frame_is_none(body: bytes, data: st.DataObject) -> None:
    wire = encode_frame(Frame(Kind.DATA, 7, 8, 9, body))[:-1]
    at = data.draw(st.integers(0, len(wire) - 1))
    bad = bytearray(wire)
    bad[at] ^= data.draw(st.integers(1, 255))
    assert decode_frame(bytes(bad)) is None
    assert decode_frame(wire[:at]) is None


def test_what_is_no_frame() -> None:
    assert decode_frame(b"") is None
    assert decode_frame(b"\x05ab") is None
    assert decode_frame(b"\x01\x01\x01") is None


def test_a_body_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="body must be at most 246 bytes, not 247"):
        encode_frame(Frame(Kind.DATA, 0, 0, 0, bytes(BODY_BYTES + 1)))
