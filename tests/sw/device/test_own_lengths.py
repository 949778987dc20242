"""Samples of different lengths, and a flag of state for each, on golden and a model of a board."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import stablespike as ss
from board_model import board_device, same
from device_programs import ARRAY, golden, program_of, small, spikes
from refusals import refuses
from stablespike.device.verify import compare

LENGTHS = [6, 1, 4, 5, 2, 8, 3]
STEPS = 8
FIELDS = [("t", "i8"), ("x", "i2")]


def samples_of(lengths: list[int] = LENGTHS, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [rng.random((n, 9)) < 0.4 for n in lengths]


def both(program: ss.Program, *others: ss.Program) -> list[Any]:
    devices = [golden(program), board_device(program, *others)[0]]
    devices[1].load(program)
    return devices


@pytest.mark.parametrize("readout", ["counts", "membrane", "words"])
@pytest.mark.parametrize("emit", ["spikes", "both"])
def test_each_sample_is_as_if_alone(readout: str, emit: str) -> None:
    program = program_of(small(readout, emit), STEPS)
    samples = samples_of()
    results = []
    for device in both(program):
        before = device.run(samples, trace=True)
        result = device.run(samples, trace=True)
        results.append(result)
        assert (result.lengths == LENGTHS).all()
        assert result.steps == STEPS
        assert compare(before, result, program).mismatches == 0
        for i, sample in enumerate(samples):
            alone = device.run([sample], trace=True, lengths="own")
            n, windows = len(sample), -(-len(sample) // ARRAY.window)
            for name in ("readout", "readout_skeleton"):
                ours, its = getattr(result, name), getattr(alone, name)
                if its is not None and readout == "words":
                    assert its.shape[2] == windows
                    assert not ours[i, :, windows:].any()
                    ours = ours[:, :, :windows]
                assert its is None or (ours[i] == its[0]).all()
            np.testing.assert_array_equal(result.consistency[i], alone.consistency[0])
            assert np.isnan(alone.consistency[0]).all() == (n == 1)
            for name in alone.counters.dtype.names:
                if name in ("cycles", "wait", "drain") and device.uri == "golden:":
                    continue
                assert result.layer_counters[name][i].tolist() == (
                    alone.layer_counters[name][0].tolist()
                ), name
            for whole, one in zip(
                result.trace + result.skeleton, alone.trace + alone.skeleton, strict=True
            ):
                assert (whole[i, :n] == one[0]).all()
                assert not whole[i, n:].any()
    same(results[1], results[0])


def test_words_compared_are_those_that_there_are() -> None:
    program = program_of(small(), STEPS)
    result = golden(program).run(samples_of(), trace=True)
    windows = sum(-(-n // ARRAY.window) for n in LENGTHS)
    assert compare(result, result, program).words == 2 * windows * (11 + 5)


def test_pixels_are_held_for_steps_of_their_own() -> None:
    program = program_of(small("membrane", pixels=True), STEPS)
    pixels = np.random.default_rng(1).integers(0, 16, (4, 9))
    results = []
    for device in both(program):
        result = device.run(pixels, lengths=[8, 1, 5, 4], trace=True)
        results.append(result)
        alone = [device.run(pixels[i : i + 1], lengths=[n]) for i, n in enumerate([8, 1, 5, 4])]
        same(device.run(pixels, lengths=[8, 1, 5, 4]), ss.Result.joined(alone))
        with refuses(ValueError, "lengths must be ... one for each sample: it has 2 for 4"):
            device.run(pixels, lengths=[8, 1])
    same(results[1], results[0])


def recordings_of(samples: list[Any]) -> list[Any]:
    found = []
    for sample in samples:
        step, x = np.nonzero(sample)
        events = np.zeros(len(x), FIELDS)
        events["t"], events["x"] = 10 * step, x
        found.append(events)
    return found


def test_recordings_end_with_their_last_event() -> None:
    program, samples = program_of(small("membrane"), STEPS), samples_of([6, 3, 8])
    for sample in samples:
        sample[-1, 0] = True
    recordings = recordings_of(samples)
    options: dict[str, Any] = {"bin_time": 10, "start": 0}
    for device in both(program):
        own = device.run(recordings, lengths="own", trace=True, **options)
        same(own, device.run(samples, trace=True))
        held = device.run(recordings, **options)
        assert (held.lengths == STEPS).all()
        same(device.run(recordings, lengths=[6, 3, 8], trace=True, **options), own)
        # Of what is dropped behind the program's steps, silence is left up to its end.
        late = np.append(recordings[1], np.array([(1000, 0)], FIELDS))
        cut = device.run([late], lengths="own", late="drop", **options)
        same(cut, device.run(recordings[1:2], **options))
        short = device.run(recordings, lengths=[2, 3, 8], late="drop", **options)
        same(short, device.run([samples[0][:2], *samples[1:]]))
        with refuses(ValueError, "samples[0] has ... behind the last of 2 steps ... late 'drop'"):
            device.run(recordings, lengths=[2, 3, 8], **options)
        one = recordings[0][recordings[0]["t"] < 10].repeat(2)
        one["t"] = [0, 1] * (len(one) // 2)
        one.sort(order="t")
        same(device.run([one], lengths=[1], **options), device.run([samples[0][:1]], lengths="own"))
        with refuses(ValueError, "all of its ... events in step 0 of 2"):
            device.run([one], lengths=[2], **options)
        with refuses(ValueError, "lengths must be whole numbers from 1 to 8, not 9 (at [1])"):
            device.run(recordings[:2], lengths=[1, 9], late="drop", **options)
        with refuses(ValueError, "lengths is for events with bin_time"):
            device.run(recordings, lengths=[1, 1, 1], bin_count=STEPS)
        with refuses(ValueError, "lengths is for events with bin_time"):
            device.run(recordings, lengths="own", bin_count=STEPS)


def test_flags_of_state_for_each_sample() -> None:
    network = small("membrane")
    program = program_of(network, 4)
    words = spikes(2, 12)
    whole = golden(program_of(network, 12)).run(words)
    for device in both(program):
        parts = device.run(words.reshape(6, 4, 9), carry_state=[False, True, True] * 2)
        assert (parts.readout[2::3] == whole.readout).all()
        assert (parts.spikes.reshape(2, 3, 2).sum(1) == whole.spikes).all()
        # The first flag continues from the call before.
        first = device.run(words[0].reshape(3, 4, 9)[:2], carry_state=[False, True])
        rest = device.run(
            np.concatenate([words[0, 8:][None], words[1].reshape(3, 4, 9)]),
            carry_state=np.array([True, False, True, True]), trace=True,
        )
        assert len(first) == 2
        assert (rest.readout[[0, 3]] == whole.readout).all()


def test_flags_and_lengths_over_several_batches() -> None:
    program = program_of(small("membrane"), 8)
    samples, flags = samples_of(), [False, True, True, False, False, True, False]
    padded = np.zeros((7, 8, 9), bool)
    for row, sample in zip(padded, samples, strict=True):
        row[: len(sample)] = sample
    results = []
    for device in both(program):
        at_once = device.run(padded, carry_state=flags, lengths=LENGTHS, trace=True)
        batches = iter([padded[:3], padded[3:4], padded[4:]])
        parts = list(device.run(batches, carry_state=flags, lengths=LENGTHS, trace=True))
        assert [part.steps for part in parts] == [6, 5, 8]
        same(ss.Result.joined(parts), at_once)
        ragged = iter([samples[:3], samples[3:]])
        same(
            ss.Result.joined(list(device.run(ragged, carry_state=flags, trace=True))), at_once
        )
        results.append(at_once)
        for wrong, said in ((flags[:5], "5 for 7 or more"), ([*flags, True], "8 for 7 samples")):
            with refuses(ValueError, "carry_state must be ... one for each sample: it has", said):
                list(device.run(iter([samples[:3], samples[3:]]), carry_state=wrong))
        with refuses(ValueError, "it has 8 for 7 samples"):
            device.run(samples, carry_state=[*flags, True])
    same(results[1], results[0])


def test_state_after_a_short_sample_is_carried() -> None:
    program = program_of(small("membrane"), 8)
    long, last = samples_of([7, 3]), samples_of([2], 1)
    for device in both(program):
        device.run([long[1], long[0]])
        carried = device.run([long[0], long[1]])  # the shorter one is the last
        follows = device.run(last, carry_state=True, lengths="own", trace=True)
        again = device.run([long[1], last[0]], carry_state=[False, True], trace=True)
        assert (carried.readout[1] == again.readout[0]).all()
        assert (follows.readout[0] == again.readout[1]).all()
        assert (follows.trace[0][0] == again.trace[0][1, :2]).all()


@pytest.mark.parametrize("flags", [[0, 1], ["a"], [[True]], "yes", 1, None, [True, None]])
def test_flags_that_are_none(flags: Any) -> None:
    device = golden(program_of(small(), 4))
    with refuses(TypeError, "carry_state must be"):
        device.run(spikes(2, 4), carry_state=flags)


def test_the_margin() -> None:
    for readout in ("counts", "words", "membrane"):
        result = golden(program_of(small(readout), 6)).run(spikes(5))
        scores = np.sort(result.scores, axis=1)
        assert result.scores.shape == (5, 5)
        assert (result.margin == scores[:, -1] - scores[:, -2]).all()
        assert (result.scores.argmax(axis=1) == result.prediction).all()
        assert result.margin.any()
        named = result.arrays()
        assert (named["margin"] == result.margin).all()
        assert (named["lengths"] == 6).all()
    alone = golden(program_of(small("membrane", outputs=1), 6)).run(spikes(5))
    assert (alone.margin == alone.readout[:, 0]).all()
