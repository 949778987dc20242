"""Frames of mel bands: what a recording of a word becomes.

The computation is in float64. A Fourier transform may differ in its last bit between machines, and
a value on the edge between two levels with it. What is equal on every device follows from the
frames, not from the recording.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..support.errors import ToolError
from ..support.values import as_array, exact_int, positive

__all__ = ["MelBands", "mel_frames"]

Reals = npt.NDArray[np.float64]
_INSIDE = 0.5
"""Least share of a recording's energy that its word must have."""
_RATE_HIGH = 1_000_000
"""Above what microphones and converters have: a larger rate is that of a damaged file, and its
filter would fill the memory."""


@dataclass(frozen=True)
class MelBands:
    """How a recording of a word becomes frames.

    Parameters
    ----------
    rate : int
        Samples per second, to which a recording is resampled.
    bands : int
        Bands, triangles of equal width on the mel scale ``2595 log10(1 + f / 700)`` (the HTK
        book), each with its peak of 1 where its neighbours are 0.
    frames : int
        Frames of a word, at equal distances.
    seconds : float
        Length of a word. The middle of this span is the centre of energy of the recording;
        silence is added where the recording is shorter.
    window : float
        Length of the Hann window around the middle of a frame, in seconds.
    low, high : float
        Lower edge of the first band and upper edge of the last one, in Hz.
    bits : int
        Width of a value of a frame.
    floor : float
        Level that becomes 0, in dB below the loudest band of the word, which becomes
        ``2**bits - 1``. Levels between them are in equal steps of dB, rounded.

    Raises
    ------
    TypeError, ValueError
        Naming the field, the value and what is allowed.
    """

    rate: int = 8000
    bands: int = 32
    frames: int = 32
    seconds: float = 0.8
    window: float = 0.032
    low: float = 100.0
    high: float = 3800.0
    bits: int = 4
    floor: float = -50.0

    def __post_init__(self) -> None:
        exact_int("rate", self.rate, 1000, _RATE_HIGH)
        exact_int("bands", self.bands, 1, 1024)
        exact_int("frames", self.frames, 1, 1 << 16)
        exact_int("bits", self.bits, 1, 8)
        for name in ("seconds", "window", "high"):
            positive(name, getattr(self, name))
        if not 0 <= self.low < self.high <= self.rate / 2:
            raise ValueError(
                f"low and high must be from 0 to {self.rate / 2:g} (half of rate), low the lower "
                f"one, not {self.low!r} and {self.high!r}"
            )
        if not (math.isfinite(self.floor) and self.floor < 0):
            raise ValueError(f"floor must be a negative number of dB, not {self.floor!r}")
        if self.window_samples < 2:
            raise ValueError(
                f"window must hold at least 2 samples at {self.rate} Hz, not {self.window!r} s"
            )
        empty = np.flatnonzero(~self.filters().any(0))
        if len(empty):
            raise ValueError(
                f"band {empty[0]} of {self.bands} has no frequency of its own: give fewer bands, "
                "or a longer window"
            )

    @property
    def window_samples(self) -> int:
        """Samples of the window."""
        return round(self.window * self.rate)

    @property
    def points(self) -> int:
        """Points of the Fourier transform: at least twice the window, a power of two."""
        return 2 << (self.window_samples - 1).bit_length()

    def filters(self) -> Reals:
        """Return the (frequencies, bands) weights of the bands."""
        return _filters(self)

    @classmethod
    def of(cls, values: Any) -> MelBands:
        """Return the settings from their fields by name, as a result of a training has them.

        Raises
        ------
        TypeError, ValueError
            If a name or value is not one of a MelBands.
        """
        if not isinstance(values, dict):
            raise TypeError(f"bands must be the fields of a MelBands, not {values!r}")
        return cls(**values)


def mel_frames(wave: Any, rate: int, bands: MelBands | None = None) -> npt.NDArray[np.uint8]:
    """Return the frames of one recorded word.

    Its mean is subtracted. The middle of the frames is the centre of its energy, so that silence
    before and behind the word does not matter. Levels are relative to the loudest band.

    Parameters
    ----------
    wave : (samples,) array_like
        The recording, finite real numbers of any scale.
    rate : int
        Its samples per second. If it is not ``bands.rate``, scipy resamples.
    bands : MelBands, optional
        The settings; their defaults otherwise.

    Returns
    -------
    (frames, bands) uint8 array
        Values from 0 to ``2**bits - 1``.

    Raises
    ------
    TypeError, ValueError
        If the recording is empty, silent, or not finite, or if the span of a word has less than
        half of its energy.
    ToolError
        If scipy is needed and not installed.
    """
    bands = MelBands() if bands is None else bands
    exact_int("rate", rate, 1, _RATE_HIGH)
    array = as_array("wave", wave, "numbers")
    if array.ndim != 1 or not len(array):
        raise ValueError(f"wave must be (samples,), at least one, not {array.shape}")
    signal = array.astype(np.float64)
    if not np.isfinite(signal).all():
        first = int(np.argmax(~np.isfinite(signal)))
        raise ValueError(f"wave must be finite, not {signal[first]} (sample {first})")
    largest = np.abs(signal).max()
    if signal.min() == signal.max() or not largest:
        raise ValueError("wave must not be silent: all of its samples are equal")
    signal = _resampled(signal / largest, rate, bands.rate)
    signal = signal - signal.mean()
    if not signal.any():
        raise ValueError(
            f"wave must not be silent: at {bands.rate} Hz, nothing is left of its {len(array)} "
            f"samples at {rate} Hz"
        )
    power = _windows(signal, bands) @ bands.filters()
    if not power.any():
        raise ValueError(f"wave has nothing between {bands.low:g} and {bands.high:g} Hz")
    with np.errstate(divide="ignore"):
        level = 10 * np.log10(power / power.max())
    share = np.clip(1 - level / bands.floor, 0, 1)
    frames: npt.NDArray[np.uint8] = np.rint(share * ((1 << bands.bits) - 1)).astype(np.uint8)
    return frames


def _resampled(signal: Reals, rate: int, wanted: int) -> Reals:
    if rate == wanted:
        return signal
    try:
        from scipy.signal import resample_poly
    except ImportError as error:
        raise ToolError(
            f"scipy is not installed, which resamples from {rate} to {wanted} Hz: "
            "pip install 'stablespike[audio]'"
        ) from error
    common = math.gcd(rate, wanted)
    done: Reals = resample_poly(signal, wanted // common, rate // common)
    return done


def _windows(signal: Reals, bands: MelBands) -> Reals:
    """The (frames, frequencies) powers around the centre of energy."""
    energy = signal**2
    total = energy.sum()
    centre = float((energy * np.arange(len(signal))).sum() / total)
    span = bands.seconds * bands.rate
    first, last = max(0, round(centre - span / 2)), max(0, round(centre + span / 2))
    inside = energy[first:last].sum() / total
    if inside < _INSIDE:
        raise ValueError(
            f"of the recording's energy only {inside:.0%} is in the {bands.seconds:g} s around its "
            "centre: cut it into words, or give more seconds"
        )
    size = bands.window_samples
    middles = centre + span * ((np.arange(bands.frames) + 0.5) / bands.frames - 0.5)
    begins = np.rint(middles - (size - 1) / 2).astype(np.int64)
    at = begins[:, None] + np.arange(size)
    there = (at >= 0) & (at < len(signal))
    pieces = np.where(there, signal[np.clip(at, 0, len(signal) - 1)], 0.0)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(size) + 0.5) / size)
    spectrum = np.fft.rfft(pieces * hann, bands.points, axis=1)
    return spectrum.real**2 + spectrum.imag**2


@lru_cache(maxsize=8)
def _filters(bands: MelBands) -> Reals:
    low, high = (2595 * math.log10(1 + each / 700) for each in (bands.low, bands.high))
    edges = 700 * (10 ** (np.linspace(low, high, bands.bands + 2) / 2595) - 1)
    below, peak, above = edges[:-2], edges[1:-1], edges[2:]
    frequency = np.fft.rfftfreq(bands.points, 1 / bands.rate)[:, None]
    rising = (frequency - below) / (peak - below)
    falling = (above - frequency) / (above - peak)
    weights: Reals = np.clip(np.minimum(rising, falling), 0, None)
    weights.setflags(write=False)
    return weights
