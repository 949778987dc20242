"""The convolutional layers of a recipe."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ..spec.task import KERNEL_HIGH
from ..support.values import exact_int

__all__ = ["Convolution"]

_HIGH = (1 << 31) - 1


@dataclass(frozen=True)
class Convolution:
    """A convolution of a recipe with its pools; kernels and pools are square.

    The order is: sum pool, convolution, neurons, max pool.

    Parameters
    ----------
    channels : int
        Output channels.
    kernel : int
        Rows and columns of the kernel, 1 to 7.
    stride : int
        Distance between two positions of the kernel.
    padding : int
        Zeros on each side of the map, fewer than ``kernel``.
    sum_pool : int
        Side of the cells of a sum pool in front; 1 for none.
    max_pool : int
        Side of the cells of a max pool of the spikes; 1 for none.

    Raises
    ------
    TypeError, ValueError
        Naming the field, the value and what is allowed.
    """

    channels: int
    kernel: int = 3
    stride: int = 1
    padding: int = 0
    sum_pool: int = 1
    max_pool: int = 1

    def __post_init__(self) -> None:
        exact_int("kernel", self.kernel, 1, KERNEL_HIGH)
        exact_int("padding", self.padding, 0, self.kernel - 1)
        for name in ("channels", "stride", "sum_pool", "max_pool"):
            exact_int(name, getattr(self, name), 1, _HIGH)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Return the (channels, height, width) of its output.

        Parameters
        ----------
        shape : tuple of int
            (channels, height, width) of the input map.

        Raises
        ------
        ValueError
            If nothing is left of the map.
        """
        sides = [
            ((side // self.sum_pool + 2 * self.padding - self.kernel) // self.stride + 1)
            // self.max_pool
            for side in shape[1:]
        ]
        if min(sides) < 1:
            raise ValueError(f"nothing is left of a map of {shape} after {asdict(self)}")
        return self.channels, sides[0], sides[1]
