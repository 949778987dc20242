"""Spike words on the host: packs steps into words, counts bits, and compares readouts."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..spec.array import LIMITS
from ..support.values import exact_int

__all__ = ["margins", "pack_bits", "pack_rows", "pack_steps", "popcount", "predict", "scores"]

_BYTE_COUNTS = np.array([value.bit_count() for value in range(256)], dtype=np.uint8)
_BITS_AT_ONCE = 1 << 20  # each takes 8 bytes temporarily


def pack_steps(spikes: npt.NDArray[np.bool_], window: int) -> npt.NDArray[np.uint16]:
    """Spikes as spike words.

    Parameters
    ----------
    spikes : (batch, steps, ...) bool array
        The spikes.
    window : int
        Steps of a word.

    Returns
    -------
    (batch, ceil(steps / window), ...) uint16 array
        Words, bit 0 the earliest step. The steps that the last window lacks are 0.

    Raises
    ------
    TypeError, ValueError
        If ``window`` is not one that an array can have.
    """
    window = exact_int("window", window, *LIMITS["window"])
    batch, steps, *shape = spikes.shape
    words = np.zeros((batch, -(-steps // window), *shape), dtype=np.uint16)
    for t in range(min(window, steps)):
        bits = spikes[:, t::window]
        words[:, : bits.shape[1]] |= bits.astype(np.uint16) << np.uint16(t)
    return words


def popcount(words: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
    """The number of bits that are set in each word of at most 16 unsigned bits."""
    # Bytes are looked up in a table, because numpy counts bits only from version 2 on.
    wide = words.astype(np.uint16)
    counts: npt.NDArray[np.int64] = (_BYTE_COUNTS[wide & 0xFF] + _BYTE_COUNTS[wide >> 8]).astype(
        np.int64
    )
    return counts


def predict(readout: npt.NDArray[np.int64], kind: str) -> npt.NDArray[np.int64]:
    """The predictions of a readout: the output with the highest count or membrane, or the most
    bits in its words; the lowest index on a tie.

    Parameters
    ----------
    readout : int64 array
        (batch, outputs) counts or membranes, or (batch, outputs, windows) words.
    kind : str
        The network's ``readout``.

    Returns
    -------
    (batch,) int64 array
        The indices of the outputs.
    """
    prediction: npt.NDArray[np.int64] = np.argmax(scores(readout, kind), axis=1).astype(np.int64)
    return prediction


def scores(readout: npt.NDArray[np.int64], kind: str) -> npt.NDArray[np.int64]:
    """(batch, outputs) counts or membranes, or the bits in an output's words.

    Parameters
    ----------
    readout, kind
        As for ``predict``.
    """
    return popcount(readout).sum(axis=-1) if kind == "words" else readout


def margins(scores: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """By how much the highest score leads the second highest.

    Parameters
    ----------
    scores : (batch, outputs) int64 array
        The scores.

    Returns
    -------
    (batch,) int64 array
        The leads, 0 on a tie; of a single output its score.
    """
    if scores.shape[1] == 1:
        return scores[:, 0].copy()
    highest = np.partition(scores, -2, axis=1)
    return np.asarray(highest[:, -1] - highest[:, -2], dtype=np.int64)


def pack_bits(values: npt.NDArray[np.integer[Any]], width: int) -> npt.NDArray[np.uint8]:
    """Pack values side by side into bytes.

    Parameters
    ----------
    values : (..., n) integer array
        The values.
    width : int
        The lowest bits of each value that are taken.

    Returns
    -------
    (..., ceil(n * width / 8)) uint8 array
        The first value in the lowest bits of the first byte.
    """
    if width == 16:
        return np.ascontiguousarray(values.astype("<u2")).view(np.uint8)
    if 8 % width:
        shifts = np.arange(width, dtype=values.dtype)
        bits = (values[..., None] >> shifts & np.asarray(1, values.dtype)).astype(np.uint8)
        flat = bits.reshape(*values.shape[:-1], values.shape[-1] * width)
        return np.packbits(flat, axis=-1, bitorder="little")
    # Values of these widths lie within a byte.
    low = (values & np.asarray((1 << width) - 1, values.dtype)).astype(np.uint8)
    if width == 1:
        return np.packbits(low, axis=-1, bitorder="little")
    in_octet = 8 // width
    if lacking := -low.shape[-1] % in_octet:
        low = np.concatenate([low, np.zeros((*low.shape[:-1], lacking), np.uint8)], axis=-1)
    octets = low[..., ::in_octet].copy()
    for i in range(1, in_octet):
        octets |= low[..., i::in_octet] << np.uint8(i * width)
    return octets


def pack_rows(rows: npt.NDArray[np.int64], width: int) -> npt.NDArray[np.uint16]:
    """Pack rows of values into chunks of 16 bits.

    Parameters
    ----------
    rows : (rows, n) int64 array
        Values of ``width`` bits.
    width : int
        Bits of a value; those of a row are a multiple of 16.

    Returns
    -------
    (rows, n * width / 16) uint16 array
        The first value in the lowest bits of the first chunk.
    """
    bits = rows.shape[1] * width
    image = np.empty((len(rows), bits // 16), dtype=np.uint16)
    at_once = max(1, _BITS_AT_ONCE // bits)
    for at in range(0, len(rows), at_once):
        image[at : at + at_once] = pack_bits(rows[at : at + at_once], width).view("<u2")
    return image
