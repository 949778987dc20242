"""Encodings of input windows: a window is sent row by row, in the smallest of three encodings.

The input map is cut into rows of L words (``lanes``), the last one padded with zero words.

bitmap
    Eight rows at a time: one summary byte, in which bit ``r`` is set if row ``r`` has a word that
    is not 0. For each such row ``ceil(L / 8)`` mask bytes follow, in which bit ``l`` is set if word
    ``l`` is not 0, then the words that are not 0. A word has ``window`` bits; words are packed from
    the low bit up, and the last byte is filled with zeros. With a ``window`` of 1 the mask says
    everything, and no words follow.
sparse
    Like bitmap, but the mask of a row has a byte for each word that is not 0: its lane, with bit 7
    set in the last byte. The words are in the order of their lanes, whatever the order of the
    bytes. A lane that is named twice has one word. The bits between the lane and bit 7 are ignored.
    Only on arrays with ``convolution``.
dense
    All L words of every row, packed the same way.

With half words (``Register.INPUT_HALF``) all words have ``window / 2`` bits here; the upper half of
the words in the spike memory is 0.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from .array import ArrayConfig

__all__ = ["Encoding", "check_words", "decode_rows", "encode_rows", "encodings", "word_bits"]

SUMMARY_ROWS = 8
"""The number of rows in a summary byte."""
LAST_LANE = 0x80
"""The bit that is set in the byte of a sparse row's last lane."""


class Encoding(enum.IntEnum):
    """The encoding of a window: the bits ``dense`` and ``repeat`` of its head, as a number."""

    BITMAP = 0
    DENSE = 1
    REPEAT = 2
    SPARSE = 3

    @classmethod
    def of(cls, head: Mapping[str, int]) -> Encoding:
        """The encoding that the fields of a head name."""
        return cls(head["dense"] + 2 * head["repeat"])

    @property
    def head(self) -> dict[str, int]:
        """The fields of a head that name it."""
        return {"dense": self & 1, "repeat": self >> 1}


def encodings(config: ArrayConfig) -> tuple[Encoding, ...]:
    """The encodings of rows that an array supports, the one that it decodes fastest first."""
    sparse = (Encoding.SPARSE,) if config.convolution else ()
    return (Encoding.DENSE, Encoding.BITMAP, *sparse)


def word_bits(config: ArrayConfig, half: bool) -> int:
    """Bits of a word in the stream: of a whole word, or of a ``half`` word."""
    return config.window // 2 if half else config.window


def check_words(words: npt.NDArray[np.integer], width: int) -> None:
    """Refuse words that do not fit ``width`` bits.

    Raises
    ------
    ValueError
        If a word does not fit; the message names the lowest and the highest word.
    """
    high = (1 << width) - 1
    if words.size and not 0 <= words.min() <= words.max() <= high:
        raise ValueError(
            f"input words must be from 0 to {high} ({width} bits), "
            f"not {words.min()} to {words.max()}"
        )


def encode_rows(
    words: npt.NDArray[np.integer], encoding: Encoding, config: ArrayConfig, half: bool = False
) -> bytes:
    """The bytes of a window's rows.

    Parameters
    ----------
    words : (inputs,) integer array
        The words of the input map.
    encoding : Encoding
        Any but ``REPEAT``.
    config : ArrayConfig
        The array.
    half : bool
        Whether the words travel as half words.

    Raises
    ------
    ValueError
        If a word does not fit.
    """
    width, out = word_bits(config, half), bytearray()
    flat = np.asarray(words, dtype=np.int64).reshape(-1)
    check_words(flat, width)
    count = max(1, -(-flat.size // config.lanes))
    rows = np.pad(flat, (0, count * config.lanes - flat.size)).reshape(count, config.lanes)
    if encoding == Encoding.DENSE:
        return b"".join(_pack(row, width) for row in rows)
    active = rows != 0
    for base in range(0, count, SUMMARY_ROWS):
        block = range(base, min(base + SUMMARY_ROWS, count))
        present = [r for r in block if active[r].any()]
        out.append(sum(1 << (r - base) for r in present))
        for r in present:
            if encoding == Encoding.SPARSE:
                *others, last = np.flatnonzero(active[r]).tolist()
                out += bytes((*others, last | LAST_LANE))
            else:
                out += _pack(active[r].astype(np.int64), 1)
            if width > 1:
                out += _pack(rows[r][active[r]], width)
    return bytes(out)


def _pack(words: npt.NDArray[np.int64], width: int) -> bytes:
    bits = (words[:, None] >> np.arange(width)) & 1
    return np.packbits(bits.astype(np.uint8).reshape(-1), bitorder="little").tobytes()


def decode_rows(
    data: bytes, rows: int, encoding: Encoding, config: ArrayConfig, half: bool = False
) -> tuple[npt.NDArray[np.int64], int]:
    """The words of an encoded window; the reference for the device's decoder.

    Parameters
    ----------
    data : bytes
        Data that begins with the encoded window; more may follow.
    rows : int
        Rows of the window.
    encoding, config, half
        As for ``encode_rows``.

    Returns
    -------
    words : (rows, lanes) int64 array
        The words.
    used : int
        Bytes of the window.

    Raises
    ------
    ValueError
        If there are too few bytes for ``rows``.
    """
    lanes, width = config.lanes, word_bits(config, half)
    out, at = np.zeros((rows, lanes), dtype=np.int64), 0

    def take(count: int) -> bytes:
        nonlocal at
        if at + count > len(data):
            raise ValueError(
                f"the encoded window ends after {len(data)} bytes, in the middle of a row"
            )
        at += count
        return data[at - count : at]

    def unpack(count: int, width: int) -> npt.NDArray[np.int64]:
        packed = np.frombuffer(take(-(-count * width // 8)), np.uint8)
        bits = np.unpackbits(packed, count=count * width, bitorder="little")
        return bits.reshape(count, width).astype(np.int64) @ (1 << np.arange(width))

    def take_mask() -> npt.NDArray[np.bool_]:
        if encoding == Encoding.BITMAP:
            return unpack(lanes, 1).astype(bool)
        mask, byte = np.zeros(lanes, bool), 0
        while not byte & LAST_LANE:
            (byte,) = take(1)
            mask[byte % lanes] = True
        return mask

    summary = 0
    for r in range(rows):
        if encoding == Encoding.DENSE:
            out[r] = unpack(lanes, width)
            continue
        if r % SUMMARY_ROWS == 0:
            (summary,) = take(1)
        if summary >> r % SUMMARY_ROWS & 1:
            mask = take_mask()
            out[r, mask] = 1 if width == 1 else unpack(int(mask.sum()), width)
    return out, at
