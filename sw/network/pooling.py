"""Pooling of maps: sums in front of a layer, the OR of spike words behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..support.immutable import SIZE_HIGH, Shape, put
from ..support.values import exact_int

__all__ = ["MaxPool2d", "SumPool2d"]


@dataclass(frozen=True)
class _Pool2d:
    size: int

    def __post_init__(self) -> None:
        put(self, size=exact_int("size", self.size, 1, SIZE_HIGH))

    def output_shape(self, shape: Shape) -> Shape:
        """Shape after pooling.

        Raises
        ------
        ValueError
            If the map has not three axes, or is smaller than one pool.
        """
        name = type(self).__name__
        if len(shape) != 3:
            raise ValueError(f"{name} needs a (channels, height, width) map, not {shape}")
        channels, height, width = shape
        if min(height, width) < self.size:
            raise ValueError(f"{name}({self.size}) needs a map of at least its size, not {shape}")
        return channels, height // self.size, width // self.size


@dataclass(frozen=True)
class SumPool2d(_Pool2d):
    """Sum pooling of a (channels, height, width) map in windows of ``size``; drops odd edges."""

    def sources(self, shape: Shape) -> npt.NDArray[np.int64]:
        """For every input of a map, in C order, the pooled position it adds to; -1 if dropped."""
        channels, height, width = self.output_shape(shape)
        pooled = np.full(shape, -1, dtype=np.int64)
        c, y, x = np.indices((channels, height * self.size, width * self.size))
        pooled[:, : height * self.size, : width * self.size] = np.ravel_multi_index(
            (c, y // self.size, x // self.size), (channels, height, width)
        )
        return pooled.reshape(-1)


@dataclass(frozen=True)
class MaxPool2d(_Pool2d):
    """Max pooling of spikes, the OR of the words in windows of ``size``; drops odd edges."""

    def words(self, words: npt.NDArray[np.uint16], shape: Shape) -> npt.NDArray[np.uint16]:
        """(..., pooled) words of the (..., flat) words of a map of that shape, in C order."""
        channels, height, width = self.output_shape(shape)
        maps = words.reshape(*words.shape[:-1], *shape)
        kept = maps[..., : height * self.size, : width * self.size]
        tiles = kept.reshape(*kept.shape[:-2], height, self.size, width, self.size)
        pooled = np.bitwise_or.reduce(np.bitwise_or.reduce(tiles, axis=-1), axis=-2)
        return np.asarray(pooled.reshape(*words.shape[:-1], channels * height * width))
