"""WAV files that tests write: chirps in place of words."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

RATE = 8000
WORDS = ("down", "flat", "up")
"""Chirps that fall, stay and rise."""


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
