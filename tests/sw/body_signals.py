"""Recordings that tests write: EMG of three gestures as CSV, ECG of two kinds of beats."""

from __future__ import annotations

from pathlib import Path

import numpy as np

GAINS = np.array([
    [1.0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.6],
    [0.2, 0.2, 0.8, 1.0, 0.4, 0.2, 0.2, 0.2],
    [0.2, 0.2, 0.2, 0.2, 0.3, 1.0, 0.8, 0.2],
])
"""(gestures, channels) strength of a channel."""


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
