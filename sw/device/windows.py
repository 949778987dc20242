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

__all__ = ["Batch", "encode_windows", "input_commands"]

_WINDOWS_AT_ONCE = 64  # encoded together: bounds the memory, and needs few numpy calls

Words = npt.NDArray[np.uint16]


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


def encode_windows(
    words: npt.NDArray[Any], config: ArrayConfig, half: bool = False
) -> list[tuple[Encoding, bytes]]:
    """Each window in the smallest of the array's encodings (``spec.encoding``).

    Parameters
    ----------
    words : array
        (windows, inputs) words, from 0 to ``2**window - 1``.
    config : ArrayConfig
        The array.
    half : bool
        Send half words.

    Returns
    -------
    list of tuple
        Per window its encoding and its bytes.

    Raises
    ------
    ValueError
        If a word is too wide.
    """
    words = np.asarray(words)
    count, lanes, width = len(words), config.lanes, word_bits(config, half)
    check_words(words, width)
    rows = max(1, -(-words.shape[1] // lanes))
    padded = np.zeros((count, rows * lanes), dtype=np.uint16)
    padded[:, : words.shape[1]] = words
    grid = padded.reshape(count, rows, lanes)

    in_row = np.count_nonzero(grid, axis=2)
    # The length of each encoding follows from the words in each row, so only one is made.
    common = -(-rows // SUMMARY_ROWS) + _word_bytes(in_row, width).sum(axis=1)
    sizes = {
        Encoding.DENSE: np.full(count, rows * -(-lanes * width // 8)),
        Encoding.BITMAP: common + np.count_nonzero(in_row, axis=1) * -(-lanes // 8),
        Encoding.SPARSE: common + in_row.sum(axis=1),
    }
    options = encodings(config)
    chosen = np.argmin([sizes[each] for each in options], axis=0)
    encoded = [(options[choice], b"") for choice in chosen]
    for choice, encoding in enumerate(options):
        which = np.flatnonzero(chosen == choice)
        for i, data in zip(which, _encoded(grid[which], encoding, width), strict=True):
            encoded[i] = (encoding, data)
    return encoded


def _word_bytes(in_row: npt.NDArray[np.int64], width: int) -> npt.NDArray[np.int64]:
    """The bytes of the words of each row, which follow its mask."""
    # Words of one bit are not sent: those in the mask are 1.
    return -(-in_row * width // 8) if width > 1 else np.zeros_like(in_row)


def _encoded(grid: Words, encoding: Encoding, width: int) -> Iterator[bytes]:
    """The bytes of each window of (windows, rows, lanes) words."""
    if encoding == Encoding.DENSE or not len(grid):
        yield from (window.tobytes() for window in pack_bits(grid, width))
        return
    # A table with one row per map row: the summary byte, the mask or the lanes, the bytes of the
    # words. A second table says which of these bytes are sent.
    count, rows, lanes = grid.shape
    active = grid != 0
    in_row = np.count_nonzero(active, axis=2)[:, :, None]
    # The lanes that are active first, in their order.
    order = np.argsort(~active, axis=2, kind="stable")
    if encoding == Encoding.SPARSE:
        at = np.arange(lanes)
        mask = order.astype(np.uint8) | np.where(at == in_row - 1, LAST_LANE, 0).astype(np.uint8)
        mask_kept = at < in_row
    else:
        mask = np.packbits(active, axis=2, bitorder="little")
        mask_kept = np.broadcast_to(in_row > 0, mask.shape)
    ordered = pack_bits(np.take_along_axis(grid, order, axis=2), width)
    present = np.zeros((count, -(-rows // SUMMARY_ROWS) * SUMMARY_ROWS), dtype=np.uint8)
    present[:, :rows] = in_row[:, :, 0] > 0
    summary = np.zeros((count, rows, 1), dtype=np.uint8)
    summary[:, ::SUMMARY_ROWS, 0] = np.packbits(present, axis=1, bitorder="little")
    summary_kept = np.broadcast_to(np.arange(rows)[:, None] % SUMMARY_ROWS == 0, summary.shape)
    words_kept = np.arange(ordered.shape[2]) < _word_bytes(in_row, width)
    table = np.concatenate([summary, mask, ordered], axis=2)
    kept = np.concatenate([summary_kept, mask_kept, words_kept], axis=2)
    for data, keep in zip(table, kept, strict=True):
        yield data[keep].tobytes()


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
    size, stream = BODY_BYTES - 1, bytearray()
    for each in _stream(batch, config, layout, window, half, planes):
        stream += each
        while len(stream) >= size:
            yield bytes((Command.INPUT,)) + stream[:size]
            del stream[:size]
    if stream:
        yield bytes((Command.INPUT,)) + stream


def _stream(
    batch: Batch, config: ArrayConfig, layout: Map, window: int, half: bool,
    planes: tuple[int, ...],
) -> Iterator[bytes]:
    """The head and the rows of each window."""
    at_once = max(1, _WINDOWS_AT_ONCE // int(batch.windows(window).max()))
    for at in range(0, len(batch), at_once):
        part = batch.part(at, at + at_once)
        words = layout.spread(part.words(window, planes))
        counts = part.windows(window)
        there = np.arange(words.shape[1]) < counts[:, None]
        encoded = iter(encode_windows(words[there], config, half))
        for steps, fresh, count in zip(
            part.lengths.tolist(), part.fresh, counts.tolist(), strict=True
        ):
            for w in range(count):
                # Pixels have one window of words; the others repeat it.
                repeats = part.pixels and w > 0
                encoding, rows = (Encoding.REPEAT, b"") if repeats else next(encoded)
                head = WINDOW_HEAD.pack({
                    "steps": min(window, steps - w * window) - 1,
                    "first": fresh and w == 0,
                    "last": w == count - 1,
                    **encoding.head,
                })
                yield bytes((head,)) + rows
