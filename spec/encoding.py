"""How a window of input words travels: row by row, in the smaller of two encodings.

The input map is cut into rows of L words (``lanes``), the last one padded with zero words.

bitmap  Eight rows at a time: one summary byte, bit ``r`` set where row ``r`` has a word that is
        not 0; then for each such row ``ceil(L / 8)`` mask bytes, bit ``l`` set where word ``l`` is
        not 0, and the words that are not 0, ``window`` bits each, packed from the low bit up, the
        last byte filled with zeros. With ``window`` = 1 the mask says it all and no words follow.
dense   every row: all its L words, packed the same way.

Half words (``Register.INPUT_HALF``): all words have ``window / 2`` bits here, the upper ones are 0.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .array import ArrayConfig

__all__ = ["check_words", "decode_rows", "encode_bitmap", "encode_dense", "word_bits"]

SUMMARY_ROWS = 8


def word_bits(config: ArrayConfig, half: bool) -> int:
    """Bits of a word of the stream."""
    return config.window // 2 if half else config.window


def check_words(words: npt.NDArray[np.integer], width: int) -> None:
    """Refuse words that do not fit ``width`` bits."""
    high = (1 << width) - 1
    if words.size and not 0 <= words.min() <= words.max() <= high:
        raise ValueError(
            f"input words must be from 0 to {high} ({width} bits), "
            f"not {words.min()} to {words.max()}"
        )


def _rows(
    words: npt.NDArray[np.integer], config: ArrayConfig, width: int
) -> npt.NDArray[np.int64]:
    """(rows, lanes) from a flat map, padded."""
    flat = np.asarray(words, dtype=np.int64).reshape(-1)
    check_words(flat, width)
    rows = max(1, -(-flat.size // config.lanes))
    return np.pad(flat, (0, rows * config.lanes - flat.size)).reshape(rows, config.lanes)


def _pack(words: npt.NDArray[np.int64], width: int) -> bytes:
    bits = (words[:, None] >> np.arange(width)) & 1
    return np.packbits(bits.astype(np.uint8).reshape(-1), bitorder="little").tobytes()


def encode_dense(
    words: npt.NDArray[np.integer], config: ArrayConfig, half: bool = False
) -> bytes:
    """Dense encoding of a flat map of words."""
    width = word_bits(config, half)
    return b"".join(_pack(row, width) for row in _rows(words, config, width))


def encode_bitmap(
    words: npt.NDArray[np.integer], config: ArrayConfig, half: bool = False
) -> bytes:
    """Bitmap encoding of a flat map of words."""
    width, out = word_bits(config, half), bytearray()
    rows = _rows(words, config, width)
    active = rows != 0
    for base in range(0, len(rows), SUMMARY_ROWS):
        block = range(base, min(base + SUMMARY_ROWS, len(rows)))
        present = [r for r in block if active[r].any()]
        out.append(sum(1 << (r - base) for r in present))
        for r in present:
            out += np.packbits(active[r].astype(np.uint8), bitorder="little").tobytes()
            if width > 1:
                out += _pack(rows[r][active[r]], width)
    return bytes(out)


def decode_rows(
    data: bytes, rows: int, dense: bool, config: ArrayConfig, half: bool = False
) -> tuple[npt.NDArray[np.int64], int]:
    """(rows, lanes) words of the encoded window that ``data`` begins with, and its bytes.

    The reference for the device's decoder.

    Raises
    ------
    ValueError
        If there are too few bytes for ``rows``.
    """
    lanes, width = config.lanes, word_bits(config, half)
    out, at = np.zeros((rows, lanes), dtype=np.int64), 0

    def take(count: int) -> npt.NDArray[np.uint8]:
        nonlocal at
        if at + count > len(data):
            raise ValueError(
                f"the encoded window ends after {len(data)} bytes, in the middle of a row"
            )
        at += count
        return np.unpackbits(np.frombuffer(data, np.uint8, count, at - count), bitorder="little")

    def unpack(count: int) -> npt.NDArray[np.int64]:
        bits = take(-(-count * width // 8))[: count * width].reshape(count, width)
        return bits.astype(np.int64) @ (1 << np.arange(width))

    summary: npt.NDArray[np.uint8] = np.zeros(SUMMARY_ROWS, np.uint8)
    for r in range(rows):
        if dense:
            out[r] = unpack(lanes)
            continue
        if r % SUMMARY_ROWS == 0:
            summary = take(1)
        if summary[r % SUMMARY_ROWS]:
            mask = take(-(-lanes // 8))[:lanes].astype(bool)
            out[r, mask] = 1 if width == 1 else unpack(int(mask.sum()))
    return out, at
