"""Random networks over every setting of the numerics, and samples for them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import stablespike as ss
from stablespike.network import COMPARES, RESETS
from stablespike.network import RESET_TIMINGS as TIMINGS

READOUTS = ("counts", "words", "membrane")


def _leak(rng: np.random.Generator) -> ss.Leak:
    a, c = (
        None if rng.random() < 0.3 else int(rng.integers(0, 16 if rng.random() < 0.3 else 5))
        for _ in range(2)
    )
    may_add = a is not None and c is not None and c > a
    return ss.Leak(a, c, add=may_add and bool(rng.random() < 0.5))


def _leaks(rng: np.random.Generator, outputs: int, synapse: bool) -> tuple[Any, Any]:
    """Leaks of membrane and synaptic current: one for all, or for some layers two or three kinds of
    neurons."""
    several = rng.random() < 0.3
    kinds = [
        (_leak(rng), _leak(rng) if synapse else None)
        for _ in range(int(rng.integers(2, 4)) if several else 1)
    ]
    if not several:
        return kinds[0]
    kind = rng.integers(0, len(kinds), outputs)
    leak, synapse_leak = zip(*(kinds[i] for i in kind), strict=True)
    return leak, synapse_leak if synapse else None


def _scale(rng: np.random.Generator, highest: int) -> int:
    """The size of thresholds and biases: some always fire, some make membranes saturate."""
    return min(highest, int(rng.choice([8, 100, 1000, highest])))


def _neuron(rng: np.random.Generator, outputs: int, scale: int, synapse: bool) -> ss.Neuron:
    leak, synapse_leak = _leaks(rng, outputs, synapse and rng.random() < 0.3)
    return ss.Neuron(
        leak=leak,
        threshold=(
            rng.integers(1, scale + 1, outputs)
            if rng.random() < 0.7
            else int(rng.integers(1, scale + 1))
        ),
        reset=str(rng.choice(RESETS)),
        reset_timing=str(rng.choice(TIMINGS)),
        compare=str(rng.choice(COMPARES)),
        v_init=int(rng.integers(-scale - 1, scale + 1)),
        fires=bool(rng.random() < 0.9),
        synapse_leak=synapse_leak,
    )


def random_network(
    rng: np.random.Generator,
    *,
    weight_bits: int = 4,
    fraction_bits: int = 4,
    state_bits: int = 16,
    depth: tuple[int, int] = (1, 3),
    width: tuple[int, int] = (1, 40),
    pixel_bits: int = 8,
    synapse: bool = True,
    recurrent: bool = False,
) -> ss.Network:
    """A network of dense layers.

    Parameters
    ----------
    rng : Generator
        What all is drawn from.
    weight_bits, fraction_bits, state_bits : int
        As of the array.
    depth, width : tuple of int
        The least and the most layers, and outputs of a layer.
    pixel_bits : int
        The most bits of a pixel.
    synapse : bool
        Whether layers may have a synaptic current.
    recurrent : bool
        Whether layers may be recurrent.
    """
    layers, count = [], int(rng.integers(depth[0], depth[1] + 1))
    pooled = width[1] >= 8 and rng.random() < 0.25
    shape: tuple[int, ...] = (2, 5, 4) if pooled else (int(rng.integers(width[0], width[1] + 1)),)
    source: ss.SpikeInput | ss.PixelInput = ss.SpikeInput(shape)
    if rng.random() < 0.4:
        source = ss.PixelInput(shape, int(rng.integers(1, pixel_bits + 1)))
    inputs, highest = 8 if pooled else source.size, (1 << (state_bits - 1)) - 1
    for i in range(count):
        outputs = int(rng.integers(width[0], width[1] + 1))
        scale = _scale(rng, highest)
        neuron = _neuron(rng, outputs, scale, synapse)
        emit = str(rng.choice(("spikes", "skeleton")))
        if i == count - 2 and rng.random() < 0.4:
            emit = "both"
        low, high = -(1 << (weight_bits - 1)), 1 << (weight_bits - 1)
        own = recurrent and neuron.fires and rng.random() < 0.6
        layers.append(
            ss.Dense(
                rng.integers(low, high, (outputs, inputs)),
                rng.integers(-scale - 1, scale + 1, outputs) if rng.random() < 0.6 else None,
                neuron=neuron,
                pool_before=ss.SumPool2d(2) if pooled and i == 0 else None,
                emit=emit,
                recurrent=rng.integers(low, high, (outputs, outputs)) if own else None,
            )
        )
        inputs = outputs
    return ss.Network(source, layers, str(rng.choice(READOUTS)), weight_bits, fraction_bits)


def random_maps(
    rng: np.random.Generator,
    *,
    weight_bits: int = 4,
    fraction_bits: int = 4,
    state_bits: int = 16,
    pixel_bits: int = 8,
    synapse: bool = True,
    recurrent: bool = True,
    wide: bool = True,
) -> ss.Network:
    """A network of convolutions with pools of both kinds, then dense layers.

    Parameters
    ----------
    rng, weight_bits, fraction_bits, state_bits, pixel_bits, synapse
        As for ``random_network``.
    recurrent : bool
        Whether dense layers may be recurrent.
    wide : bool
        Whether layers may have weights of 8 bits beside those of ``weight_bits``.
    """
    shape = tuple(int(rng.integers(low, high)) for low, high in ((1, 4), (2, 9), (2, 9)))
    source: ss.SpikeInput | ss.PixelInput = ss.SpikeInput(shape)
    if rng.random() < 0.4:
        source = ss.PixelInput(shape, int(rng.integers(1, pixel_bits + 1)))
    layers: list[ss.Dense | ss.Conv2d] = []
    convolutions, dense = int(rng.integers(0, 3)), int(rng.integers(0, 3))
    count = max(1, convolutions + dense)
    for i in range(count):
        outputs = int(rng.integers(1, 6))
        bits = 8 if wide and rng.random() < 0.2 else None
        low, high = -(1 << ((bits or weight_bits) - 1)), 1 << ((bits or weight_bits) - 1)
        scale = _scale(rng, (1 << (state_bits - 1)) - 1)
        settings: dict[str, Any] = {
            "bias": rng.integers(-scale - 1, scale + 1, outputs) if rng.random() < 0.6 else None,
            "neuron": _neuron(rng, outputs, scale, synapse),
            "emit": str(rng.choice(("spikes", "skeleton"))),
            "weight_bits": bits,
        }
        if i == count - 2 and rng.random() < 0.4:
            settings["emit"] = "both"
        pooled = shape
        if len(shape) == 3 and min(shape[1:]) > 1 and rng.random() < 0.3:
            settings["pool_before"] = ss.SumPool2d(int(rng.integers(1, min(shape[1:]) + 1)))
            pooled = settings["pool_before"].output_shape(shape)
        if i >= convolutions:
            size = int(np.prod(pooled))
            if recurrent and settings["neuron"].fires and rng.random() < 0.5:
                settings["recurrent"] = rng.integers(low, high, (outputs, outputs))
            layers.append(ss.Dense(rng.integers(low, high, (outputs, size)), **settings))
        else:
            kernel = [int(k) for k in rng.choice((1, 2, 3, 3, 4, 5, 7), 2)]
            # So much padding that the kernel fits, but less than the kernel.
            padding = [
                int(rng.integers(max(0, -(-(k - size) // 2)), k))
                for k, size in zip(kernel, pooled[1:], strict=True)
            ]
            layer = ss.Conv2d(
                rng.integers(low, high, (outputs, pooled[0], *kernel)),
                stride=tuple(rng.integers(1, 4, 2).tolist()), padding=tuple(padding), **settings,
            )
            room = min(layer.neuron_shape(shape)[1:])
            if room > 1 and rng.random() < 0.5:
                after = ss.MaxPool2d(int(rng.integers(1, room + 1)))
                layer = dataclasses.replace(layer, pool_after=after)
            layers.append(layer)
        shape = layers[-1].output_shape(shape)
    return ss.Network(source, layers, str(rng.choice(READOUTS)), weight_bits, fraction_bits)


def with_frames(rng: np.random.Generator, network: ss.Network, most: int) -> ss.Network:
    """The network with frames of 1 to ``most`` bits for its input, some of them signed."""
    shape, bits = network.input.shape, int(rng.integers(1, most + 1))
    zero = int(rng.integers(0, 1 << bits)) if rng.random() < 0.5 else 0
    try:
        return dataclasses.replace(network, input=ss.FrameInput(shape, bits, zero))
    except ValueError:  # in front of a padded convolution, or beyond the width of a bias
        return dataclasses.replace(network, input=ss.FrameInput(shape, bits))


def random_samples(
    rng: np.random.Generator, network: ss.Network, batch: int, steps: int
) -> np.ndarray[Any, Any]:
    """A batch of samples for a network, which is silent, sparse, dense or full."""
    density = rng.choice([0, 0.05, 0.3, 1])
    if not isinstance(network.input, ss.SpikeInput):
        frames = (steps,) if isinstance(network.input, ss.FrameInput) else ()
        shape = (batch, *frames, *network.input.shape)
        return rng.integers(0, 1 << network.input.bits, shape) * (rng.random(shape) < density)
    return rng.random((batch, steps, *network.input.shape)) < density
