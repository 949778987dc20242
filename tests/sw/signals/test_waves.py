"""WAV files: every kind of samples, and those that are refused."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from stablespike import FileError
from stablespike.signals import read_wave
from tones import riff

KINDS = [
    (1, 8, [0, 255, 128, 129], [-1, 127 / 128, 0, 1 / 128], "<u1"),
    (1, 16, [-32768, 32767, 0, 1], [-1, 1 - 2**-15, 0, 2**-15], "<i2"),
    (1, 32, [-(2**31), 2**31 - 1, 0, 1], [-1, 1 - 2**-31, 0, 2**-31], "<i4"),
    (3, 32, [-1, 0.25, 0, 2.5], [-1, 0.25, 0, 2.5], "<f4"),
    (3, 64, [-1, 0.1, 0, 2.5], [-1, 0.1, 0, 2.5], "<f8"),
]


@pytest.mark.parametrize(("code", "bits", "stored", "want", "kind"), KINDS)
def test_kinds_of_samples(
    tmp_path: Path, code: int, bits: int, stored: list[float], want: list[float], kind: str
):
    path = tmp_path / "a.wav"
    path.write_bytes(riff(np.array(stored, kind).tobytes(), code, 1, 44100, bits))
    samples, rate = read_wave(path)
    assert (samples.tolist(), rate, samples.dtype) == (want, 44100, np.float64)


def test_24_bits_and_the_extensible_format(tmp_path: Path):
    values = [-(2**23), 2**23 - 1, 0, -1, 65536]
    data = b"".join(each.to_bytes(3, "little", signed=True) for each in values)
    path = tmp_path / "a.wav"
    path.write_bytes(riff(data, bits=24))
    assert (read_wave(path)[0] * 2**23).tolist() == values
    plain = riff(data, code=0xFFFE, bits=24)
    form = plain[20:36] + struct.pack("<HHIH", 22, 24, 4, 1) + bytes(14)
    longer = plain[:16] + struct.pack("<I", len(form)) + form + plain[36:]
    path.write_bytes(longer)
    assert (read_wave(path)[0] * 2**23).tolist() == values


def test_the_files_of_the_standard_library(tmp_path: Path):
    stored = np.random.default_rng(0).integers(-32768, 32768, (50, 2)).astype("<i2")
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 16000, 0, "NONE", ""))
        file.writeframes(stored.tobytes())
    for channel in (0, 1):
        samples, rate = read_wave(path, channel)
        assert (samples * 32768).tolist() == stored[:, channel].tolist()
        assert rate == 16000
    with pytest.raises(FileError, match=r"2 channels, which are not mixed here: channel= names"):
        read_wave(path)
    with pytest.raises(ValueError, match=r"channel must be from 0 to 1, not 2"):
        read_wave(path, 2)


GOOD = riff(bytes(8))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"ID3" + bytes(50), r"not a WAV file \(it begins with b'ID3"),
        (GOOD[:-2], r"truncated, or .* b'data' should have 8 bytes, of which 6 are there"),
        (GOOD[:36], "truncated: it has no samples"),
        (riff(b""), "a whole number of samples of 2 bytes, at least one, not 0 bytes"),
        (riff(bytes(3)), "not 3 bytes"),
        (riff(bytes(8), code=7, bits=8), "mu-law samples of 8 bits, not PCM .*convert it"),
        (riff(bytes(8), code=1, bits=12), "PCM samples of 12 bits"),
        (riff(bytes(8), code=99), "format 99 samples"),
        (riff(bytes(8), rate=0), "claims 1 channels of 0 samples per second"),
        (riff(np.array([0, np.nan], "<f4").tobytes(), 3, bits=32), r"not finite: nan \(sample 1\)"),
        (riff(b"\1\0\x80\x7f", 3, bits=32), r"not finite: nan \(sample 0\)"),  # it signals
        (GOOD[:12] + GOOD[48:] + GOOD[12:36], "samples come before their format"),
    ],
)
def test_refused_files(tmp_path: Path, content: bytes, match: str):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(FileError, match=f"a.wav.*{match}"):
        read_wave(path)


def test_no_file(tmp_path: Path):
    with pytest.raises(FileError, match=r"there is no file .*none\.wav"):
        read_wave(tmp_path / "none.wav")
    with pytest.raises(FileError, match="cannot be read"):
        read_wave(tmp_path)
