import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stablespike.spec.array import ArrayConfig
from stablespike.spec.encoding import decode_rows, encode_bitmap, encode_dense

configs = st.builds(
    lambda lanes, window: ArrayConfig(lanes=lanes, window=window),
    st.sampled_from([4, 8, 16, 32, 64]),
    st.sampled_from([1, 2, 4, 8, 16]),
)


@st.composite
def maps(draw):
    config = draw(configs)
    size, seed = draw(st.integers(1, 700)), draw(st.integers(0, 2**32 - 1))
    density = draw(st.sampled_from([0, 0.02, 0.3, 1]))
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 1 << config.window, size) * (rng.random(size) < density)
    return config, words


@given(maps(), st.booleans())
def test_decode_inverts_both(map_, dense):
    config, words = map_
    data = (encode_dense if dense else encode_bitmap)(words, config)
    rows = -(-len(words) // config.lanes)
    back, used = decode_rows(data + b"more", rows, dense, config)
    assert used == len(data)
    back = back.reshape(-1)
    assert back[: len(words)].tolist() == words.tolist()
    assert not back[len(words) :].any()


@given(maps(), st.booleans())
def test_too_few_bytes(map_, dense):
    config, words = map_
    data = (encode_dense if dense else encode_bitmap)(words, config)
    rows = -(-len(words) // config.lanes)
    message = f"ends after {len(data) - 1} bytes, in the middle of a row"
    with pytest.raises(ValueError, match=message):
        decode_rows(data[:-1], rows, dense, config)


@given(maps())
def test_silence_costs_a_byte_for_eight_rows(map_):
    config, words = map_
    rows = -(-len(words) // config.lanes)
    assert len(encode_bitmap(np.zeros_like(words), config)) == -(-rows // 8)


@given(maps())
def test_dense_is_words_side_by_side(map_):
    config, words = map_
    rows = -(-len(words) // config.lanes)
    assert len(encode_dense(words, config)) == rows * -(-config.lanes * config.window // 8)


def test_bytes_by_hand():
    config = ArrayConfig(lanes=4, window=4)
    # Row 0 is silent, row 1 has words 3 and 15 in lanes 1 and 2.
    words = np.array([0, 0, 0, 0, 0, 3, 15, 0])
    assert encode_bitmap(words, config) == bytes([0b10, 0b0110, 0xF3])
    assert encode_dense(words, config) == bytes([0, 0, 0x30, 0x0F])


@pytest.mark.parametrize("wrong", [[16], [-1], [0, 99]])
@pytest.mark.parametrize("encode", [encode_bitmap, encode_dense])
def test_words_wider_than_the_window(encode, wrong):
    with pytest.raises(ValueError, match=r"input words must be from 0 to 15 \(4 bits\), not "):
        encode(np.array(wrong), ArrayConfig(window=4))
