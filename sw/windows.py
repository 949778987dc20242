"""Samples on their way out: cut into windows of words, encoded, and put into INPUT commands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .maps import Map
from .spec.array import ArrayConfig
from .spec.encoding import SUMMARY_ROWS, check_words, word_bits
from .spec.link import BODY_BYTES, WINDOW_HEAD, Command
from .words import pack_bits, pack_steps

__all__ = ["Batch", "encode_windows", "input_commands"]

_WINDOWS_AT_ONCE = 64

Words = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Batch:
    """Samples that are checked and flat.

    Attributes
    ----------
    values : (batch, steps, inputs) bool spikes, or (batch, inputs) uint16 pixels.
    steps : steps of each sample.
    fresh : (batch,) whether a sample starts with fresh state rather than that of the one before.
    """

    values: npt.NDArray[Any]
    steps: int
    fresh: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def pixels(self) -> bool:
        """Whether the samples are pixels, the same in every window."""
        return self.values.ndim == 2

    def windows(self, window: int) -> int:
        """Windows of each sample."""
        return -(-self.steps // window)

    def words(self, window: int) -> Words:
        """(batch, windows, inputs) spike words, or (batch, 1, inputs) pixels."""
        return self.values[:, None] if self.pixels else pack_steps(self.values, window)


def encode_windows(
    words: npt.NDArray[Any], config: ArrayConfig, half: bool = False
) -> list[tuple[bool, bytes]]:
    """Each window in the smaller of the two encodings of ``spec.encoding``.

    Parameters
    ----------
    words : (windows, inputs) words, from 0 to ``2**window - 1``.
    half : they go as half words.

    Returns
    -------
    list of (dense, bytes)

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
    active = grid != 0
    mask_bytes, dense_bytes = -(-lanes // 8), -(-lanes * width // 8)

    in_row = active.sum(axis=2)
    present = in_row > 0
    word_bytes = -(-in_row * width // 8) if width > 1 else np.zeros_like(in_row)
    row_bytes = np.where(present, mask_bytes + word_bytes, 0)
    summaries = -(-rows // SUMMARY_ROWS)
    sizes = summaries + row_bytes.sum(axis=1)
    dense = sizes >= rows * dense_bytes

    encoded: list[tuple[bool, bytes]] = [(True, b"")] * count
    for i, packed in zip(np.flatnonzero(dense), pack_bits(grid[dense], width), strict=True):
        encoded[i] = (True, packed.tobytes())
    sparse = np.flatnonzero(~dense)
    if not len(sparse):
        return encoded

    # One table row per map row: summary byte, mask bytes, word bytes; then only what counts.
    grid, active, present = grid[sparse], active[sparse], present[sparse]
    table = np.zeros((len(sparse), rows, 1 + mask_bytes + dense_bytes), dtype=np.uint8)
    kept = np.zeros(table.shape, dtype=bool)
    bits = np.zeros((len(sparse), summaries * SUMMARY_ROWS), dtype=np.uint8)
    bits[:, :rows] = present
    table[:, ::SUMMARY_ROWS, 0] = np.packbits(bits, axis=1, bitorder="little")
    kept[:, ::SUMMARY_ROWS, 0] = True
    table[:, :, 1 : 1 + mask_bytes] = np.packbits(active, axis=2, bitorder="little")
    kept[:, :, 1 : 1 + mask_bytes] = present[:, :, None]
    if width > 1:
        order = np.argsort(~active, axis=2, kind="stable")
        table[:, :, 1 + mask_bytes :] = pack_bits(np.take_along_axis(grid, order, axis=2), width)
        kept[:, :, 1 + mask_bytes :] = np.arange(dense_bytes) < word_bytes[sparse][:, :, None]
    for i, data, keep in zip(sparse, table, kept, strict=True):
        encoded[i] = (False, data[keep].tobytes())
    return encoded


def input_commands(
    batch: Batch, config: ArrayConfig, lying: Map, window: int, half: bool = False
) -> Iterator[bytes]:
    """INPUT commands of all windows of a batch, encoded as they are taken; all but one full.

    Parameters
    ----------
    window : steps of a window: T, or 1 with a recurrent layer.
    lying : how the input's words are to lie (``maps.input_map`` of the network).
    half : words go as half words.
    """
    size, stream = BODY_BYTES - 1, bytearray()
    for each in _stream(batch, config, lying, window, half):
        stream += each
        while len(stream) >= size:
            yield bytes((Command.INPUT,)) + stream[:size]
            del stream[:size]
    if stream:
        yield bytes((Command.INPUT,)) + stream


def _stream(
    batch: Batch, config: ArrayConfig, lying: Map, window: int, half: bool
) -> Iterator[bytes]:
    """Head and rows of each window."""
    count = batch.windows(window)
    at_once = max(1, _WINDOWS_AT_ONCE // count)
    for at in range(0, len(batch), at_once):
        part = Batch(batch.values[at : at + at_once], batch.steps, batch.fresh[at : at + at_once])
        words = lying.spread(part.words(window))
        encoded = encode_windows(words.reshape(-1, words.shape[2]), config, half)
        for i, fresh in enumerate(part.fresh):
            sent = encoded[i * words.shape[1] : (i + 1) * words.shape[1]]
            for w in range(count):
                dense, rows = sent[w] if w < len(sent) else (False, b"")
                head = WINDOW_HEAD.pack({
                    "steps": min(window, batch.steps - w * window) - 1,
                    "first": fresh and w == 0,
                    "last": w == count - 1,
                    "dense": dense,
                    "repeat": w >= len(sent),
                })
                yield bytes((head,)) + rows
