"""Layers and neurons in words, for summaries."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..support.immutable import Shape
from .convolution import Conv2d
from .dense import Dense
from .leaks import Leak
from .neurons import Neuron

__all__ = ["LAYER_COLUMNS", "layer_row", "neuron_words", "size_words"]

LAYER_COLUMNS = ("layer", "kind", "shape", "weights", "neurons")
"""Columns of a table of layers."""


def size_words(shape: Shape) -> str:
    """A shape as ``1 x 28 x 28``."""
    return " x ".join(map(str, shape))


def layer_row(
    index: int, layer: Dense | Conv2d, shape: Shape, weight_bits: int, fraction_bits: int
) -> tuple[str, ...]:
    """The row of a layer in a table with ``LAYER_COLUMNS``.

    Parameters
    ----------
    index : int
        Index of the layer.
    layer : Dense or Conv2d
        The layer.
    shape : tuple of int
        Shape of its input, before pooling.
    weight_bits, fraction_bits : int
        Those of the layer and of its network.
    """
    words = []
    if layer.pool_before is not None:
        words.append(f"sum pool of {layer.pool_before.size} in front")
    words.append(neuron_words(layer.neuron, fraction_bits))
    if layer.emit != "spikes":
        words.append("emits " + {"both": "spikes and skeleton"}.get(layer.emit, layer.emit))
    if layer.pool_after is not None:
        words.append(f"OR pool of {layer.pool_after.size} behind")
    return (
        str(index), layer.describe(),
        f"{size_words(shape)} -> {size_words(layer.output_shape(shape))}",
        f"{layer.weight_count:,} of {weight_bits} bits", "; ".join(words),
    )


def neuron_words(neuron: Neuron, fraction_bits: int) -> str:
    """The settings of neurons in words.

    Parameters
    ----------
    neuron : Neuron
        The neurons of a layer.
    fraction_bits : int
        Fraction bits of the network: values are given in weight steps.
    """
    words, one = [], 1 << fraction_bits
    if neuron.synapse_leak is not None:
        words.append(f"synaptic current, {_leak_words('i', neuron.synapse_leak)}")
    words.append(_leak_words("v", neuron.leak))
    if neuron.v_init:
        words.append(f"starts at {neuron.v_init / one:.13g}")
    if neuron.threshold is None or not neuron.fires:
        return "; ".join([*words, "never fires"])
    low, high = np.min(neuron.threshold) / one, np.max(neuron.threshold) / one
    level = f"{low:.13g}" if low == high else f"{low:.13g} to {high:.13g}"
    words.append(f"fires {'at' if neuron.compare == 'ge' else 'above'} {level}")
    if neuron.reset == "none":
        return "; ".join([*words, "no reset"])
    does = "subtracts the threshold" if neuron.reset == "subtract" else "sets v to 0"
    return "; ".join([*words, f"a spike {does} in the {neuron.reset_timing.replace('_', ' ')}"])


def _leak_words(name: str, leak: Any) -> str:
    kinds = {leak} if isinstance(leak, Leak) else set(leak)
    if len(kinds) > 1:
        kept = [each.factor for each in kinds]
        return f"{len(kinds)} leaks, {name} keeps {min(kept):g} to {max(kept):g} of itself a step"
    terms = next(iter(kinds)).terms
    if not terms:
        return f"{name} has no leak"
    lost = "".join(f" {'-+'[sign > 0]} {name}/{1 << shift}" for sign, shift in terms)
    return f"{name} becomes {name}{lost} each step"
