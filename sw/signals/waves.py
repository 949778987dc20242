"""WAV files, read completely or refused."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ..support.errors import FileError
from ..support.values import exact_int

__all__ = ["read_wave"]

_FORMAT_MOST = 40  # bytes of the chunk ``fmt`` that are looked at
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_NAMES = {2: "ADPCM", 6: "A-law", 7: "mu-law", 17: "IMA ADPCM", 85: "MP3"}
_CONVERT = "convert it to 16-bit PCM, such as with 'ffmpeg -i IN -ac 1 -c:a pcm_s16le OUT.wav'"


@dataclass(frozen=True)
class _Format:
    """The chunk ``fmt``: code of the samples, channels, rate, and bits of a sample."""

    code: int
    channels: int
    rate: int
    bits: int


def read_wave(
    path: str | os.PathLike[str], channel: int | None = None
) -> tuple[npt.NDArray[np.float64], int]:
    """Read a WAV file of PCM samples of 8, 16, 24 or 32 bits, or floats of 32 or 64.

    Parameters
    ----------
    path : str or path object
        The file.
    channel : int or None
        Of a file with several channels, the number of the one to return, from 0.

    Returns
    -------
    wave : (samples,) float64 array
        The samples; PCM samples are divided by their range, and so from -1 to less than 1.
    rate : int
        Samples per second.

    Raises
    ------
    FileError
        If there is no such file, it is truncated, damaged, of another format, has no samples or
        some that are not finite, or has several channels of which ``channel`` names none.
    TypeError, ValueError
        If there is no such channel.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            form, data = _chunks(path, file, os.fstat(file.fileno()).st_size)
    except FileNotFoundError:
        raise FileError(f"there is no file {path}") from None
    except OSError as error:
        raise FileError(f"{path} cannot be read ({error.strerror or error})") from error
    if channel is not None:
        exact_int("channel", channel, 0, form.channels - 1)
    elif form.channels != 1:
        raise FileError(
            f"{path} has {form.channels} channels, which are not mixed here: channel= names one of "
            f"them, or {_CONVERT}"
        )
    width = form.channels * form.bits // 8
    if not data or len(data) % width:
        raise FileError(
            f"{path} must hold a whole number of samples of {width} bytes, at least one, not "
            f"{len(data)} bytes"
        )
    wave = _samples(form, data).reshape(-1, form.channels)[:, channel or 0]
    if not np.isfinite(wave).all():
        first = int(np.argmax(~np.isfinite(wave)))
        raise FileError(f"{path} has a sample that is not finite: {wave[first]} (sample {first})")
    return np.ascontiguousarray(wave), form.rate


def _chunks(path: Path, file: IO[bytes], total: int) -> tuple[_Format, bytes]:
    """The format and the samples of a RIFF file of ``total`` bytes; other chunks are passed over,
    and nothing of a foreign file is read."""
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise FileError(f"{path} is not a WAV file (it begins with {head[:4]!r}): {_CONVERT}")
    form, at = None, 12
    while at + 8 <= total:
        file.seek(at)
        chunk = file.read(8)
        name, size = chunk[:4], int.from_bytes(chunk[4:], "little")
        there = total - at - 8
        if there < size:
            raise FileError(
                f"{path} is truncated, or was written without its length: its chunk {name!r} "
                f"should have {size} bytes, of which {there} are there"
            )
        if name == b"fmt ":
            form = _format(path, file.read(min(size, _FORMAT_MOST)))
        elif name == b"data":
            if form is None:
                raise FileError(f"{path} is damaged: its samples come before their format")
            return form, file.read(size)
        at += 8 + size + size % 2
    raise FileError(f"{path} is truncated: it has no samples")


def _format(path: Path, body: bytes) -> _Format:
    if len(body) < 16:
        raise FileError(f"{path} is damaged: its format has {len(body)} bytes, not 16 or more")

    def number(first: int, size: int) -> int:
        return int.from_bytes(body[first : first + size], "little")

    code = number(0, 2)
    if code == _EXTENSIBLE and len(body) >= 26:
        code = number(24, 2)
    form = _Format(code, number(2, 2), number(4, 4), number(14, 2))
    if (code, form.bits) not in _READERS:
        named = _NAMES.get(code, {_PCM: "PCM", _FLOAT: "float"}.get(code, f"format {code}"))
        raise FileError(
            f"{path} has {named} samples of {form.bits} bits, not PCM of 8, 16, 24 or 32 or floats "
            f"of 32 or 64: {_CONVERT}"
        )
    if not form.channels or not form.rate:
        raise FileError(
            f"{path} is damaged: it claims {form.channels} channels of {form.rate} samples per "
            "second"
        )
    return form


def _samples(form: _Format, data: bytes) -> npt.NDArray[np.float64]:
    kind = _READERS[form.code, form.bits]
    if form.bits == 24:
        # The three bytes become the upper ones of an int32, which has the same value / 2**31.
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return wide.view("<i4")[:, 0] / 2.0**31
    values: npt.NDArray[Any] = np.frombuffer(data, kind)
    if form.code == _FLOAT:
        with np.errstate(invalid="ignore"):  # what is not finite is refused by its place
            return values.astype(np.float64)
    if form.bits == 8:
        return (values.astype(np.float64) - 128) / 128  # bytes are unsigned, around 128
    return values / 2.0 ** (form.bits - 1)


_READERS = {
    (_PCM, 8): "<u1", (_PCM, 16): "<i2", (_PCM, 24): "<i4", (_PCM, 32): "<i4",
    (_FLOAT, 32): "<f4", (_FLOAT, 64): "<f8",
}
"""numpy's type of the samples by code and bits."""
