"""What an array has room for: the limits within which scales are chosen, and what they cost."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
import numpy.typing as npt

from ..network import Dense, Layer, Neuron
from ..network.layer_fidelity import ArrayFit
from ..network.quantize import Quantized
from ..network.weights import Transform, high_half, identity, low_half
from ..spec.array import ArrayConfig
from ..support.values import signed_range
from .layers import FloatLayer
from .semantics import Floats

__all__ = ["LayerLimits", "StateLimits", "array_fit", "weight_error"]

Integers = npt.NDArray[np.int64]


class StateLimits:
    """The limits of any array for one layer: those of the membranes.

    Parameters
    ----------
    state_bits : int
        Width of the membranes.
    """

    def __init__(self, state_bits: int) -> None:
        self.state_bits = state_bits

    def excess(self, weight: Integers) -> Floats:
        """Return 0 for each output: no sums are known to be too wide."""
        return np.zeros(len(weight))

    def described(self, weight: Integers, output: int) -> str:
        """Return what is known of the sums of an output: nothing."""
        return ""


class LayerLimits:
    """The limits of an array for one layer.

    Parameters
    ----------
    layer : FloatLayer
        The layer.
    config : ArrayConfig
        The array.
    weight_bits : int
        Width of the layer's weights.
    line_bits : int
        Bits of the frames that the layer reads if they are wider than the array's window, which
        takes their bits as lines of their own, with weights times 1, 2, 4 and so on; else 1.

    Attributes
    ----------
    state_bits : int
        Width of the membranes.
    """

    def __init__(
        self, layer: FloatLayer, config: ArrayConfig, weight_bits: int, line_bits: int = 1
    ) -> None:
        self._layer, self._config = layer, config
        self._lines = (1 << line_bits) - 1
        self.state_bits = config.state_bits
        # A weight wider than a lane is split over two: the signed high half, the unsigned low one.
        self._split = weight_bits > config.weight_bits

    def excess(self, weight: Integers) -> Floats:
        """Return for each output by how many times its sums exceed the accumulators; 1 or less
        fits.

        Parameters
        ----------
        weight : (out, weights) int64
            The weights, as ``FloatLayer.matrix`` has them.
        """
        low, high = signed_range(self._config.acc_bits)
        below, above, most = self._sums(weight)
        room = (1 << self._config.acc_bits) - 1
        over: Floats = np.maximum(np.maximum(below / low, above / high), most / room)
        return over

    def described(self, weight: Integers, output: int) -> str:
        """Return the sums of an output, and the room for them, in words."""
        bits = self._config.acc_bits
        low, high = signed_range(bits)
        below, above, most = (int(each[output]) for each in self._sums(weight))
        halves = ""
        if self._split:
            halves = (
                f" over the high halves of its weights and 0 to {most} over the low ones, which "
                f"may be {(1 << bits) - 1}"
            )
        if self._lines > 1:
            most = (self._lines + 1) // 2
            halves += f", with its inputs as lines of single bits, times 1 to {most}"
        return (
            f"the sums of output {output} reach {below} to {above}{halves}, accumulators of {bits} "
            f"bits hold {low} to {high}"
        )

    def _sums(self, weight: Integers) -> tuple[Integers, Integers, Integers]:
        """Return (out,) the lowest and highest sums, and the highest of the low halves."""
        if not self._split:
            below, above = self._bounds(weight, identity)
            return below, above, np.zeros_like(above)
        below, above = self._bounds(weight, high_half)
        return below, above, self._bounds(weight, low_half)[1]

    def _bounds(self, weight: Integers, transform: Transform) -> tuple[Integers, Integers]:
        outputs = len(weight)
        below, above = self._integer(weight).sum_bounds(self._layer.shape, transform)
        lines = self._lines
        return below.reshape(outputs, -1).min(1) * lines, above.reshape(outputs, -1).max(1) * lines

    def _integer(self, weight: Integers) -> Layer:
        """Return a layer with these weights; its neurons do not matter."""
        layer, inputs = self._layer, prod(self._layer.weight.shape[1:])
        own = weight[:, :inputs].reshape(layer.weight.shape)
        if layer.conv is not None:
            return replace(layer.conv, weight=own)
        back = weight[:, inputs:] if layer.cell.recurrent is not None else None
        return Dense(own, pool_before=layer.pool, recurrent=back, neuron=Neuron(threshold=1))


def weight_error(quantized: Quantized, matrix: Floats) -> float:
    """Return the root mean square of the rounding errors over that of the weights."""
    scale = quantized.scale
    size = float(np.sqrt((matrix**2).mean()))
    error = quantized.weight * (scale[:, None] if scale.ndim else scale) - matrix
    return float(np.sqrt((error**2).mean())) / size if size else 0.0


def array_fit(
    layer: FloatLayer, quantized: Quantized, limits: LayerLimits | StateLimits, zero: int
) -> ArrayFit | None:
    """Return what it cost to fit a layer to the limits; None if it fits as it is.

    ``zero`` is that of the layer's input.
    """
    free = quantized.free
    if free is None:
        return None
    ratio = np.broadcast_to(quantized.scale / free.scale, (len(layer.weight),))
    over = limits.excess(free.weight)
    folded = f", with the input's zero of {zero} folded in," if zero else ""
    reason = f"thresholds and biases{folded} in membranes of {limits.state_bits} bits"
    if (over > 1).any():
        reason = limits.described(free.weight, int(over.argmax()))
    return ArrayFit(
        factor=float(ratio.max()),
        changed=int((ratio != 1).sum()),
        of=len(ratio),
        weight_error=weight_error(free, layer.matrix),
        reason=reason,
    )
