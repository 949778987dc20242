"""Spike words and rows of values, packed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stablespike.samples.words import pack_bits, pack_rows, pack_steps, popcount, predict


@pytest.mark.parametrize(("width", "lanes"), [(4, 4), (4, 64), (8, 16), (16, 1), (32, 1)])
def test_rows_are_packed_from_the_lowest_bit(width: int, lanes: int) -> None:
    high = 1 << (width - 1)
    # More than are packed at once; they are all compared, some of them by hand.
    count = (1 << 20) // (width * lanes) + 100
    rows = np.random.default_rng(width).integers(-high, high, (count, lanes))
    packed = pack_rows(rows, width)
    assert packed.dtype == np.uint16
    halves = [pack_rows(half, width) for half in np.array_split(rows, 2)]
    assert (packed == np.concatenate(halves)).all()
    for row, words in zip(rows[-110:].tolist(), packed[-110:].tolist(), strict=True):
        value = sum((number & (2 * high - 1)) << width * i for i, number in enumerate(row))
        assert value == sum(word << 16 * i for i, word in enumerate(words))


@given(st.integers(1, 20), st.integers(1, 16), st.integers(0, 1 << 32))
def test_words_have_the_earliest_step_lowest(steps: int, window: int, seed: int) -> None:
    spikes = np.random.default_rng(seed).random((2, steps, 3)) < 0.5
    words = pack_steps(spikes, window)
    assert words.shape == (2, -(-steps // window), 3)
    for t in range(words.shape[1] * window):
        bits = words[:, t // window] >> t % window & 1
        assert (bits == (spikes[:, t] if t < steps else 0)).all()
    assert popcount(words).sum() == spikes.sum()
    assert not (words >> (window - 1) > 1).any()


def test_the_lowest_index_wins_a_tie() -> None:
    assert predict(np.array([[1, 5, 5], [0, 0, 0]]), "counts").tolist() == [1, 0]
    assert predict(np.array([[-9, -3, -7]]), "membrane").tolist() == [1]
    words = np.array([[[0b1, 0b1], [0b111, 0], [0b1000, 0b11]]])
    assert predict(words, "words").tolist() == [1]


@pytest.mark.parametrize("width", range(1, 17))
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64"])
def test_packed_bits(width: int, dtype: str) -> None:
    """Values side by side, the first in the lowest bits; higher bits are not taken."""
    info = np.iinfo(dtype)
    values = np.random.default_rng(width).integers(info.min, info.max, (3, 2, 7), dtype)
    packed = pack_bits(values, width)
    assert packed.shape == (3, 2, -(-7 * width // 8))
    for row, octets in zip(values.reshape(-1, 7), packed.reshape(6, -1), strict=True):
        number = sum((int(value) % (1 << width)) << i * width for i, value in enumerate(row))
        assert octets.tobytes() == number.to_bytes(len(octets), "little")
    assert pack_bits(values[:0], width).shape == (0, 2, -(-7 * width // 8))
