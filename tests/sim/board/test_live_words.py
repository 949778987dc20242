"""A live stream of words back to back: each one's answer is that of the word alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import stablespike as ss
from test_random_frames import ARRAYS

WORDS, BANDS, LONGEST = 20, 12, 21
WAYS = {
    "steps": ss.ArrayConfig(lanes=8, spike_rows=8),  # no room for many lines of 4-bit weights
    "lines": ARRAYS["2x4 T8 R2, 8 bits"],
}


def network(readout: str) -> ss.Network:
    rng = np.random.default_rng(5)
    neuron = ss.Neuron(leak=(3, None), threshold=900, reset="subtract")
    return ss.Network(
        ss.FrameInput((BANDS,), 4, 6),
        [
            ss.Dense(rng.integers(-8, 8, (16, BANDS)), neuron=neuron),
            ss.Dense(rng.integers(-8, 8, (10, 16)), neuron=ss.Neuron((3, None), 90)),
        ],
        readout,
    )


def decisions(results: list[ss.Result], counts: list[int]) -> list[Any]:
    """The decision at the end of each word, of which so many windows were sent."""
    found = [results[end - 1].decision for end in np.cumsum(counts)]
    return [(each.prediction, each.margin, each.scores.tolist(), each.steps) for each in found]


@pytest.mark.parametrize("readout", ["counts", "membrane"])
@pytest.mark.parametrize("way", WAYS)
def test_twenty_words_back_to_back(way: str, readout: str) -> None:
    array, rng = WAYS[way], np.random.default_rng(1)
    program = ss.compile(network(readout), array, LONGEST)
    assert program.frames == way
    lengths = [*rng.integers(5, LONGEST + 1, WORDS - 1).tolist(), LONGEST]
    words = [rng.integers(0, 16, (n, BANDS)) for n in lengths]
    answers = []
    for uri in ("golden:", "sim:"):
        with ss.open_device(uri, array=array if uri == "sim:" else None) as device:
            device.load(program)
            alone = [device.run([word], lengths="own", trace=True) for word in words]
            answers.append([
                (int(each.prediction[0]), int(each.margin[0]), each.scores[0].tolist(), each.steps)
                for each in alone
            ])
            together = device.run(words, trace=True)
            joined = ss.Result.joined(alone)
            assert (together.readout == joined.readout).all()
            for ours, its in zip(together.trace, joined.trace, strict=True):
                assert (ours == its).all()
            # Frame after frame, taking what has come; then word after word.
            with device.stream() as live:
                results = []
                for word in words:
                    live.reset()
                    for frame in word:
                        live.send(frame)
                        results += live.results(wait=False)
                results += live.results()
            assert decisions(results, lengths) == answers[-1]
            with device.stream(restart_every=1) as live:
                for word in words:
                    live.send(word)
                assert decisions(list(live.results()), [1] * WORDS) == answers[-1]
            # Without a fresh start, words would depend on those before them.
            with device.stream() as live:
                for word in words:
                    live.send(word)
                results = list(live.results())
            assert any((r.readout != each.readout).any()
                       for r, each in zip(results, alone, strict=True))
    assert answers[0] == answers[1]
    assert len({answer[0] for answer in answers[0]}) > 2, "all words have the same answer"
