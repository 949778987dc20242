"""The positions of a convolution's kernel along one axis of its input map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Axis"]

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Axis:
    """One axis, vertical or horizontal, of a convolution and of the map it reads.

    Attributes
    ----------
    size : int
        Length of the map along this axis, before pooling.
    kernel : int
        Length of the kernel.
    stride : int
        Distance between two positions of the kernel, on the pooled map.
    padding : int
        Zeros on either side of the pooled map.
    pool : int
        Side of the windows of the sum pool in front of the convolution; 1 without a pool.
    """

    size: int
    kernel: int
    stride: int
    padding: int
    pool: int = 1

    @property
    def pooled_size(self) -> int:
        """Length of the map after pooling, without the padding."""
        return self.size // self.pool

    @property
    def positions(self) -> int:
        """Number of positions of the kernel."""
        return (self.pooled_size + 2 * self.padding - self.kernel) // self.stride + 1

    def starts(self) -> Integers:
        """Return (positions,) coordinates on the pooled map at which the kernel begins.

        A coordinate in the padding in front of the map is negative.
        """
        return np.arange(self.positions, dtype=np.int64) * self.stride - self.padding

    def inside(self) -> tuple[Integers, Integers]:
        """Return the part of the kernel that is on the map and not in the padding.

        Returns
        -------
        first : (positions,) int64
            First row (or column) of the kernel that is on the map.
        end : (positions,) int64
            The row after the last one that is on the map.
        """
        starts = self.starts()
        return np.maximum(0, -starts), np.minimum(self.kernel, self.pooled_size - starts)

    def receptive_fields(self) -> npt.NDArray[np.bool_]:
        """Return (positions, size) whether a position of the kernel reads an input.

        Inputs are those before pooling. The edge that pooling drops is read by no position.
        """
        pooled = np.arange(self.pooled_size) - self.starts()[:, None]
        inside = ((pooled >= 0) & (pooled < self.kernel)).repeat(self.pool, axis=1)
        return np.pad(inside, ((0, 0), (0, self.size - inside.shape[1])))
