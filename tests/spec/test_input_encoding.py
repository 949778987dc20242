import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stablespike.spec.array import ArrayConfig
from stablespike.spec.encoding import Encoding, decode_rows, encode_rows, encodings

configs = st.builds(
    lambda lanes, window, convolution: ArrayConfig(
        lanes=lanes, window=window, convolution=convolution
    ),
    st.sampled_from([4, 8, 16, 32, 64]),
    st.sampled_from([1, 2, 4, 8, 16]),
    st.booleans(),
)


@st.composite
def maps(draw):
    """An array, words for it, one of its encodings, and whether they are half words."""
    config = draw(configs)
    half = config.half_words and draw(st.booleans())
    size, seed = draw(st.integers(1, 700)), draw(st.integers(0, 2**32 - 1))
    density = draw(st.sampled_from([0, 0.02, 0.3, 1]))
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 1 << (config.window >> half), size) * (rng.random(size) < density)
    return config, words, draw(st.sampled_from(encodings(config))), half


@given(maps())
def test_decode_inverts_all(map_):
    config, words, encoding, half = map_
    data = encode_rows(words, encoding, config, half)
    rows = -(-len(words) // config.lanes)
    back, used = decode_rows(data + b"more", rows, encoding, config, half)
    assert used == len(data)
    back = back.reshape(-1)
    assert back[: len(words)].tolist() == words.tolist()
    assert not back[len(words) :].any()


@given(maps())
def test_too_few_bytes(map_):
    config, words, encoding, half = map_
    data = encode_rows(words, encoding, config, half)
    rows = -(-len(words) // config.lanes)
    message = f"ends after {len(data) - 1} bytes, in the middle of a row"
    with pytest.raises(ValueError, match=message):
        decode_rows(data[:-1], rows, encoding, config, half)


@given(maps())
def test_bytes_of_each_encoding(map_):
    config, words, encoding, half = map_
    rows = -(-len(words) // config.lanes)
    padded = np.zeros(rows * config.lanes, int)
    padded[: len(words)] = words
    in_row = np.count_nonzero(padded.reshape(rows, -1), axis=1)
    width = config.window >> half
    packed = sum(-(-int(n) * width // 8) for n in in_row) if width > 1 else 0
    assert len(encode_rows(words, encoding, config, half)) == {
        Encoding.DENSE: rows * -(-config.lanes * width // 8),
        Encoding.BITMAP: -(-rows // 8) + np.count_nonzero(in_row) * -(-config.lanes // 8) + packed,
        Encoding.SPARSE: -(-rows // 8) + in_row.sum() + packed,
    }[encoding]


def test_bytes_by_hand():
    config = ArrayConfig(lanes=4, window=4)
    # Row 0 is silent, row 1 has words 3 and 15 in lanes 1 and 2.
    words = np.array([0, 0, 0, 0, 0, 3, 15, 0])
    assert encode_rows(words, Encoding.BITMAP, config) == bytes([0b10, 0b0110, 0xF3])
    assert encode_rows(words, Encoding.SPARSE, config) == bytes([0b10, 1, 0x80 | 2, 0xF3])
    assert encode_rows(words, Encoding.DENSE, config) == bytes([0, 0, 0x30, 0x0F])
    wide = ArrayConfig(lanes=4, window=8)
    assert encode_rows(words, Encoding.BITMAP, wide) == bytes([0b10, 0b0110, 3, 15])
    assert encode_rows(words, Encoding.BITMAP, wide, half=True) == bytes([0b10, 0b0110, 0xF3])


def test_lanes_in_any_order():
    config = ArrayConfig(lanes=4, window=4, convolution=True)
    # Lanes 2, 1 and, with bits that mean nothing, 2 again: two words.
    data = bytes([0b1, 2, 1, 0xFE, 0xF3])
    words, used = decode_rows(data, 1, Encoding.SPARSE, config)
    assert used == len(data)
    assert words.tolist() == [[0, 3, 15, 0]]


def test_an_encoding_is_two_bits_of_the_head():
    assert [Encoding.of(each.head) for each in Encoding] == list(Encoding)
    assert Encoding.REPEAT.head == {"dense": 0, "repeat": 1}


@pytest.mark.parametrize("wrong", [[16], [-1], [0, 99]])
@pytest.mark.parametrize("encoding", [Encoding.BITMAP, Encoding.SPARSE, Encoding.DENSE])
def test_words_too_wide(encoding, wrong):
    with pytest.raises(ValueError, match=r"input words must be from 0 to 15 \(4 bits\), not "):
        encode_rows(np.array(wrong), encoding, ArrayConfig(window=4))
    with pytest.raises(ValueError, match=r"input words must be from 0 to 15 \(4 bits\), not "):
        encode_rows(np.array(wrong), encoding, ArrayConfig(window=8), half=True)
