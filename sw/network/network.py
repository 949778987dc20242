"""The network: integer layers as the numerics page defines them, checked when they are made.

All objects are immutable, and their arrays are read-only int64. ``compile`` checks the ranges that
depend on the array: membranes, accumulators, window and memory. A network refuses only what no
array could hold: biases and ``v_init`` outside 16 bits signed, thresholds outside 1 to 2**15 - 1,
and pixels wider than 16 bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod

import numpy as np
import numpy.typing as npt

from ..encoders import Encoder
from ..spec.array import LIMITS
from ..support.immutable import Equal, Shape, put
from ..support.summary import Summary
from ..support.values import exact_choice, exact_int
from .convolution import Conv2d
from .dense import Dense
from .fidelity import Fidelity
from .inputs import FrameInput, Input, PixelInput, SpikeInput
from .weights import checked_weight_bits
from .words import LAYER_COLUMNS, layer_row, size_words

__all__ = ["READOUTS", "Layer", "Network"]

READOUTS = ("counts", "words", "membrane")

Layer = Dense | Conv2d
"""Any layer of a network."""


@dataclass(frozen=True, eq=False, repr=False)
class Network(Equal):
    """A spiking network of integers: an input, layers and a readout.

    Parameters
    ----------
    input : SpikeInput, PixelInput or FrameInput
        What a sample is.
    layers : sequence of Dense and Conv2d
        At least one layer. ``emit="both"`` is allowed only on the layer before the last.
    readout : {"counts", "words", "membrane"}
        What a run returns. "counts" are the numbers of spikes, and "words" the spike words, that
        the last layer emits after pooling; "membrane" are its membranes after the last step.
    weight_bits : {4, 8}
        Width of the weights of layers that do not set their own.
    fraction_bits : int
        Fraction bits of membranes, biases and thresholds. The array's must be equal.
    encoder : Encoder, optional
        What turns a raw signal into samples of the input; ``run`` then takes the raw signal.
    fidelity : Fidelity, optional
        The report of the import that made the network. It does not count when networks are
        compared.

    Raises
    ------
    TypeError, ValueError
        Naming the argument (for a layer also its index), the value and what is allowed.
    """

    input: Input
    layers: tuple[Layer, ...]
    readout: str = "counts"
    weight_bits: int = 4
    fraction_bits: int = 4
    encoder: Encoder | None = field(default=None, kw_only=True)
    fidelity: Fidelity | None = field(default=None, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.input, (SpikeInput, PixelInput, FrameInput)):
            raise TypeError(
                f"input must be a SpikeInput, a PixelInput or a FrameInput, not {self.input!r}"
            )
        if not isinstance(self.layers, (tuple, list)) or not self.layers:
            raise TypeError(f"layers must be a list of at least one layer, not {self.layers!r}")
        exact_choice("readout", self.readout, READOUTS)
        if self.encoder is not None:
            if not isinstance(self.encoder, Encoder):
                raise TypeError(
                    f"encoder must be an encoder, such as a DeltaEncoder, not {self.encoder!r}"
                )
            self.encoder.check_input(self.input.kind, self.input.shape, self.input.bits)
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
            # Only the last layer can run twice, on the spikes and on the skeleton: a layer behind
            # it would have to choose between two results.
            if layer.emit == "both" and i != len(self.layers) - 2:
                raise ValueError(
                    f"layers[{i}].emit must be 'spikes' or 'skeleton': 'both' is for the layer "
                    f"before the last of the {len(self.layers)}"
                )
            try:
                shape = layer.output_shape(shape)
            except ValueError as error:
                raise ValueError(f"layers[{i}]: {error}") from None
        _ = self.without_zero  # refused here if the zero cannot be folded

    def __repr__(self) -> str:
        layers = ", ".join(layer.describe() for layer in self.layers)
        return f"<Network of {self.input.kind} {size_words(self.input.shape)}: {layers}>"

    def __str__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        """Layers with shapes, the settings of neurons in words, bits and parameters."""
        source, one = self.input, 1 << self.fraction_bits
        parameters = sum(layer.weight_count + layer.bias.size for layer in self.layers)
        bits = "" if source.kind == SpikeInput.kind else f" of {source.bits} bits"
        facts = {
            "input": f"{source.kind}{bits}, {size_words(source.shape)}"
            + (f", {source.zero} stands for 0" if source.zero else ""),
            "readout": f"{self.readout} of {self.outputs} outputs",
            "parameters": f"{parameters:,} weights and biases",
            "fraction bits": f"{self.fraction_bits}: thresholds and biases count in 1/{one} of a "
            "weight step",
        }
        if self.encoder is not None:
            facts["encoder"] = (
                f"{type(self.encoder).__name__} of a raw signal, {size_words(self.encoder.shape)}"
            )
        rows = tuple(
            layer_row(i, layer, shape, self.layer_weight_bits(i), self.fraction_bits)
            for i, (layer, shape) in enumerate(zip(self.layers, self.input_shapes, strict=True))
        )
        neurons = sum(map(prod, self.neuron_shapes))
        title = f"Network of {len(rows)} layer{'s'[:len(rows) > 1]}, {neurons:,} neurons"
        return Summary(title, facts, LAYER_COLUMNS, rows)

    @property
    def both(self) -> bool:
        """Whether the last layer runs twice: on the spikes and on the skeleton."""
        return len(self.layers) > 1 and self.layers[-2].emit == "both"

    @property
    def recurrent(self) -> bool:
        """Whether a layer reads its own spikes, which limits a window to one step."""
        return any(layer.recurrent is not None for layer in self.layers)

    @property
    def input_shapes(self) -> tuple[Shape, ...]:
        """Shapes of the layers' inputs, before pooling."""
        shapes = [self.input.shape]
        for layer in self.layers[:-1]:
            shapes.append(layer.output_shape(shapes[-1]))
        return tuple(shapes)

    @property
    def neuron_shapes(self) -> tuple[Shape, ...]:
        """Shapes of the layers' neurons, which traces have too."""
        pairs = zip(self.layers, self.input_shapes, strict=True)
        return tuple(layer.neuron_shape(shape) for layer, shape in pairs)

    @property
    def input_sizes(self) -> tuple[int, ...]:
        """Number of every layer's inputs, before pooling."""
        return tuple(prod(shape) for shape in self.input_shapes)

    @property
    def outputs(self) -> int:
        """Number of values of the readout: one per neuron for membranes, else one per pooled
        output."""
        last, shape = self.layers[-1], self.input_shapes[-1]
        membrane = self.readout == "membrane"
        return prod(last.neuron_shape(shape) if membrane else last.output_shape(shape))

    @cached_property
    def without_zero(self) -> Network:
        """The network with the input's ``zero`` folded into the biases of the first layer.

        ``b' = b - 2**F * zero * sum_j w_j``, where a weight counts once for each input it meets.
        """
        source, first = self.input, self.layers[0]
        if isinstance(source, SpikeInput) or not source.zero:
            return self
        if isinstance(first, Conv2d) and any(first.padding):
            raise ValueError(
                f"input.zero must be 0 in front of a padded convolution (layers[0] has padding "
                f"{first.padding}), not {source.zero}: zeros of the padding would count as "
                f"{-source.zero}; pad the samples with {source.zero} instead"
            )
        square = 1 if first.pool_before is None else first.pool_before.size**2
        sums = first.weight.reshape(first.channels, -1).sum(axis=1)
        bias = first.bias - (source.zero * square * sums << self.fraction_bits)
        try:
            folded = replace(first, bias=bias)
        except ValueError as error:
            raise ValueError(
                f"input.zero of {source.zero}, folded into the biases of layers[0]: {error}; "
                "fewer bits and a smaller zero, smaller weights, or a smaller fraction_bits help"
            ) from None
        return replace(self, input=replace(source, zero=0), layers=(folded, *self.layers[1:]))

    @cached_property
    def with_changing_pixels(self) -> Network:
        """The network whose pixels are frames, without an encoder; itself if it has no pixels."""
        source = self.input
        if not isinstance(source, PixelInput):
            return self
        frames = FrameInput(source.shape, source.bits, source.zero)
        return replace(self, input=frames, encoder=None)

    def window(self, longest: int) -> int:
        """Return the steps that an array of that window computes together.

        It is one with a recurrent layer, whose step needs the spikes of the one before, and with
        frames, whose bits take the place of the steps.

        Parameters
        ----------
        longest : int
            Longest window of the array.
        """
        return 1 if self.recurrent or self.input.kind == FrameInput.kind else longest

    def layer_weight_bits(self, index: int) -> int:
        """Return the weight width of a layer: its own, or the network's."""
        return self.layers[index].weight_bits or self.weight_bits

    def folded_weight(self, index: int) -> npt.NDArray[np.int64]:
        """Return (out, inputs) weights of a dense layer, on its input before pooling.

        Parameters
        ----------
        index : int
            Index of the layer.

        Raises
        ------
        TypeError
            If the layer is not a ``Dense``.
        """
        layer = self.layers[index]
        if not isinstance(layer, Dense):
            raise TypeError(f"{self.layer_name(index)} must be a Dense to be one matrix")
        return layer.folded_weight(self.input_shapes[index])

    def layer_name(self, index: int) -> str:
        """Return the name of a layer in messages: its index, kind and size."""
        return f"layers[{index}] ({self.layers[index].describe()})"
