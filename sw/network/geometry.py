"""Where a kernel lies on a map, an axis at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Axis"]

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Axis:
    """One axis of a convolution.

    Attributes
    ----------
    size : of the map, before pooling.
    kernel, stride, padding : along this axis, in pooled places.
    pool : size of the sum pool in front; 1 for none.
    """

    size: int
    kernel: int
    stride: int
    padding: int
    pool: int = 1

    @property
    def pooled_size(self) -> int:
        """Of the map after pooling."""
        return self.size // self.pool

    @property
    def positions(self) -> int:
        """Positions of the kernel."""
        return (self.pooled_size + 2 * self.padding - self.kernel) // self.stride + 1

    def starts(self) -> Integers:
        """(positions,) pooled place the kernel begins at, negative in the padding."""
        return np.arange(self.positions, dtype=np.int64) * self.stride - self.padding

    def inside(self) -> tuple[Integers, Integers]:
        """(positions,) first row of the kernel that is on the map, and the one behind the last."""
        starts = self.starts()
        return np.maximum(0, -starts), np.minimum(self.kernel, self.pooled_size - starts)

    def receptive_fields(self) -> npt.NDArray[np.bool_]:
        """(positions, size) places of the map in the field of each position, before pooling."""
        places = np.arange(self.pooled_size) - self.starts()[:, None]
        inside = ((places >= 0) & (places < self.kernel)).repeat(self.pool, axis=1)
        return np.pad(inside, ((0, 0), (0, self.size - inside.shape[1])))
