"""Divides samples into windows of words, encodes them, and puts them into INPUT commands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..mapping.frames import bit_lines
from ..mapping.maps import Map
from ..samples.words import pack_bits, pack_steps
from ..spec.array import ArrayConfig
from ..spec.encoding import (
    LAST_LANE,
    SUMMARY_ROWS,
    Encoding,
    check_words,
    encodings,
    word_bits,
)
from ..spec.link import BODY_BYTES, WINDOW_HEAD, Command

__all__ = ["Batch", "EncodedWindows", "encode_windows", "input_commands"]

_WORDS_AT_ONCE = 1 << 18  # encoded together: bounds the memory, and needs few numpy calls

_HEADS = np.array([
    [
        [
            WINDOW_HEAD.pack({"steps": 0, "first": first, "last": last, **encoding.head})
            for encoding in Encoding
        ]
        for last in (0, 1)
    ]
    for first in (0, 1)
])
"""The head of a window of one step, by ``first``, ``last`` and ``Encoding``."""

Words = npt.NDArray[np.uint16]
Octets = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Samples that have been checked and flattened.

    Attributes
    ----------
    values : array
        (batch, steps, inputs) bool spikes or uint16 frames, or (batch, inputs) uint16 pixels.
    lengths : array of int64
        (batch,) the steps of each sample. The values behind them are 0.
    fresh : array of bool
        (batch,) whether a sample starts with fresh state rather than that of the one before.
    changing : bool
        The values are pixels that change from step to step: windows have one step.
    """

    values: npt.NDArray[Any]
    lengths: npt.NDArray[np.int64]
    fresh: npt.NDArray[np.bool_]
    changing: bool = False

    def __len__(self) -> int:
        return len(self.values)

    @property
    def pixels(self) -> bool:
        """Whether the samples are pixels, the same in every window."""
        return self.values.ndim == 2

    @property
    def steps(self) -> int:
        """The steps of the longest sample."""
        return int(self.lengths.max())

    def part(self, first: int, stop: int) -> Batch:
        """Some of the samples, with as many steps as the longest of them has."""
        lengths, values = self.lengths[first:stop], self.values[first:stop]
        if not self.pixels:
            values = values[:, : lengths.max()]
        return Batch(values, lengths, self.fresh[first:stop], self.changing)

    def window(self, longest: int) -> int:
        """The steps of a window, which are ``longest`` unless pixels change."""
        return 1 if self.changing else longest

    def windows(self, window: int) -> npt.NDArray[np.int64]:
        """(batch,) the windows of each sample, for windows of so many steps."""
        return -(-self.lengths // window)

    def words(self, window: int, planes: tuple[int, ...] = ()) -> Words:
        """(batch, windows, inputs) spike words or frames, or (batch, 1, inputs) pixels. The words
        behind the last window of a sample are 0.

        Parameters
        ----------
        window : int
            The steps of a window.
        planes : tuple of int
            The bit of each line of a frame's value (``mapping.frames``); none unless frames are
            lines of spikes.
        """
        if self.pixels:
            return self.values[:, None]
        if planes:
            return pack_steps(bit_lines(self.values, planes), window)
        return pack_steps(self.values, window) if self.values.dtype == bool else self.values


@dataclass(frozen=True)
class EncodedWindows:
    """Encoded windows.

    Attributes
    ----------
    encodings : array of int64
        (windows,) the ``Encoding`` of each.
    sizes : array of int64
        (windows,) the bytes of each.
    data : array of uint8
        The bytes of all windows, one behind the other.
    """

    encodings: Integers
    sizes: Integers
    data: Octets


def encode_windows(
    words: npt.NDArray[Any], config: ArrayConfig, half: bool = False
) -> EncodedWindows:
    """Each window in the smallest of the array's encodings (``spec.encoding``).

    Parameters
    ----------
    words : array
        (windows, inputs) words, from 0 to ``2**window - 1``.
    config : ArrayConfig
        The array.
    half : bool
        Send half words.

    Raises
    ------
    ValueError
        If a word is too wide.
    """
    words = np.asarray(words)
    count, lanes, width = len(words), config.lanes, word_bits(config, half)
    check_words(words, width)
    rows = max(1, -(-words.shape[1] // lanes))
    grid = np.zeros((count, rows * lanes), dtype=np.uint8 if width <= 8 else np.uint16)
    grid[:, : words.shape[1]] = words
    grid = grid.reshape(count, rows, lanes)

    active = np.flatnonzero(grid != 0)
    in_row = np.bincount(active // lanes, minlength=count * rows).reshape(count, rows)
    # The length of each encoding follows from the words in each row, so only one is made.
    common = -(-rows // SUMMARY_ROWS) + _word_bytes(in_row, width).sum(axis=1)
    sizes = {
        Encoding.DENSE: np.full(count, rows * -(-lanes * width // 8)),
        Encoding.BITMAP: common + np.count_nonzero(in_row, axis=1) * -(-lanes // 8),
        Encoding.SPARSE: common + in_row.sum(axis=1),
    }
    options = np.array(encodings(config))
    each = np.stack([sizes[Encoding(option)] for option in options])
    best = np.argmin(each, axis=0)
    chosen, size = options[best], each[best, np.arange(count)]
    starts, data = np.cumsum(size) - size, np.empty(size.sum(), np.uint8)
    for encoding in np.unique(chosen).tolist():
        which = np.flatnonzero(chosen == encoding)
        some = len(which) < count
        part = grid[which] if some else grid
        if encoding == Encoding.DENSE:
            at = starts[which, None] + np.arange(sizes[Encoding.DENSE][0])
            data[at] = pack_bits(part, width).reshape(at.shape)
        else:
            found = np.flatnonzero(part != 0) if some else active
            _put_rows(data, starts[which], part, found, in_row[which], encoding, width)
    return EncodedWindows(chosen, size, data)


def _word_bytes(in_row: Integers, width: int) -> Integers:
    """The bytes of the words of each row, which follow its mask."""
    # Words of one bit are not sent: those in the mask are 1.
    return -(-in_row * width // 8) if width > 1 else np.zeros_like(in_row)


def _put_rows(
    data: Octets, starts: Integers, grid: npt.NDArray[Any], active: Integers, in_row: Integers,
    encoding: int, width: int,
) -> None:
    """Put windows of (windows, rows, lanes) words into ``data``, each at its start. ``active``
    are the words that are not 0, ``in_row`` their number in each row."""
    count, rows, lanes = grid.shape
    present = np.flatnonzero(in_row)
    in_present = in_row.reshape(-1)[present]
    # For each row its summary byte, its mask and its words, and where these begin.
    pieces = np.zeros((count, rows, 3), np.int64)
    pieces[:, ::SUMMARY_ROWS, 0] = 1
    pieces[:, :, 1] = in_row if encoding == Encoding.SPARSE else (in_row > 0) * -(-lanes // 8)
    pieces[:, :, 2] = _word_bytes(in_row, width)
    sizes = pieces.reshape(count, -1)
    at = (starts[:, None] + np.cumsum(sizes, axis=1) - sizes).reshape(pieces.shape)
    at_mask, at_words = at.reshape(-1, 3)[present, 1:].T

    summaries = np.zeros((count, -(-rows // SUMMARY_ROWS) * SUMMARY_ROWS), np.bool_)
    summaries[:, :rows] = in_row > 0
    data[at[:, ::SUMMARY_ROWS, 0]] = np.packbits(summaries, axis=1, bitorder="little")
    if encoding == Encoding.SPARSE:
        mask = (active % lanes).astype(np.uint8)
        mask[np.cumsum(in_present) - 1] |= LAST_LANE
        data[_spread(at_mask, in_present)] = mask
    else:
        masks = np.packbits(grid.reshape(-1, lanes) != 0, axis=1, bitorder="little")
        data[at_mask[:, None] + np.arange(masks.shape[1])] = masks[present]
    if width > 1:
        # Each row begins with a new byte.
        octets, in_octet = _word_bytes(in_present, width), max(1, 8 // width)
        slots = np.zeros(octets.sum() * in_octet * 8 // max(8, width), grid.dtype)
        first = (np.cumsum(octets) - octets) * in_octet * 8 // max(8, width)
        slots[_spread(first, in_present)] = grid.reshape(-1)[active]
        data[_spread(at_words, octets)] = pack_bits(slots, width)


def _spread(starts: Integers, counts: Integers) -> Integers:
    """From each start as many consecutive numbers as ``counts`` says."""
    flat = counts.reshape(-1)
    return np.arange(flat.sum()) + np.repeat(starts.reshape(-1) - np.cumsum(flat) + flat, flat)


def input_commands(
    batch: Batch,
    config: ArrayConfig,
    layout: Map,
    window: int,
    half: bool = False,
    planes: tuple[int, ...] = (),
) -> Iterator[bytes]:
    """The INPUT commands of all windows of a batch.

    They are encoded as they are taken. All commands but the last one are full.

    Parameters
    ----------
    batch : Batch
        The samples.
    config : ArrayConfig
        The array.
    layout : Map
        The layout of the input's words in the array (``maps.input_map`` of the network).
    window : int
        The steps of a window: T, or 1 with a recurrent layer.
    half : bool
        Send half words.
    planes : tuple of int
        As for ``Batch.words``.
    """
    size, head, stream = BODY_BYTES - 1, bytes((Command.INPUT,)), b""
    for each in _stream(batch, config, layout, window, half, planes):
        stream += each
        full = len(stream) - len(stream) % size
        for at in range(0, full, size):
            yield head + stream[at : at + size]
        stream = stream[full:]
    if stream:
        yield head + stream


def _stream(
    batch: Batch, config: ArrayConfig, layout: Map, window: int, half: bool,
    planes: tuple[int, ...],
) -> Iterator[bytes]:
    """The heads and the rows of some windows at a time."""
    at_once = max(1, _WORDS_AT_ONCE // (int(batch.windows(window).max()) * layout.words))
    for at in range(0, len(batch), at_once):
        part = batch.part(at, at + at_once)
        words, counts = layout.spread(part.words(window, planes)), part.windows(window)
        samples = np.repeat(np.arange(len(part)), counts)
        number = _spread(np.zeros_like(counts), counts)  # of the window in its sample
        if part.pixels:
            encoded = encode_windows(words[:, 0], config, half)
            # Pixels have one window of words; the others repeat it.
            kinds = np.where(number == 0, encoded.encodings[samples], Encoding.REPEAT)
            sizes = np.where(number == 0, encoded.sizes[samples], 0)
        else:
            encoded = encode_windows(words[samples, number], config, half)
            kinds, sizes = encoded.encodings, encoded.sizes
        first = part.fresh[samples] & (number == 0)
        last = number == counts[samples] - 1
        steps = np.minimum(window, part.lengths[samples] - number * window)
        heads = _HEADS[first.astype(int), last.astype(int), kinds] + steps - 1
        yield np.insert(encoded.data, np.cumsum(sizes) - sizes, heads.astype(np.uint8)).tobytes()
