"""Signals that tests write: WAV files of chirps in place of words, EMG and ECG."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

RATE = 8000
WORDS = ("down", "flat", "up")
"""Chirps that fall, stay and rise."""
GAINS = np.array([
    [1.0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.6],
    [0.2, 0.2, 0.8, 1.0, 0.4, 0.2, 0.2, 0.2],
    [0.2, 0.2, 0.2, 0.2, 0.3, 1.0, 0.8, 0.2],
])
"""(gestures, channels) strength of a channel of EMG."""


def chirp(word: str, rng: np.random.Generator, rate: int = RATE) -> np.ndarray:
    """A word of about 0.3 s somewhere in a recording of 0.5 to 0.9 s, with some noise."""
    length, spoken = int(rate * rng.uniform(0.5, 0.9)), int(rate * rng.uniform(0.25, 0.35))
    low, high = rng.uniform(400, 500), rng.uniform(2200, 2600)
    ends = {"down": (high, low), "flat": (low + 900, low + 900), "up": (low, high)}[word]
    phase = 2 * np.pi * np.cumsum(np.linspace(*ends, spoken)) / rate
    wave = 0.002 * rng.standard_normal(length)
    begin = rng.integers(0, length - spoken)
    wave[begin : begin + spoken] += rng.uniform(0.1, 0.8) * np.hanning(spoken) * np.sin(phase)
    return wave


def riff(data: bytes, code: int = 1, channels: int = 1, rate: int = RATE, bits: int = 16) -> bytes:
    """The bytes of a WAV file of some samples."""
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", code, channels, rate, rate * block, block, bits)
    odd = b"LIST" + struct.pack("<I", 3) + b"abc\0"  # a chunk of an odd length, which is padded
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + odd
    body += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def pcm(wave: Any) -> bytes:
    """Samples from -1 to 1 as PCM of 16 bits."""
    return (np.asarray(wave) * 32767).round().astype("<i2").tobytes()


def write_words(folder: Path, each: int = 20, seed: int = 0, nested: bool = True) -> None:
    """Write ``each`` recordings of every word."""
    rng = np.random.default_rng(seed)
    for word in WORDS:
        for number in range(each):
            name = f"{word}/{number:03}.wav" if nested else f"{word}_tester_{number:03}.wav"
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(riff(pcm(chirp(word, rng))))


def write_emg(path: Path, gestures: list[int], seed: int, each: int = 220) -> None:
    """Write ``each`` samples of every gesture, 200 a second: time, 8 channels in mV, gesture."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(gestures, each)
    noise = 0.3 * GAINS[labels] * rng.standard_normal((len(labels), 8))
    rows = np.column_stack([np.arange(len(labels)) / 200, noise, labels])
    header = ",".join(["seconds", *(f"channel {i}" for i in range(8)), "gesture"])
    np.savetxt(path, rows, fmt="%.4f", delimiter=",", header=header, comments="")


def _wave(t: np.ndarray, centre: float, width: float, height: float) -> np.ndarray:
    return height * np.exp(-(((t - centre) / width) ** 2))


def _beat(wide: bool, steps: int) -> np.ndarray:
    """P, QRS and T, with the R peak at 0.3 s; or a wide QRS without P."""
    t = np.arange(steps) / 100
    if wide:
        return _wave(t, 0.3, 0.035, 1.1) - _wave(t, 0.38, 0.04, 0.6) - _wave(t, 0.5, 0.04, 0.3)
    qrs = _wave(t, 0.3, 0.012, 1.1) - _wave(t, 0.34, 0.012, 0.25)
    return _wave(t, 0.15, 0.025, 0.15) + qrs + _wave(t, 0.5, 0.04, 0.3)


def write_ecg(path: Path, beats: int = 161, seed: int = 0) -> None:
    """Write one lead in mV, 100 samples a second, the R peaks, and whether a beat is wide."""
    rng = np.random.default_rng(seed)
    kinds = rng.permutation(np.arange(beats) % 2)
    lengths = rng.integers(60, 100, beats)
    signal = np.concatenate([_beat(bool(k), n) for k, n in zip(kinds, lengths, strict=True)])
    peaks = np.cumsum(lengths) - lengths + 30
    np.savez(
        path, signal=signal + 0.03 * rng.standard_normal(len(signal)), peaks=peaks, kinds=kinds
    )
