"""Pooling of maps: the sum in front of a layer, the OR of the spikes behind it."""

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
        """Return the shape of a map after pooling.

        Parameters
        ----------
        shape : tuple of int
            (channels, height, width) before pooling.

        Raises
        ------
        ValueError
            If the map does not have three axes, or is smaller than one cell of the pool.
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
    """Sum pooling of a (channels, height, width) map.

    The cells of the pool lie side by side. Rows and columns that do not fill a cell are dropped.

    Parameters
    ----------
    size : int
        Side of a square cell, at least 1.

    Raises
    ------
    TypeError, ValueError
        If ``size`` is not an integer of at least 1.
    """

    def sources(self, shape: Shape) -> npt.NDArray[np.int64]:
        """Return (inputs,) the pooled position each input of a map is added to.

        Inputs and positions are numbered in C order; -1 marks an input that is dropped.

        Parameters
        ----------
        shape : tuple of int
            (channels, height, width) before pooling.
        """
        channels, height, width = self.output_shape(shape)
        pooled = np.full(shape, -1, dtype=np.int64)
        c, y, x = np.indices((channels, height * self.size, width * self.size))
        pooled[:, : height * self.size, : width * self.size] = np.ravel_multi_index(
            (c, y // self.size, x // self.size), (channels, height, width)
        )
        return pooled.reshape(-1)


@dataclass(frozen=True)
class MaxPool2d(_Pool2d):
    """Max pooling of the spikes of a (channels, height, width) map: the OR over each cell.

    The cells of the pool lie side by side. Rows and columns that do not fill a cell are dropped.

    Parameters
    ----------
    size : int
        Side of a square cell, at least 1.

    Raises
    ------
    TypeError, ValueError
        If ``size`` is not an integer of at least 1.
    """

    def words(self, words: npt.NDArray[np.uint16], shape: Shape) -> npt.NDArray[np.uint16]:
        """Return the pooled spike words of a map.

        Parameters
        ----------
        words : (..., inputs) uint16
            Spike words, one bit per step, of the map in C order.
        shape : tuple of int
            (channels, height, width) before pooling.

        Returns
        -------
        (..., outputs) uint16
        """
        channels, height, width = self.output_shape(shape)
        maps = words.reshape(*words.shape[:-1], *shape)
        kept = maps[..., : height * self.size, : width * self.size]
        tiles = kept.reshape(*kept.shape[:-2], height, self.size, width, self.size)
        # The maximum of 0s and 1s in every step of a word is the OR of the words.
        pooled = np.bitwise_or.reduce(np.bitwise_or.reduce(tiles, axis=-1), axis=-2)
        return np.asarray(pooled.reshape(*words.shape[:-1], channels * height * width))
