"""The operations on a map so far, as one convolution."""

from __future__ import annotations

import numpy as np

from ...spec.task import KERNEL_HIGH
from ...support.errors import NotExpressible
from ..operations import AdaptivePool, Operation, Pool, Shape
from ..semantics import Floats
from .kernels import Kernel

__all__ = ["BETWEEN", "MapChain", "channel_values"]

BETWEEN = "neurons between two layers of weights"


def channel_values(op: Operation, name: str, values: Floats, shape: Shape) -> Floats:
    """Return () or (channels,) values of () or (elements,) values of a map of that shape.

    Raises
    ------
    NotExpressible
        If they differ within a channel.
    """
    if not values.ndim:
        return values
    by_channel = values.reshape(shape[0], -1)
    if (by_channel != by_channel[:, :1]).any():
        raise NotExpressible(
            op.name, op.kind, f"its {name} differs within a channel", f"one {name} per channel"
        )
    first: Floats = by_channel[:, 0]
    return first


class MapChain:
    """One operation after another on a map, composed into one convolution.

    The map becomes ``kernel(x) / divisor + bias``. If an operation cannot be composed, the reason
    is kept in ``problem``, since a matrix may still do what it does.

    Parameters
    ----------
    shape : tuple of int
        (channels, height, width) of the map.
    factor : () or (channels,) float64
        What the map is multiplied by first.
    bias : () or (channels,) float64
        What is added to that.
    divisor : int
        What the map is divided by before.

    Attributes
    ----------
    shape : tuple of int
        Shape of the map after the operations so far.
    kernel : Kernel
        The convolution of all of them.
    bias : (channels,) float64
        Biases.
    divisor : int
        Product of the divisors.
    problem : NotExpressible or None
        Why the operations are not the convolution of ``kernel``.
    """

    def __init__(self, shape: Shape, factor: Floats, bias: Floats, divisor: int) -> None:
        channels = shape[0]
        weight = np.diag(np.broadcast_to(factor, (channels,)))[:, :, None, None]
        self._first, self.shape, self.divisor = shape, shape, divisor
        self._behind = ""
        self.kernel = Kernel(weight, (1, 1), ((0, 0), (0, 0)))
        self.bias = np.broadcast_to(bias, (channels,)).astype(np.float64)
        self.problem: NotExpressible | None = None

    def refuse(self, op: Operation, reason: str, nearest: str) -> None:
        """Note why an operation cannot be part of a convolution, unless one could not before."""
        if self.problem is None:
            self.problem = NotExpressible(op.name, op.kind, reason, nearest)

    def append(self, op: Operation, kernel: Kernel, bias: Floats, divisor: int = 1) -> None:
        """Compose with ``kernel(x) / divisor + bias``, which fits the map's shape.

        Parameters
        ----------
        op : Operation
            Its origin.
        kernel : Kernel
            The kernel.
        bias : () or (out,) float64
            The biases.
        divisor : int
            The divisor.
        """
        self.shape = kernel.output_shape(self.shape)
        if self.problem is not None:
            return
        sides, shifted = kernel.sides, self.bias[self.bias != 0]
        if np.any(sides) and shifted.size:
            self.refuse(
                op, "its padding is of zeros, but its input was shifted by "
                f"{shifted[0]:.6g}", "padding=0, or batch normalisation and biases behind it",
            )
        elif np.any(sides) and not self.kernel.silent_around(self._first, sides):
            self.refuse(
                op, f"its padding of {sides} is of zeros, but what is in front of it "
                f"({self._behind}) goes on there", f"padding=0, or {BETWEEN}",
            )
        self.kernel = self.kernel.then(kernel)
        self.bias = kernel.weight.sum((2, 3)) @ self.bias / divisor + bias
        self.divisor *= divisor
        rows, columns = self.kernel.symmetric()[0].shape[2:]
        if max(rows, columns) > KERNEL_HIGH:
            with_others = f" and {self._behind} together" if self._behind else ""
            self.refuse(
                op, f"it{with_others} would need kernels of {rows} by {columns}, stride "
                f"{self.kernel.stride}; the limit is {KERNEL_HIGH} by {KERNEL_HIGH}",
                "smaller kernels, cells or dilation" + self._apart(op),
            )
        self._behind = ", ".join(filter(None, (self._behind, f"{op.name} ({op.kind})")))

    def _apart(self, op: Operation) -> str:
        if not self._behind:
            return ""
        if isinstance(op, (Pool, AdaptivePool)):
            return ", or the pool behind the neurons, in front of the next weights"
        return f", or {BETWEEN}"

    def scale(self, op: Operation, factor: Floats, offset: Floats) -> None:
        """Multiply the map by () or (elements,) factors, and add () or (elements,) offsets."""
        if self.problem is not None:
            return
        try:
            rows = channel_values(op, "factor", factor, self.shape)
            added = channel_values(op, "offset", offset, self.shape)
        except NotExpressible as error:
            self.refuse(op, error.reason, error.nearest)
            return
        column = np.broadcast_to(rows, self.bias.shape)
        weight = column[:, None, None, None] * self.kernel.weight
        self.kernel = Kernel(weight, self.kernel.stride, self.kernel.sides)
        self.bias = self.bias * rows + added
