"""Spike words and readouts on the host: steps packed into words, words counted and compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..spec.array import LIMITS
from ..support.values import exact_int

__all__ = ["pack_bits", "pack_rows", "pack_steps", "popcount", "predict"]

_BYTE_COUNTS = np.array([value.bit_count() for value in range(256)], dtype=np.uint8)
_BITS_AT_ONCE = 1 << 20  # taken apart into an integer of 8 bytes each


def pack_steps(spikes: npt.NDArray[np.bool_], window: int) -> npt.NDArray[np.uint16]:
    """(batch, windows, ...) spike words of (batch, steps, ...) spikes, bit 0 the earliest step.

    ``windows`` is ``ceil(steps / window)``; the steps the last window lacks are 0.

    Raises
    ------
    TypeError, ValueError
        If ``window`` is none an array can have.
    """
    window = exact_int("window", window, *LIMITS["window"])
    batch, steps, *shape = spikes.shape
    words = np.zeros((batch, -(-steps // window), *shape), dtype=np.uint16)
    for t in range(min(window, steps)):
        bits = spikes[:, t::window]
        words[:, : bits.shape[1]] |= bits.astype(np.uint16) << np.uint16(t)
    return words


def popcount(words: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
    """Bits set in each word (unsigned, at most 16 bits)."""
    wide = words.astype(np.uint16)
    counts: npt.NDArray[np.int64] = (_BYTE_COUNTS[wide & 0xFF] + _BYTE_COUNTS[wide >> 8]).astype(
        np.int64
    )
    return counts


def predict(readout: npt.NDArray[np.int64], kind: str) -> npt.NDArray[np.int64]:
    """(batch,) index of the highest count or membrane (popcount for "words"), the lowest on a tie.

    Parameters
    ----------
    readout : (batch, outputs), or (batch, outputs, windows) words.
    kind : the network's ``readout``.
    """
    scores = popcount(readout).sum(axis=-1) if kind == "words" else readout
    prediction: npt.NDArray[np.int64] = np.argmax(scores, axis=1).astype(np.int64)
    return prediction


def pack_bits(values: npt.NDArray[np.integer[Any]], width: int) -> npt.NDArray[np.uint8]:
    """(..., bytes) of (..., n) values, the lowest ``width`` bits of each side by side."""
    shifts = np.arange(width, dtype=values.dtype)
    bits = (values[..., None] >> shifts & np.asarray(1, values.dtype)).astype(np.uint8)
    flat = bits.reshape(*values.shape[:-1], values.shape[-1] * width)
    return np.packbits(flat, axis=-1, bitorder="little")


def pack_rows(rows: npt.NDArray[np.int64], width: int) -> npt.NDArray[np.uint16]:
    """(rows, chunks) of 16 bits from (rows, n) values of ``width`` bits, the first one lowest."""
    bits = rows.shape[1] * width
    image = np.empty((len(rows), bits // 16), dtype=np.uint16)
    at_once = max(1, _BITS_AT_ONCE // bits)
    for at in range(0, len(rows), at_once):
        image[at : at + at_once] = pack_bits(rows[at : at + at_once], width).view("<u2")
    return image
