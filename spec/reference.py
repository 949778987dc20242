"""The numerics in plain Python integers: slow, and meant to be read beside the numerics page.

A map is a flat list in C order, a word is an int (bit 0 is the earliest step), and a network is
anything with the attributes of ``stablespike.Network``. Nothing here wraps: Python's integers are
unbounded, and its ``>>`` is the floor shift.
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
    """The state that a layer carries from one window to the next.

    Attributes
    ----------
    v, r, q : list of int
        Per neuron, its membrane, its spike in the last step, and its synaptic current.
    """

    v: list[int]
    r: list[int]
    q: list[int]

    @classmethod
    def fresh(cls, neurons: int, v_init: int) -> LayerState:
        """State at the start of a sample."""
        return cls([v_init] * neurons, [0] * neurons, [0] * neurons)

    def copy(self) -> LayerState:
        """A copy that does not change with this one."""
        return LayerState(list(self.v), list(self.r), list(self.q))


@dataclass
class ReferenceResult:
    """One sample's results.

    Spikes s and their skeleton k are taken before emission and pooling. If the layer in front of
    the last one has ``emit="both"``, those of the last layer are from its run on the spikes.

    Attributes
    ----------
    words, skeleton_words : list
        ``words[layer][window][neuron]``: spike words of s, and of k. With a recurrent layer in the
        network, or with frames, every window has one step.
    spikes, skeleton : list
        ``spikes[layer][step][neuron]``: s and k, step by step.
    readout : list
        Per output an int; for the readout "words", a list of words of T steps each, even if windows
        are shorter.
    readout_skeleton : list or None
        The same for the run on the skeleton; None without ``emit="both"``.
    state : list of LayerState
        Per layer, and with "both" one more for the last layer's run on the skeleton.
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
    """I = b + 2**F * sum_j w[j] * x[j], where x are the inputs' bits in one step, or pixels."""
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
    """Rows and columns of the positions that a kernel takes on a (channels, height, width) map."""
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
    """The receptive field of every position, row by row: its values in the order of one output's
    weights (channel, kernel row, kernel column), 0 outside of the map."""
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


def _leaked(value: int, leak: Any) -> int:
    """A membrane or synaptic current without what it loses in a step.

    Parameters
    ----------
    value : int
        The state.
    leak : Leak
        The two shifts.
    """
    a, c = leak
    first = 0 if a is None else value >> a
    second = 0 if c is None else value >> c
    return value - first + second if leak.add else value - first - second


def neuron_step(
    neuron: Any, theta: int, v: int, r: int, q: int, i: int, state_bits: int
) -> tuple[int, int, int]:
    """One step of one neuron.

    Parameters
    ----------
    neuron : Neuron
        The settings of the neuron, with one leak.
    theta : int
        The neuron's threshold.
    v, r, q : int
        Its membrane, its spike in the step before, and its synaptic current.
    i : int
        The current of the step.
    state_bits : int
        V, the width of membrane and synaptic current.

    Returns
    -------
    v, s, q : int
        The new membrane, the spike of the step, and the new synaptic current.
    """
    if neuron.synapse_leak is not None:
        i = q = clamp(_leaked(q, neuron.synapse_leak) + i, state_bits)
    d = _leaked(v, neuron.leak)
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

    def pooled(first: int) -> int:
        word = 0
        for dy in range(size):
            for at in range(first + dy * width, first + dy * width + size):
                word |= words[at]
        return word

    return [
        pooled((c * height + y * size) * width + x * size)
        for c in range(channels)
        for y in range(height // size)
        for x in range(width // size)
    ]


@dataclass(frozen=True)
class _Run:
    """A run of a layer. If the layer in front has ``emit="both"``, the last layer runs ``again``,
    on the skeleton. ``shape`` is the shape of its input, ``neurons`` that of its neurons."""

    layer: Any
    shape: tuple[int, ...]
    neurons: tuple[int, ...]
    again: bool = False

    def output(self, words: list[int], steps: int) -> list[list[int]]:
        """The pooled output of the layer for these words, step by step."""
        pool = self.layer.pool_after
        return _bits(words if pool is None else or_pool(words, self.neurons, pool.size), steps)


def _runs(network: Any) -> list[_Run]:
    """The runs of a network's layers, in order."""
    runs: list[_Run] = []
    shape = tuple(network.input.shape)
    for layer in network.layers:
        neurons: tuple[int, ...] = (len(layer.bias),)
        if layer.kind == "conv2d":
            pooled = _pooled_shape(shape, layer.pool_before)
            kernel = layer.weight.shape[2:]
            neurons = (*neurons, *conv_shape(pooled, kernel, layer.stride, layer.padding))
        runs.append(_Run(layer, shape, neurons))
        shape = _pooled_shape(neurons, layer.pool_after)
    if len(runs) > 1 and runs[-2].layer.emit == "both":
        last = runs[-1]
        runs.append(_Run(last.layer, last.shape, last.neurons, again=True))
    return runs


def _pooled_shape(shape: Sequence[int], pool: Any) -> tuple[int, ...]:
    if pool is None:
        return tuple(shape)
    channels, height, width = shape
    return channels, height // pool.size, width // pool.size


def _layer_window(
    run: _Run, inputs: list[list[int]], state: LayerState, fraction_bits: int, state_bits: int
) -> tuple[list[int], list[int]]:
    """Spike and skeleton words of a window; ``inputs[t]`` are the values of step t."""
    layer, shape = run.layer, run.shape
    weights = layer.weight.reshape(len(layer.bias), -1).tolist()
    recurrent = None if layer.recurrent is None else layer.recurrent.tolist()
    bias, theta = layer.bias.tolist(), layer.threshold.tolist()
    kinds, kind = layer.neuron.kinds(len(bias))
    words, before = [0] * len(state.v), list(state.r)
    pooled = _pooled_shape(shape, layer.pool_before)
    for t, values in enumerate(inputs):
        if layer.pool_before is not None:
            values = sum_pool(values, shape, layer.pool_before.size)
        # A dense layer is a single position, whose receptive field is everything.
        receptive = [values]
        if layer.kind == "conv2d":
            receptive = fields(
                values, pooled, layer.weight.shape[2:], layer.stride, layer.padding
            )
        last = list(state.r)
        for n in range(len(state.v)):
            channel, position = divmod(n, len(receptive))
            i = current(weights[channel], receptive[position], bias[channel], fraction_bits)
            if recurrent is not None:
                i = current(recurrent[n], last, i, fraction_bits)
            state.v[n], state.r[n], state.q[n] = neuron_step(
                kinds[kind[channel]], theta[channel], state.v[n], state.r[n], state.q[n], i,
                state_bits,
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
    network : Network
        A ``stablespike.Network``, or anything with its attributes.
    sample : array_like
        Zeros and ones, or frames, of the shape ``(steps, *shape)``, or pixels of the input's shape.
    steps : int
        N, the steps of the sample.
    window : int
        T, the steps of all windows but the last; with a recurrent layer or frames, windows have one
        step.
    carry : sequence of LayerState or None
        ``state`` of an earlier result to continue from; None starts afresh.
    state_bits : int
        V, the width of membrane and synaptic current.
    """
    runs, last = _runs(network), len(network.layers) - 1
    recurrent = any(layer.recurrent is not None for layer in network.layers)
    length = 1 if recurrent or network.input.kind == "frames" else window
    pixels = network.input.kind == "pixels"
    values = np.asarray(sample).astype(int) - network.input.zero
    flat = values.reshape(1 if pixels else steps, -1).tolist()
    layers = range(last + 1)
    result = ReferenceResult(
        words=[[] for _ in layers],
        skeleton_words=[[] for _ in layers],
        spikes=[[] for _ in layers],
        skeleton=[[] for _ in layers],
        state=[LayerState.fresh(prod(run.neurons), run.layer.neuron.v_init) for run in runs],
    )
    if carry is not None:
        result.state = [entry.copy() for entry in carry]
    emitted: list[list[list[int]]] = [[] for _ in runs]  # per run and step

    for first in range(0, steps, length):
        n = min(length, steps - first)
        inputs: list[list[int]] = flat * n if pixels else flat[first : first + n]
        inputs_skeleton: list[list[int]] = []
        for i, run in enumerate(runs):
            words, stable = _layer_window(
                run, inputs_skeleton if run.again else inputs, result.state[i],
                network.fraction_bits, state_bits,
            )
            output = run.output(stable if run.layer.emit == "skeleton" else words, n)
            emitted[i] += output
            if i < last:
                inputs, inputs_skeleton = output, run.output(stable, n)
            if not run.again:
                result.words[i].append(words)
                result.skeleton_words[i].append(stable)
                result.spikes[i] += _bits(words, n)
                result.skeleton[i] += _bits(stable, n)

    result.readout = _readout(network.readout, emitted[last], result.state[last], window)
    if runs[-1].again:
        result.readout_skeleton = _readout(
            network.readout, emitted[-1], result.state[-1], window
        )
    return result


def _readout(kind: str, steps: list[list[int]], state: LayerState, window: int) -> list[Any]:
    """The readout of a layer, from what it emitted step by step and its final state."""
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
