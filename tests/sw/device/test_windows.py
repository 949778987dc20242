from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stablespike.device.windows import Batch, encode_windows, input_commands
from stablespike.mapping.maps import Map
from stablespike.spec.array import ArrayConfig
from stablespike.spec.encoding import Encoding, decode_rows, encode_rows, encodings
from stablespike.spec.link import BODY_BYTES, WINDOW_HEAD, Command


def windows_of(
    words: np.ndarray[Any, Any], config: ArrayConfig, half: bool = False
) -> list[tuple[Encoding, bytes]]:
    """Each window's encoding and its bytes."""
    encoded, data = encode_windows(words, config, half), []
    ends = np.cumsum(encoded.sizes).tolist()
    assert len(encoded.data) == sum(encoded.sizes)
    for encoding, start, end in zip(encoded.encodings, [0, *ends], ends, strict=False):
        data.append((Encoding(encoding), encoded.data[start:end].tobytes()))
    return data


@given(
    lanes=st.sampled_from([4, 8, 16, 32, 64]),
    window=st.sampled_from([1, 2, 4, 8, 16]),
    convolution=st.booleans(),
    half=st.booleans(),
    inputs=st.integers(1, 300),
    count=st.integers(0, 5),
    density=st.sampled_from([0, 0.01, 0.1, 0.5, 1]),
    seed=st.integers(0, 1 << 30),
)
def test_the_smallest_of_the_encodings(
    lanes: int, window: int, convolution: bool, half: bool, inputs: int, count: int,
    density: float, seed: int,
) -> None:
    config = ArrayConfig(lanes=lanes, window=window, convolution=convolution)
    half, rng = half and config.half_words, np.random.default_rng(seed)
    words = rng.integers(0, 1 << (window >> half), (count, inputs))
    words *= rng.random((count, inputs)) < density
    encoded = windows_of(words, config, half)
    assert len(encoded) == count
    for row, (encoding, data) in zip(words, encoded, strict=True):
        options = {each: encode_rows(row, each, config, half) for each in encodings(config)}
        assert data == options[encoding]
        assert len(data) == min(map(len, options.values()))
        rows = -(-inputs // lanes)
        np.testing.assert_array_equal(
            decode_rows(data, rows, encoding, config, half)[0].reshape(-1)[:inputs], row
        )


def test_few_events_go_as_lanes_where_the_array_knows_them() -> None:
    words = np.zeros((1, 2312), int)
    words[0, ::115] = 1
    for convolution, encoding in ((False, Encoding.BITMAP), (True, Encoding.SPARSE)):
        config = ArrayConfig(lanes=32, window=8, convolution=convolution)
        assert windows_of(words, config)[0][0] == encoding


def test_words_too_wide() -> None:
    with pytest.raises(ValueError, match=r"from 0 to 15 \(4 bits\), not 0 to 16"):
        encode_windows(np.array([[0, 16]]), ArrayConfig(window=4))
    with pytest.raises(ValueError, match=r"from 0 to 15 \(4 bits\), not -1 to 3"):
        encode_windows(np.array([[-1, 3]]), ArrayConfig(window=4))


def commands_of(
    values: Any, steps: int, fresh: list[bool], config: ArrayConfig, layout: Map | None = None
) -> list[bytes]:
    """The commands of inputs, in their own order unless a layout is given."""
    size = values.shape[-1]
    layout = layout or Map(size, 1, 1, size)
    batch = Batch(values, np.broadcast_to(steps, len(values)), np.array(fresh))
    commands = list(input_commands(batch, config, layout, config.window))
    assert all(command[0] == Command.INPUT for command in commands)
    return commands


def sent(
    values: Any, steps: int, fresh: list[bool], config: ArrayConfig, layout: Map | None = None
) -> list[tuple[dict[str, int], list[int]]]:
    """The head and the words of each window; no words if they repeat."""
    stream = b"".join(c[1:] for c in commands_of(values, steps, fresh, config, layout))
    rows, windows = -(-values.shape[-1] // config.lanes), []
    while stream:
        head, stream = WINDOW_HEAD.unpack(stream[0]), stream[1:]
        words = np.zeros(0, int)
        if (encoding := Encoding.of(head)) != Encoding.REPEAT:
            words, used = decode_rows(stream, rows, encoding, config)
            stream = stream[used:]
        windows.append((head, words.reshape(-1)[: values.shape[-1]].tolist()))
    return windows


def test_windows_of_spikes() -> None:
    config = ArrayConfig(lanes=8, window=4)
    spikes = np.random.default_rng(0).random((3, 10, 20)) < 0.3
    windows = sent(spikes, 10, [True, False, True], config)
    assert [(head["first"], head["last"]) for head, _ in windows] == [
        (1, 0), (0, 0), (0, 1), (0, 0), (0, 0), (0, 1), (1, 0), (0, 0), (0, 1)
    ]
    assert [head["steps"] + 1 for head, _ in windows] == [4, 4, 2] * 3
    for i, (_, words) in enumerate(windows):
        steps = spikes[i // 3, 4 * (i % 3) : 4 * (i % 3) + 4]
        expected = sum((steps[t].astype(int) << t for t in range(len(steps))), np.zeros(20, int))
        np.testing.assert_array_equal(words, expected)


def test_words_are_sent_in_the_order_of_the_layout() -> None:
    config, rng = ArrayConfig(lanes=4, window=4), np.random.default_rng(0)
    pixels = rng.integers(0, 16, (2, 3, 2, 5)).astype(np.uint16)
    spikes = rng.random((1, 4, 3, 2, 5)) < 0.4
    for values, words in ((pixels, pixels), (spikes, [sum(spikes[0, t] * 2**t for t in range(4))])):
        flat = values.reshape(*values.shape[:-3], 30)
        came = sent(flat, 4, [True] * len(values), config, Map(3, 2, 5, 3))
        for (_, found), word in zip(came, words, strict=True):
            assert found == np.moveaxis(word, 0, 2).reshape(-1).tolist()


def test_one_window_is_first_and_last() -> None:
    (((head, _)),) = sent(np.zeros((1, 3, 5), bool), 3, [True], ArrayConfig(window=4))
    assert (head["first"], head["last"]) == (1, 1)


def test_pixels_are_repeated() -> None:
    config = ArrayConfig(window=4)
    pixels = np.arange(40, dtype=np.uint16).reshape(2, 20) % 16
    windows = sent(pixels, 9, [True, True], config)
    assert [head["steps"] + 1 for head, _ in windows] == [4, 4, 1] * 2
    assert [head["repeat"] for head, _ in windows] == [0, 1, 1] * 2
    assert [head["last"] for head, _ in windows] == [0, 0, 1] * 2
    assert [words for head, words in windows if not head["repeat"]] == pixels.tolist()


def test_commands_are_full_but_the_last() -> None:
    config = ArrayConfig(lanes=16, window=8, spike_rows=512)
    pixels = np.full((2, 1000), 255, dtype=np.uint16)
    commands = commands_of(pixels, 8, [True, True], config)
    assert [len(c) for c in commands[:-1]] == [BODY_BYTES] * (len(commands) - 1)
    head = WINDOW_HEAD.pack({"steps": 7, "first": 1, "last": 1, "dense": 1, "repeat": 0})
    window = bytes((head,)) + encode_rows(pixels[0], Encoding.DENSE, config)
    assert b"".join(c[1:] for c in commands) == 2 * window


def test_many_samples_are_encoded_like_each_of_them() -> None:
    config = ArrayConfig(window=2)
    spikes = np.random.default_rng(1).random((150, 7, 30)) < 0.2
    windows = sent(spikes, 7, [True] * 150, config)
    assert len(windows) == 150 * 4
    assert windows == [window for one in spikes for window in sent(one[None], 7, [True], config)]
