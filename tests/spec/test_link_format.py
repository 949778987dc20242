from dataclasses import fields

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from stablespike.spec import link
from stablespike.spec.array import PRESETS, ArrayConfig


@pytest.mark.parametrize("config", [ArrayConfig(), *PRESETS.values(), ArrayConfig(state=False)])
def test_info_comes_back_as_it_was(config):
    build = bytes(range(link.BUILD_ID_BYTES))
    info = link.pack_info(config, build, 24_000_000)
    assert link.unpack_info(info) == (config, build, 24_000_000)
    assert len(info) + 4 <= link.BODY_BYTES  # with the nonce
    types = [type(getattr(link.unpack_info(info)[0], f.name)) for f in fields(ArrayConfig)]
    assert types == [type(getattr(config, f.name)) for f in fields(ArrayConfig)]


def test_another_device():
    with pytest.raises(ValueError, match=r"not a StableSpike device: it answered b'NOPE', not b'"):
        link.unpack_info(b"NOPE" + bytes(100))
    with pytest.raises(ValueError, match=r"not a StableSpike device: it answered b''"):
        link.unpack_info(b"")


def test_another_version():
    info = bytearray(link.pack_info(ArrayConfig()))
    info[4] = link.VERSION + 1
    with pytest.raises(ValueError, match=rf"protocol version 0{link.VERSION + 1}, this driver "):
        link.unpack_info(bytes(info))
    with pytest.raises(ValueError, match=r"protocol version none, .*build the bitstream again"):
        link.unpack_info(link.MAGIC)


@given(st.integers(5, 200))
def test_wrong_lengths(length):
    info = link.pack_info(ArrayConfig())
    assume(length != len(info))
    with pytest.raises(ValueError, match=f"in {length} bytes, not {len(info)}"):
        link.unpack_info((info + bytes(200))[:length])


def test_a_frame_is_made_of_its_parts():
    assert link.HEADER_BYTES + link.BODY_BYTES + link.CRC_BYTES == link.FRAME_BYTES == 254
    # Kinds and flags share a byte; no kind is 0, so zeros are no frame.
    assert link.KIND_MASK & (link.RESEND | link.FAULT) == 0
    assert all(0 < kind <= link.KIND_MASK for kind in link.Kind)
    assert link.WINDOW_HEAD.width == 8


def test_datagrams_about_ownership():
    for what in link.Ownership:
        payload = link.pack_ownership(what)
        assert link.unpack_ownership(payload) is what
        # On another link, this would be no frame: nothing of it has a CRC.
        assert link.unpack_ownership(payload + b"\0") is None
        assert link.unpack_ownership(payload[:-1]) is None
        assert link.unpack_ownership(b"\1" + payload[1:]) is None
    assert link.unpack_ownership(link.OWNERSHIP_HEAD + b"\x09") is None
    assert link.unpack_ownership(b"") is None
