"""The cycle estimate of networks with maps, compared with the simulated board."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import stablespike as ss
from stablespike.device.open import Device
from stablespike.golden.counters import source_words
from stablespike.timing.estimate import estimate
from test_random_maps import ARRAYS


@pytest.fixture(scope="module", params=ARRAYS)
def board(request: pytest.FixtureRequest) -> Iterator[Device]:
    with ss.open_device("sim:", array=ARRAYS[request.param]) as device:
        yield device


def network_of(kind: str, rng: np.random.Generator) -> ss.Network:
    def weights(*shape: int) -> np.ndarray:
        return rng.integers(-7, 8, shape)

    neurons = [ss.Neuron(threshold=16 * each) for each in (25, 40, 50)]
    if kind == "several leaks":
        neurons = [
            replace(neuron, leak=[(6 + n % 3, None) for n in range(outputs)])
            for neuron, outputs in zip(neurons, (8, 16, 10), strict=True)
        ]
    if kind != "strided":
        layers: list[ss.Conv2d | ss.Dense] = [
            ss.Conv2d(weights(8, 1, 5, 5), padding=2, neuron=neurons[0],
                      pool_after=ss.MaxPool2d(2)),
            ss.Conv2d(weights(16, 8, 3, 3), padding=1, neuron=neurons[1],
                      pool_after=ss.MaxPool2d(2)),
            ss.Dense(weights(10, 64), neuron=neurons[2]),
        ]
        return ss.Network(ss.PixelInput((1, 8, 8), 4), layers, "membrane")
    layers = [
        ss.Conv2d(weights(12, 2, 3, 3), stride=2, padding=1, neuron=neurons[0]),
        ss.Conv2d(weights(12, 12, 3, 3), padding=1, neuron=neurons[1]),
        ss.Dense(weights(10, 300), neuron=neurons[2]),
    ]
    return ss.Network(ss.PixelInput((2, 10, 10), 4), layers, "counts")


@pytest.mark.parametrize("steps", [4, 10])
@pytest.mark.parametrize("kind", ["pooled", "strided", "several leaks"])
def test_within_three_percent(board: Device, kind: str, steps: int) -> None:
    rng = np.random.default_rng(1)
    network, config = network_of(kind, rng), board.config
    program = ss.compile(network, config, steps)
    shape = (8, *network.input.shape)
    samples = rng.integers(1, 16, shape) * (rng.random(shape) < 0.5)
    board.load(program)
    cycles = board.run(samples).counters["cycles"][1:]
    golden = ss.Golden(network).run(samples, steps, trace=True)
    words = source_words(network, samples, golden.spikes, golden.skeleton, config.window)
    assert (abs(estimate(program, words)[1:] / cycles - 1) < 0.03).all()
