"""Streams of samples one behind the other: fresh starts, windows of any length, decisions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import stablespike as ss
from board_model import board_device, same
from device_programs import golden, program_of, small, spikes
from refusals import refuses
from test_own_lengths import both, recordings_of, samples_of


@pytest.mark.parametrize("readout", ["counts", "membrane", "words"])
def test_words_back_to_back(readout: str) -> None:
    """Each word's decision, window by window, is that of the word alone."""
    program = program_of(small(readout), 12)
    words = samples_of([9, 3, 12, 1, 5])
    for device in both(program):
        alone = device.run(words)
        with device.stream() as live:
            for word in words:
                live.reset()
                for at in range(0, len(word), 5):
                    live.send(word[at : at + 5])
            results = list(live.results())
        ends = np.cumsum([-(-len(word) // 5) for word in words]) - 1
        decisions = [results[end].decision for end in ends]
        assert [each.prediction for each in decisions] == alone.prediction.tolist()
        assert [each.margin for each in decisions] == alone.margin.tolist()
        assert [each.steps for each in decisions] == alone.lengths.tolist()
        assert (np.stack([each.scores for each in decisions]) == alone.scores).all()
        assert results[1].decision.steps == 9
        assert results[1].steps == 4


@pytest.mark.parametrize("way", ["reset", "fresh", "restart_every"])
def test_ways_to_start_afresh(way: str) -> None:
    program = program_of(small("membrane"), 4)
    windows = spikes(6, 4)
    for device in both(program):
        expected = device.run(windows, carry_state=[False, True, True] * 2)
        every = 3 if way == "restart_every" else None
        with device.stream(restart_every=every) as live:
            for i, window in enumerate(windows):
                if way == "reset" and i == 3:
                    live.reset()
                live.send(window, fresh=way == "fresh" and i == 3)
            results = list(live.results())
        assert (np.concatenate([each.readout for each in results]) == expected.readout).all()
        assert [each.decision.steps for each in results] == [4, 8, 12] * 2


def test_a_fresh_start_begins_the_count_anew() -> None:
    device = golden(program_of(small(), 4))
    with device.stream(restart_every=2) as live:
        for i in range(7):
            live.send(np.ones((4, 9)), fresh=i == 3)
        assert [each.decision.steps for each in live.results()] == [4, 8, 4, 4, 8, 4, 8]
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="restart_every must be from 1 to"):
            device.stream(restart_every=wrong)
    for wrong in (True, 1.5, "2"):
        with pytest.raises(TypeError, match="restart_every must be an integer"):
            device.stream(restart_every=wrong)  # type: ignore[arg-type]


def test_what_is_refused_changes_nothing() -> None:
    program = program_of(small(), 4)
    for device in both(program):
        with device.stream() as live:
            live.send(np.ones((4, 9)))
            with refuses(ValueError, "samples must be whole numbers from 0 to 1"):
                live.send(np.full((4, 9), 2), fresh=True)
            with refuses(TypeError, "fresh must be True or False, not 1"):
                live.send(np.ones((4, 9)), fresh=1)  # type: ignore[arg-type]
            with refuses(ValueError, "bin_time is for event arrays"):
                live.send(np.ones((4, 9)), bin_time=3)
            live.send(np.ones((4, 9)))
            assert [each.decision.steps for each in live.results()] == [4, 8]
        with refuses(ss.DeviceError, "has ended"):
            live.reset()


def test_windows_of_the_programs_own_length() -> None:
    """A window of several of the array's has one result; so has one of T where that is more."""
    network = small("counts")
    words = samples_of([10, 3, 7])
    program = program_of(network, 10)
    for device in both(program):
        expected = device.run(words, trace=True)
        with device.stream(trace=True) as live:
            for word in words:
                live.send(word, fresh=True)
            results = list(live.results())
            with refuses(ValueError, "window must have 1 to 10 steps, not 11: send it in parts"):
                live.send(np.ones((11, 9)))
        same(ss.Result.joined(results), expected)
    device = golden(program_of(network, 2))
    with device.stream() as live:
        live.send(np.ones((4, 9)))
        live.send(np.ones(9), steps=1)
        live.send(np.ones(9))
        assert [each.steps for each in live.results()] == [4, 1, 1]
        with refuses(ValueError, "steps is for pixels and recordings ... leave out steps=2"):
            live.send(np.ones(9), steps=2)


@pytest.mark.parametrize("steps", [1, 4, 6])
def test_an_image_is_held_as_long_as_in_a_run(steps: int) -> None:
    program = program_of(small("membrane", pixels=True), steps)
    images = np.random.default_rng(0).integers(0, 16, (3, 9))
    for device in both(program):
        expected = device.run(images, carry_state=[False, True, True])
        with device.stream() as live:
            for image in images:
                live.send(image)
            results = list(live.results())
            with refuses(ValueError, f"steps must be from 1 to {max(steps, 4)}, not 7"):
                live.send(images[0], steps=7)
        assert (np.concatenate([each.readout for each in results]) == expected.readout).all()


def test_recordings_are_sent_as_they_are_read() -> None:
    program, samples = program_of(small("membrane"), 8), samples_of([6, 3, 8])
    for sample in samples:
        sample[-1, 0] = True
    recordings = recordings_of(samples)
    for device in both(program):
        held = device.run(recordings, bin_time=10, start=0)
        own = device.run(recordings, bin_time=10, start=0, lengths="own")
        with device.stream() as live:
            for recording in recordings:
                live.send(recording, fresh=True, bin_time=10, start=0)
            for recording in recordings:
                live.send(recording, "own", fresh=True, bin_time=10, start=0)
            results = list(live.results())
            live.send({name: recordings[0][name] for name in "tx"}, 6, bin_time=10, start=0)
            assert next(live.results()).steps == 6
            with refuses(ValueError, "bin_time must be given for a recording"):
                live.send(recordings[0])
            with refuses(TypeError, "window must be one recording, not a list of 1"):
                live.send(recordings[:1], bin_time=10)
            live.send(recordings[0][:1], 1, bin_time=10, start=0)  # a piece of a single step
            with refuses(ValueError, "behind the last of 2 steps"):
                live.send(recordings[0], 2, bin_time=10, start=0)
            with refuses(ValueError, "steps must be from 1 to 8, not 9"):
                live.send(recordings[0], 9, bin_time=10)
            with refuses(TypeError, "steps must be an integer from 1 to 8, not 'all'"):
                live.send(recordings[0], "all", bin_time=10)
        for part, expected in ((results[:3], held), (results[3:], own)):
            same(ss.Result.joined(part), expected)


def test_windows_of_a_feed() -> None:
    program = program_of(small("membrane"), 6)
    (sample,) = samples_of([18])
    sample[-1, 0] = sample[0, 0] = True
    (recording,) = recordings_of([sample])
    for device in both(program):
        expected = device.run(sample.reshape(3, 6, 9))
        with device.stream(restart_every=1) as live:
            feed = live.feed(bin_time=10, steps=6)
            feed.send(recording)
            feed.flush()
            results = list(live.results())
            with refuses(ValueError, "steps must be from 1 to 6, not 7"):
                live.feed(bin_time=10, steps=7)
        same(ss.Result.joined(results), expected)


def test_a_device_runs_on_after_a_stream_of_short_words() -> None:
    program = program_of(small("membrane"), 8)
    device, board, _ = board_device(program)
    device.load(program)
    with device.stream(restart_every=1) as live:
        for word in samples_of([5, 1, 8]):
            live.send(word)
    assert [head["first"] for head in board.heads] == [1, 0, 1, 1, 0]
    assert [head["last"] for head in board.heads] == [0, 1, 1, 0, 1]
    assert [head["steps"] + 1 for head in board.heads] == [4, 1, 1, 4, 4]
    batch: Any = spikes(3, 8)
    same(device.run(batch), golden(program).run(batch))
