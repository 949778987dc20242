"""The network: integer layers exactly as the numerics page defines them, checked when made.

All objects are immutable, and their arrays are read-only int64. Ranges that depend on the array
(membrane width, accumulators, window, memory) are checked by ``compile``; here only what no array
could hold is refused: biases and ``v_init`` outside 16 bits signed, thresholds outside
1 .. 2**15 - 1, pixels wider than 16 bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

import numpy as np
import numpy.typing as npt

from ..spec.array import LIMITS
from ..support.immutable import Equal, Shape, put
from ..support.values import exact_choice, exact_int
from .convolution import Conv2d
from .dense import Dense
from .fidelity import Fidelity
from .inputs import PixelInput, SpikeInput
from .weights import checked_weight_bits

__all__ = ["READOUTS", "Layer", "Network"]

READOUTS = ("counts", "words", "membrane")

Layer = Dense | Conv2d
"""Any layer of a network."""


@dataclass(frozen=True, eq=False)
class Network(Equal):
    """Layers from an input to a readout.

    Parameters
    ----------
    input : ``SpikeInput`` or ``PixelInput``.
    layers : at least one layer; ``emit="both"`` only on the layer before the last.
    readout : "counts" (spikes per neuron), "words" (spike words), both of what the last layer
        emits after pooling, or "membrane" (v of its neurons after the last step).
    weight_bits : 4 or 8, of layers that name none.
    fraction_bits : F, fraction bits of membranes, biases and thresholds; the array's must be equal.
    fidelity : the report of the import that made it, or None; files do not keep it.

    Raises
    ------
    TypeError, ValueError
        Naming the argument (for a layer: its place), the value and what is allowed.
    """

    input: SpikeInput | PixelInput
    layers: tuple[Layer, ...]
    readout: str = "counts"
    weight_bits: int = 4
    fraction_bits: int = 4
    fidelity: Fidelity | None = field(default=None, compare=False, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.input, (SpikeInput, PixelInput)):
            raise TypeError(f"input must be a SpikeInput or a PixelInput, not {self.input!r}")
        if not isinstance(self.layers, (tuple, list)) or not self.layers:
            raise TypeError(f"layers must be a list of at least one layer, not {self.layers!r}")
        exact_choice("readout", self.readout, READOUTS)
        put(
            self,
            layers=tuple(self.layers),
            weight_bits=checked_weight_bits("weight_bits", self.weight_bits),
            fraction_bits=exact_int("fraction_bits", self.fraction_bits, *LIMITS["fraction_bits"]),
        )
        shape = self.input.shape
        for i, layer in enumerate(self.layers):
            if not isinstance(layer, (Dense, Conv2d)):
                raise TypeError(f"layers[{i}] must be a Dense or a Conv2d, not {layer!r}")
            if layer.weight_bits is None:
                layer.check_weights(f"layers[{i}].", self.weight_bits)
            if layer.emit == "both" and i != len(self.layers) - 2:
                raise ValueError(
                    f"layers[{i}].emit must be 'spikes' or 'skeleton': 'both' is for the layer "
                    f"before the last of the {len(self.layers)}"
                )
            try:
                shape = layer.output_shape(shape)
            except ValueError as error:
                raise ValueError(f"layers[{i}]: {error}") from None

    @property
    def both(self) -> bool:
        """Whether the last layer runs twice, on spikes and on the skeleton."""
        return len(self.layers) > 1 and self.layers[-2].emit == "both"

    @property
    def recurrent(self) -> bool:
        """Whether a layer is, so that windows have one step."""
        return any(layer.recurrent is not None for layer in self.layers)

    @property
    def input_shapes(self) -> tuple[Shape, ...]:
        """Shape of every layer's input, before pooling."""
        shapes = [self.input.shape]
        for layer in self.layers[:-1]:
            shapes.append(layer.output_shape(shapes[-1]))
        return tuple(shapes)

    @property
    def neuron_shapes(self) -> tuple[Shape, ...]:
        """Shape of every layer's neurons, as traces have it."""
        pairs = zip(self.layers, self.input_shapes, strict=True)
        return tuple(layer.neuron_shape(shape) for layer, shape in pairs)

    @property
    def input_sizes(self) -> tuple[int, ...]:
        """Source words of every layer, before pooling."""
        return tuple(prod(shape) for shape in self.input_shapes)

    @property
    def outputs(self) -> int:
        """Values of the readout: neurons for membranes, else what is left of them after pooling."""
        last, shape = self.layers[-1], self.input_shapes[-1]
        membrane = self.readout == "membrane"
        return prod(last.neuron_shape(shape) if membrane else last.output_shape(shape))

    def window(self, longest: int) -> int:
        """Steps computed together on an array of that window: one with a recurrent layer."""
        return 1 if self.recurrent else longest

    def layer_weight_bits(self, index: int) -> int:
        """Weight width of a layer: its own, or the network's."""
        return self.layers[index].weight_bits or self.weight_bits

    def folded_weight(self, index: int) -> npt.NDArray[np.int64]:
        """(out, flat inputs) weights of a dense layer with its pooling folded in.

        Raises
        ------
        TypeError
            If the layer is none.
        """
        layer = self.layers[index]
        if not isinstance(layer, Dense):
            raise TypeError(f"{self.layer_name(index)} must be a Dense to be one matrix")
        return layer.folded_weight(self.input_shapes[index])

    def layer_name(self, index: int) -> str:
        """How messages call a layer: its place, kind and size."""
        return f"layers[{index}] ({self.layers[index].describe()})"
