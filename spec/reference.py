"""The numerics in plain Python integers: slow, and meant to be read beside the numerics page.

A map is a flat list in C order, a word an int (bit 0 the earliest step), a network anything with
the attributes of ``stablespike.Network``. Nothing here wraps: Python's ``>>`` is the floor shift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from .array import ArrayConfig

__all__ = [
    "LayerState", "ReferenceResult", "clamp", "conv_shape", "current", "fields", "neuron_step",
    "or_pool", "run", "skeleton", "sum_pool",
]


@dataclass
class LayerState:
    """What a layer carries from one window to the next, an entry per neuron."""

    v: list[int]
    r: list[int]
    q: list[int]

    @classmethod
    def fresh(cls, neurons: int, v_init: int) -> LayerState:
        """State at the start of a sample."""
        return cls([v_init] * neurons, [0] * neurons, [0] * neurons)

    def copy(self) -> LayerState:
        return LayerState(list(self.v), list(self.r), list(self.q))


@dataclass
class ReferenceResult:
    """One sample's results.

    ``words[layer][window][neuron]`` and ``skeleton_words`` are spike words, ``spikes[layer][step]
    [neuron]`` and ``skeleton`` the same step by step: all of s and k, before emission and pooling,
    and with ``emit="both"`` of the run on the spikes. With a recurrent layer every window is one
    step. ``readout`` is a list of ints per output, of lists of words (of T steps, whatever the
    windows) for "words". ``state`` has an entry per layer, and with "both" one more for the last
    layer's run on the skeleton.
    """

    words: list[list[list[int]]] = field(default_factory=list)
    skeleton_words: list[list[list[int]]] = field(default_factory=list)
    spikes: list[list[list[int]]] = field(default_factory=list)
    skeleton: list[list[list[int]]] = field(default_factory=list)
    readout: list[Any] = field(default_factory=list)
    readout_skeleton: list[Any] | None = None
    state: list[LayerState] = field(default_factory=list)


def clamp(value: int, bits: int) -> int:
    """The nearest signed number of ``bits`` bits."""
    high = (1 << (bits - 1)) - 1
    return max(-high - 1, min(high, value))


def current(weights: Sequence[int], values: Sequence[int], bias: int, fraction_bits: int) -> int:
    """I = b + 2**F * sum_j w[j] * x[j]; x are the inputs' bits of one step, or pixels."""
    total = sum(w * x for w, x in zip(weights, values, strict=True) if x)
    return bias + (1 << fraction_bits) * total


def sum_pool(values: Sequence[int], shape: Sequence[int], size: int) -> list[int]:
    """Sums over size x size squares of a (channels, height, width) map; odd edges are dropped."""
    channels, height, width = shape
    return [
        sum(
            values[(c * height + y * size + dy) * width + x * size + dx]
            for dy in range(size)
            for dx in range(size)
        )
        for c in range(channels)
        for y in range(height // size)
        for x in range(width // size)
    ]


def conv_shape(
    shape: Sequence[int], kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int]
) -> tuple[int, int]:
    """Height and width of the positions a kernel takes on a (channels, height, width) map."""
    rows, columns = (
        (size + 2 * p - k) // s + 1
        for size, k, s, p in zip(shape[1:], kernel, stride, padding, strict=True)
    )
    return rows, columns


def fields(
    values: Sequence[int],
    shape: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
) -> list[list[int]]:
    """The receptive field of every position, row by row: its values in the order of the weights of
    one output (channel, kernel row, kernel column), 0 outside of the map."""
    channels, height, width = shape
    rows, columns = conv_shape(shape, kernel, stride, padding)
    found = []
    for top in range(-padding[0], rows * stride[0] - padding[0], stride[0]):
        for left in range(-padding[1], columns * stride[1] - padding[1], stride[1]):
            found.append([
                values[(c * height + y) * width + x] if 0 <= y < height and 0 <= x < width else 0
                for c in range(channels)
                for y in range(top, top + kernel[0])
                for x in range(left, left + kernel[1])
            ])
    return found


def neuron_step(
    neuron: Any, theta: int, v: int, r: int, q: int, i: int, state_bits: int
) -> tuple[int, int, int]:
    """One neuron, one step: the new (v, s, q) from v, the spike before r, q, and the current i."""
    if neuron.synapse_leak is not None:
        a, c = neuron.synapse_leak
        leaked = q - (0 if a is None else q >> a) - (0 if c is None else q >> c)
        i = q = clamp(leaked + i, state_bits)
    a, c = neuron.leak
    d = v - (0 if a is None else v >> a) - (0 if c is None else v >> c)
    if neuron.reset == "subtract" and neuron.reset_timing == "next_step":
        d = d - r * theta
    u = clamp(d + i, state_bits)
    s = int(neuron.fires and (u >= theta if neuron.compare == "ge" else u > theta))
    if s and neuron.reset == "zero":
        return 0, s, q
    if s and neuron.reset == "subtract" and neuron.reset_timing == "same_step":
        return u - theta, s, q
    return u, s, q


def skeleton(word: int, before: int) -> int:
    """k[t] = s[t] & s[t-1] of a spike word; ``before`` is s[-1]."""
    return word & (word << 1 | before)


def or_pool(words: Sequence[int], shape: Sequence[int], size: int) -> list[int]:
    """Max pooling of spikes: the OR of words over size x size squares; odd edges are dropped."""
    channels, height, width = shape
    pooled = []
    for c in range(channels):
        for y in range(height // size):
            for x in range(width // size):
                word = 0
                for dy in range(size):
                    for dx in range(size):
                        word |= words[(c * height + y * size + dy) * width + x * size + dx]
                pooled.append(word)
    return pooled


def _layer_shapes(layer: Any, shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape of a layer's neurons, and of what it hands on, for an input of that shape."""
    if layer.kind == "dense":
        return (len(layer.bias),), (len(layer.bias),)
    pooled = _pooled_shape(shape, layer.pool_before)
    kernel = layer.weight.shape[2:]
    neurons = (len(layer.bias), *conv_shape(pooled, kernel, layer.stride, layer.padding))
    return neurons, _pooled_shape(neurons, layer.pool_after)


def _pooled_shape(shape: Sequence[int], pool: Any) -> tuple[int, ...]:
    if pool is None:
        return tuple(shape)
    channels, height, width = shape
    return channels, height // pool.size, width // pool.size


def _layer_window(
    layer: Any,
    shape: Sequence[int],
    inputs: list[list[int]],
    state: LayerState,
    fraction_bits: int,
    state_bits: int,
) -> tuple[list[int], list[int]]:
    """Spike and skeleton words of a window; ``inputs[t]`` are the values of step t."""
    weights = layer.weight.reshape(len(layer.bias), -1).tolist()
    recurrent = None if layer.recurrent is None else layer.recurrent.tolist()
    bias, theta = layer.bias.tolist(), layer.threshold.tolist()
    words, before = [0] * len(state.v), list(state.r)
    pooled = _pooled_shape(shape, layer.pool_before)
    for t, values in enumerate(inputs):
        if layer.pool_before is not None:
            values = sum_pool(values, shape, layer.pool_before.size)
        # What each neuron of a channel meets; a dense layer is one position that meets it all.
        met = [values]
        if layer.kind == "conv2d":
            met = fields(values, pooled, layer.weight.shape[2:], layer.stride, layer.padding)
        last = list(state.r)
        for n in range(len(state.v)):
            channel, position = divmod(n, len(met))
            i = current(weights[channel], met[position], bias[channel], fraction_bits)
            if recurrent is not None:
                i = current(recurrent[n], last, i, fraction_bits)
            state.v[n], state.r[n], state.q[n] = neuron_step(
                layer.neuron, theta[channel], state.v[n], state.r[n], state.q[n], i, state_bits
            )
            words[n] |= state.r[n] << t
    return words, [skeleton(word, r) for word, r in zip(words, before, strict=True)]


def _bits(words: list[int], steps: int) -> list[list[int]]:
    return [[word >> t & 1 for word in words] for t in range(steps)]


def run(
    network: Any,
    sample: Any,
    steps: int,
    window: int,
    carry: Sequence[LayerState] | None = None,
    state_bits: int = ArrayConfig.state_bits,
) -> ReferenceResult:
    """One sample through a network, window by window, layer by layer.

    The order in a layer is: sum pool, pad, convolve or multiply, neuron, AND, OR pool.

    Parameters
    ----------
    network : a ``stablespike.Network``, or anything with its attributes.
    sample : (steps, *shape) zeros and ones, or (*shape) pixels.
    steps : N, steps of the sample.
    window : T, steps of all windows but the last; with a recurrent layer windows have 1 step.
    carry : ``state`` of an earlier result, to go on from; None starts afresh.
    state_bits : V, width of membrane and synaptic current.
    """
    layers, last = list(network.layers), len(network.layers) - 1
    pixels = network.input.kind == "pixels"
    both = last > 0 and layers[last - 1].emit == "both"
    flat = np.asarray(sample).astype(int).reshape(1 if pixels else steps, -1).tolist()
    length = 1 if any(layer.recurrent is not None for layer in layers) else window
    shapes = [tuple(network.input.shape)]
    neurons: list[tuple[int, ...]] = []
    for layer in layers:
        made, handed_on = _layer_shapes(layer, shapes[-1])
        neurons.append(made)
        shapes.append(handed_on)
    # The layers that run, with the layer each stands for: the last one twice with "both".
    runs = [*layers, layers[last]] if both else layers
    if carry is None:
        state = [
            LayerState.fresh(prod(neurons[min(i, last)]), layer.neuron.v_init)
            for i, layer in enumerate(runs)
        ]
    else:
        state = [entry.copy() for entry in carry]
    result = ReferenceResult(
        words=[[] for _ in layers],
        skeleton_words=[[] for _ in layers],
        spikes=[[] for _ in layers],
        skeleton=[[] for _ in layers],
        state=state,
    )
    emitted: list[list[list[int]]] = [[] for _ in runs]  # of the runs that are read: by step

    for first in range(0, steps, length):
        n = min(length, steps - first)
        inputs: list[list[int]] = flat * n if pixels else flat[first : first + n]
        inputs_skeleton: list[list[int]] = []
        for i, layer in enumerate(runs):
            branch, place = i > last, min(i, last)
            words, stable = _layer_window(
                layer,
                shapes[place],
                inputs_skeleton if branch else inputs,
                state[i],
                network.fraction_bits,
                state_bits,
            )
            handed = {
                emit: _bits(_pooled(each, neurons[place], layer.pool_after), n)
                for emit, each in (("spikes", words), ("skeleton", stable))
            }
            if i >= last:
                emitted[i] += handed["skeleton" if layer.emit == "skeleton" else "spikes"]
            if not branch:
                result.words[i].append(words)
                result.skeleton_words[i].append(stable)
                result.spikes[i] += _bits(words, n)
                result.skeleton[i] += _bits(stable, n)
            if i < last:
                inputs_skeleton = handed["skeleton"]
                inputs = handed["skeleton" if layer.emit == "skeleton" else "spikes"]

    result.readout = _readout(network.readout, emitted[last], state[last], window)
    if both:
        result.readout_skeleton = _readout(network.readout, emitted[-1], state[-1], window)
    return result


def _pooled(words: list[int], shape: Sequence[int], pool: Any) -> list[int]:
    return words if pool is None else or_pool(words, shape, pool.size)


def _readout(kind: str, steps: list[list[int]], state: LayerState, window: int) -> list[Any]:
    if kind == "membrane":
        return list(state.v)
    by_neuron = list(zip(*steps, strict=True))
    if kind == "counts":
        return [sum(bits) for bits in by_neuron]
    return [
        [
            sum(bit << t for t, bit in enumerate(bits[first : first + window]))
            for first in range(0, len(bits), window)
        ]
        for bits in by_neuron
    ]
