"""The preset ``icebreaker-recurrent``: random networks agree in plain integers, golden model and
simulated board, and the estimate is exact.

As in ``test_random``, a part with fixed seeds runs every time, and ``nox -s random500`` runs many
networks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import stablespike as ss
from agreement import agree
from random_networks import random_network, random_samples, with_frames
from stablespike.device.open import Device
from stablespike.golden.counters import source_words
from stablespike.timing.estimate import estimate

PRESET = "icebreaker-recurrent"
COUNT = int(os.environ.get("STABLESPIKE_RANDOM_NETWORKS", "0")) or 12


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    with ss.open_device(f"sim:{PRESET}") as device:
        yield device


@pytest.mark.parametrize("seed", range(COUNT))
def test_three_agree(device: Device, seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_network(
        rng, width=(1, 120) if seed % 4 == 0 else (1, 40), pixel_bits=4, synapse=False,
        recurrent=True,
    )
    if seed % 3 == 0:
        network = with_frames(rng, network, 4)
    steps = int(rng.integers(1, 14))
    program = ss.compile(network, PRESET, steps)
    agree(device, program, random_samples(rng, network, 3, steps), carry=seed % 5 == 0)


def layers_of(
    sizes: tuple[int, ...], source: ss.FrameInput | ss.SpikeInput, readout: str, recurrent: set[int]
) -> ss.Network:
    """Layers of those sizes, some of them recurrent."""
    rng = np.random.default_rng(1)
    return ss.Network(source, [
        ss.Dense(
            rng.integers(-3, 5, (outputs, inputs)),
            neuron=ss.Neuron(threshold=1200, leak=ss.Leak(3, None)),
            recurrent=rng.integers(-2, 3, (outputs, outputs)) if i in recurrent else None,
        )
        for i, (inputs, outputs) in enumerate(pairwise(sizes))
    ], readout)


@pytest.mark.parametrize(
    ("sizes", "recurrent", "frames"),
    [
        ((32, 128, 10), {0}, True),
        ((20, 40, 30, 5), {1}, False),
        ((20, 40, 17), {1}, False),
        ((33, 20), {0}, False),
    ],
)
@pytest.mark.parametrize("readout", ["counts", "membrane"])
def test_estimate_is_exact(
    device: Device, sizes: tuple[int, ...], recurrent: set[int], frames: bool, readout: str
) -> None:
    source = ss.FrameInput((sizes[0],), 4) if frames else ss.SpikeInput((sizes[0],))
    network = layers_of(sizes, source, readout, recurrent)
    last = len(network.layers) - 1
    if last in recurrent:
        # A last layer's own spikes are in no words that are read: this one is silent.
        quiet = ss.Dense(
            network.layers[-1].weight, neuron=ss.Neuron(threshold=32767),
            recurrent=network.layers[-1].recurrent,
        )
        network = ss.Network(source, [*network.layers[:-1], quiet], readout)
    program, rng = ss.compile(network, PRESET, 12), np.random.default_rng(2)
    samples = (
        rng.integers(0, 16, (4, 12, sizes[0])) if frames else rng.random((4, 12, sizes[0])) < 0.4
    )
    device.load(program)
    got = device.run(samples, trace=True)
    words = source_words(network, samples, got.trace, got.skeleton, program.config.window)
    estimated = estimate(program, words)
    device.load(program)
    cycles = device.run(samples).counters["cycles"]
    np.testing.assert_array_equal(estimated[1:], cycles[1:])
