"""Frames of mel bands."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from stablespike import ToolError
from stablespike.signals import MelBands, mel_frames
from tones import RATE, chirp


def tone(frequency: float, seconds: float = 0.8, rate: int = RATE) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)


def test_a_tone_is_loudest_in_the_band_around_it():
    bands = MelBands()
    mel = 2595 * np.log10(1 + np.array([bands.low, bands.high]) / 700)
    peaks = 700 * (10 ** (np.linspace(*mel, bands.bands + 2)[1:-1] / 2595) - 1)
    for band in (3, 15, 31):
        frames = mel_frames(tone(peaks[band]), RATE)
        assert (frames.shape, frames.dtype) == ((32, 32), np.uint8)
        assert set(frames[2:-2].argmax(1)) == {band}
        assert frames.max() == 15


def test_bands_are_triangles_that_meet():
    bands = MelBands(window=0.5)
    edges = 2595 * np.log10(1 + np.array([bands.low, bands.high]) / 700)
    sums = bands.filters().sum(1)
    peak = 700 * (10 ** (np.linspace(*edges, 34)[-2] / 2595) - 1)
    frequency = np.fft.rfftfreq(bands.points, 1 / bands.rate)
    weights, inside = bands.filters(), (frequency > 150) & (frequency < peak)
    # Neighbours add up to 1 between their peaks.
    assert sums[inside] == pytest.approx(1.0)
    assert (weights >= 0).all()
    assert (weights[(frequency < bands.low) | (frequency > bands.high)] == 0).all()


def test_levels_are_equal_steps_below_the_loudest():
    """A tone of half the amplitude is 6 dB lower: two of the levels of 50 / 15 dB, rounded."""
    wave = np.concatenate([tone(1000, 0.4), tone(1000, 0.4) / 2])
    frames = mel_frames(wave, RATE).max(1)
    loud = np.flatnonzero(frames == 15)
    assert loud.tolist() == list(range(loud[0], loud[-1] + 1))
    assert set(frames[loud[-1] + 2 :]) == {13}


@pytest.mark.parametrize("change", ["louder", "later", "offset", "longer"])
def test_what_does_not_matter(change: str):
    rng = np.random.default_rng(3)
    wave = chirp("up", rng)
    clean = np.where(np.abs(wave) > 0.01, wave, 0.0)  # silence is 0, as more of it would be
    clean -= clean.mean()
    other = {
        "louder": clean * 64, "later": np.concatenate([np.zeros(333), clean]),
        "offset": clean + 0.25, "longer": np.concatenate([clean, np.zeros(4000)]),
    }[change]
    one, two = (mel_frames(each, RATE).astype(int) for each in (clean, other))
    assert np.abs(one - two).max() <= 1
    assert (one != two).mean() < 0.02


def test_other_rates_are_resampled():
    pytest.importorskip("scipy")
    for rate in (16000, 11025):
        frames = mel_frames(tone(1000, rate=rate), rate)
        want = mel_frames(tone(1000), RATE)
        assert (frames[3:-3].argmax(1) == want[3:-3].argmax(1)).all()


def test_without_scipy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "scipy.signal", None)
    assert mel_frames(tone(1000), RATE).max() == 15
    with pytest.raises(ToolError, match=r"from 16000 to 8000 Hz: pip install 'stablespike\[audio"):
        mel_frames(tone(1000), 16000)


def test_settings_go_through_a_result():
    bands = MelBands(bands=20, floor=-40.0)
    assert MelBands.of(asdict(bands)) == bands
    assert mel_frames(tone(700), RATE, bands).shape == (32, 20)
    with pytest.raises(TypeError, match="bands must be the fields of a MelBands, not 3"):
        MelBands.of(3)


@pytest.mark.parametrize(
    ("wave", "error", "match"),
    [
        ([], ValueError, r"\(samples,\), at least one, not \(0,\)"),
        (np.zeros((4, 2)), ValueError, r"not \(4, 2\)"),
        ([0.1, np.inf], ValueError, r"finite, not inf \(sample 1\)"),
        (np.full(99, 0.5), ValueError, "not be silent"),
        (["a"], TypeError, "array of numbers"),
        (np.concatenate([tone(900, 0.2), np.zeros(16000), tone(900, 0.2)]), ValueError,
         r"only 0% is in the 0.8 s around its centre: cut it into words"),
    ],
)
def test_refused_recordings(wave: Any, error: type[Exception], match: str):
    with pytest.raises(error, match=match):
        mel_frames(wave, RATE)


def test_rates_at_which_there_is_no_word():
    pytest.importorskip("scipy")
    with pytest.raises(ValueError, match="rate must be from 1 to 1000000, not 1000001"):
        mel_frames(tone(900), 1_000_001)
    with pytest.raises(ValueError, match="at 8000 Hz, nothing is left of its 99 samples at 960000"):
        mel_frames(tone(900)[:99], 960_000)


def test_nothing_where_the_frames_are():
    wave = np.zeros(4000)
    wave[[0, -1]], wave[[1, -2]] = 1, -1
    with pytest.raises(ValueError, match="wave has nothing between 100 and 3800 Hz"):
        mel_frames(wave, RATE, MelBands(frames=1))


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"rate": 8000.0}, TypeError, "rate must be an integer"),
        ({"bands": 0}, ValueError, "bands must be from 1"),
        ({"bits": 9}, ValueError, "bits must be from 1 to 8, not 9"),
        ({"seconds": 0}, ValueError, "seconds must be a positive"),
        ({"floor": 3.0}, ValueError, "floor must be a negative number of dB, not 3.0"),
        ({"high": 4001.0}, ValueError, r"from 0 to 4000 \(half of rate\).*100.0 and 4001.0"),
        ({"low": 3900.0}, ValueError, "low the lower one"),
        ({"window": 0.0001}, ValueError, "at least 2 samples at 8000 Hz"),
        ({"bands": 400}, ValueError, "band 0 of 400 has no frequency of its own"),
    ],
)
def test_refused_settings(change: dict[str, Any], error: type[Exception], match: str):
    with pytest.raises(error, match=match):
        replace(MelBands(), **change)
