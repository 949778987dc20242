from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stablespike.spec.array import ArrayConfig
from stablespike.spec.encoding import decode_rows, encode_bitmap, encode_dense
from stablespike.spec.link import BODY_BYTES, Command, InputFlags
from stablespike.windows import Batch, encode_windows, input_commands


@given(
    lanes=st.sampled_from([4, 8, 16, 32, 64]),
    window=st.sampled_from([1, 2, 4, 8, 16]),
    inputs=st.integers(1, 300),
    count=st.integers(0, 5),
    density=st.sampled_from([0, 0.01, 0.1, 0.5, 1]),
    seed=st.integers(0, 1 << 30),
)
def test_the_smaller_of_both_encodings(
    lanes: int, window: int, inputs: int, count: int, density: float, seed: int
) -> None:
    config, rng = ArrayConfig(lanes=lanes, window=window), np.random.default_rng(seed)
    words = rng.integers(0, 1 << window, (count, inputs)) * (rng.random((count, inputs)) < density)
    encoded = encode_windows(words, config)
    assert len(encoded) == count
    for row, (dense, data) in zip(words, encoded, strict=True):
        options = {True: encode_dense(row, config), False: encode_bitmap(row, config)}
        assert data == options[dense]
        assert len(data) == min(map(len, options.values()))
        rows = -(-inputs // lanes)
        np.testing.assert_array_equal(
            decode_rows(data, rows, dense, config).reshape(-1)[:inputs], row
        )


def test_words_too_wide() -> None:
    with pytest.raises(ValueError, match=r"from 0 to 15 \(window 4\), not 0 to 16"):
        encode_windows(np.array([[0, 16]]), ArrayConfig(window=4))
    with pytest.raises(ValueError, match=r"from 0 to 15 \(window 4\), not -1 to 3"):
        encode_windows(np.array([[-1, 3]]), ArrayConfig(window=4))


def sent(values: Any, steps: int, fresh: list[bool], config: ArrayConfig) -> list[list[bytes]]:
    """Commands, a list for each window."""
    windows: list[list[bytes]] = []
    for command in input_commands(Batch(values, steps, np.array(fresh)), config):
        assert command[0] == Command.INPUT
        assert len(command) <= BODY_BYTES
        if command[1] & InputFlags.BEGIN:
            windows.append([])
        windows[-1].append(command)
    return windows


def test_windows_of_spikes() -> None:
    config = ArrayConfig(lanes=8, window=4)
    spikes = np.random.default_rng(0).random((3, 10, 20)) < 0.3
    windows = sent(spikes, 10, [True, False, True], config)
    assert len(windows) == 9
    first, last = InputFlags.FIRST, InputFlags.LAST
    ends = [w[0][1] & (first | last) for w in windows]
    assert ends == [first, 0, last, 0, 0, last, first, 0, last]
    assert [w[0][2] + 1 for w in windows] == [4, 4, 2] * 3
    for i, (window,) in enumerate(windows):
        rows = decode_rows(window[3:], 3, bool(window[1] & InputFlags.DENSE), config)
        words = rows.reshape(-1)[:20]
        steps = spikes[i // 3, 4 * (i % 3) : 4 * (i % 3) + 4]
        expected = sum((steps[t].astype(int) << t for t in range(len(steps))), np.zeros(20, int))
        np.testing.assert_array_equal(words, expected)


def test_one_window_is_first_and_last() -> None:
    ((command,),) = sent(np.zeros((1, 3, 5), bool), 3, [True], ArrayConfig(window=4))
    assert command[1] & ~InputFlags.DENSE == (
        InputFlags.BEGIN | InputFlags.FIRST | InputFlags.LAST
    )


def test_pixels_are_repeated() -> None:
    config = ArrayConfig(window=4)
    pixels = np.arange(40, dtype=np.uint16).reshape(2, 20) % 16
    windows = sent(pixels, 9, [True, True], config)
    assert [w[0][2] + 1 for w in windows] == [4, 4, 1] * 2
    repeats = [bool(w[0][1] & InputFlags.REPEAT) for w in windows]
    assert repeats == [False, True, True] * 2
    assert all(len(w[0]) == 3 for w, repeat in zip(windows, repeats, strict=True) if repeat)
    assert windows[2][0][1] & InputFlags.LAST


def test_a_long_window_takes_several_commands() -> None:
    config = ArrayConfig(lanes=16, window=8, spike_rows=512)
    pixels = np.full((1, 1000), 255, dtype=np.uint16)
    ((*commands,),) = sent(pixels, 8, [True], config)
    assert len(commands) == 5
    assert [bool(c[1] & InputFlags.BEGIN) for c in commands] == [True] + [False] * 4
    assert {c[1] & ~InputFlags.BEGIN for c in commands} == {
        InputFlags.FIRST | InputFlags.LAST | InputFlags.DENSE
    }
    data = b"".join(c[3:] for c in commands)
    assert data == encode_dense(pixels[0], config)


def test_many_samples_are_encoded_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    config = ArrayConfig(window=2)
    spikes = np.random.default_rng(1).random((150, 7, 30)) < 0.2
    whole = sent(spikes, 7, [True] * 150, config)
    monkeypatch.setattr("stablespike.windows._WINDOWS_AT_ONCE", 1)
    assert sent(spikes, 7, [True] * 150, config) == whole
    assert len(whole) == 150 * 4
