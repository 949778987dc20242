"""Programs and samples for tests of devices."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import stablespike as ss
from stablespike.device.open import GoldenDevice, open_device
from stablespike.spec.array import ArrayConfig

ARRAY = ArrayConfig(cores=2, lanes=4, window=4, weight_bits=4, result_bytes=2048)


def small(
    readout: str = "counts", emit: str = "spikes", outputs: int = 5, pixels: bool = False
) -> ss.Network:
    rng = np.random.default_rng(7)
    source = ss.PixelInput((9,), 4) if pixels else ss.SpikeInput((9,))
    sizes = [source.size, 11, outputs]
    layers = []
    for i, (inputs, count) in enumerate(pairwise(sizes)):
        neuron = ss.Neuron(leak=(2, None), threshold=120, v_init=3)
        layers.append(
            ss.Dense(
                rng.integers(-6, 8, (count, inputs)), rng.integers(-20, 60, count), neuron=neuron,
                emit=emit if i == 0 else "spikes",
            )
        )
    return ss.Network(source, layers, readout, 4, 4)


def spikes(batch: int = 3, steps: int = 6, seed: int = 1, density: float = 0.4) -> Any:
    return np.random.default_rng(seed).random((batch, steps, 9)) < density


def program_of(network: ss.Network, steps: int = 6, array: Any = ARRAY) -> ss.Program:
    return ss.compile(network, array=array, steps=steps)


def golden(program: ss.Program) -> GoldenDevice:
    device = open_device("golden:")
    assert isinstance(device, GoldenDevice)
    device.load(program)
    return device
