"""Random networks with frames of 1 to 8 bits, dense, convolutional and recurrent, on arrays with
windows of 1 to 16 steps: plain integers, golden model and simulated board agree.

As in ``test_random``, a part with fixed seeds runs every time, and ``nox -s random500`` runs many
networks on all arrays.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator

import numpy as np
import pytest
import stablespike as ss
from agreement import agree
from random_networks import random_maps, random_network, random_samples, with_frames
from stablespike.device.open import Device
from stablespike.device.verify import compare
from stablespike.spec import reference

SMALL = {
    "weight_rows": 32768, "spike_rows": 1024, "neuron_groups": 256, "state_groups": 1024,
    "tasks": 16, "acc_bits": 20,
}
ALL = {**SMALL, "convolution": True, "recurrence": True}
ARRAYS = {
    "1x8 T1, wide weights": ss.ArrayConfig(lanes=8, window=1, wide_weights=True, **ALL),
    "2x4 T8 R2, 8 bits": ss.ArrayConfig(
        cores=2, lanes=4, window=8, neuron_steps=2, weight_bits=8, **ALL
    ),
    "1x4 T4, 4 planes": ss.ArrayConfig(lanes=4, planes=4, **SMALL),
}
MORE = {
    "1x16 T4, dense": ss.ArrayConfig(**SMALL),
    "2x8 T2, 8 planes, chains of 4": ss.ArrayConfig(
        cores=2, lanes=8, window=2, chain=4, planes=8, **SMALL
    ),
    "1x8 T2, 8 bits": ss.ArrayConfig(lanes=8, window=2, weight_bits=8, **ALL),
    "3x8 T4 R4, wide weights, chains of 4, 2 beats": ss.ArrayConfig(
        cores=3, lanes=8, neuron_steps=4, chain=4, row_beats=2, wide_weights=True, **ALL
    ),
    "1x4 T16 R4": ss.ArrayConfig(lanes=4, window=16, neuron_steps=4, **ALL),
}
EVERY = int(os.environ.get("STABLESPIKE_RANDOM_NETWORKS", "0"))
COUNT = EVERY or 12
CASES = {**ARRAYS, **MORE} if EVERY else ARRAYS
BITS_HIGH = 8


@pytest.fixture(scope="module", params=CASES)
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    with ss.open_device("sim:", array=CASES[request.param]) as device:
        yield device


def network_for(rng: np.random.Generator, config: ss.ArrayConfig) -> ss.Network:
    """A network for the array, most of its layers with weights of 4 bits: their multiples fit 8."""
    options = {"fraction_bits": config.fraction_bits, "synapse": config.synaptic_current}
    if not config.convolution or rng.random() < 0.3:
        network = random_network(rng, width=(1, 24), **options)
    else:
        wide = config.wide_weights or config.weight_bits == 8
        network = random_maps(rng, wide=wide, **options)
    return with_frames(rng, network, BITS_HIGH)


def fitting_program(rng: np.random.Generator, config: ss.ArrayConfig) -> ss.Program:
    """The first of some random networks that fits: lines of wide values are too many for some."""
    for _ in range(50):
        network, steps = network_for(rng, config), int(rng.integers(1, 2 * config.window + 3))
        with contextlib.suppress(ss.DoesNotFit):
            return ss.compile(network, config, steps)
    raise AssertionError("none of 50 networks fits")


@pytest.mark.parametrize("seed", range(COUNT))
def test_three_agree(device: Device, seed: int) -> None:
    config = device.config
    rng = np.random.default_rng([seed, *config.as_dict().values()])
    program = fitting_program(rng, config)
    samples = random_samples(rng, program.network, 3, program.steps)
    agree(device, program, samples, carry=seed % 3 == 0 and not program.state_needed)


@pytest.mark.parametrize("seed", range(4))
def test_pixels_that_change(device: Device, seed: int) -> None:
    """Pixels of one network, still and changing, one behind the other."""
    rng = np.random.default_rng([seed, device.config.window])
    network = random_network(rng, width=(1, 24), pixel_bits=1)
    pixels = ss.PixelInput(network.input.shape, int(rng.integers(1, device.config.window + 1)))
    network = dataclasses.replace(network, input=pixels)
    program = ss.compile(network, device.config, int(rng.integers(2, 8)))
    still = random_samples(rng, network, 3, program.steps)
    changing = rng.integers(0, 1 << pixels.bits, (3, program.steps, *pixels.shape))
    device.load(program)
    with ss.open_device("golden:") as golden:
        golden.load(program)
        for samples in (still, changing, still):
            got, expected = (
                each.run(samples, trace=True, carry_state=True) for each in (device, golden)
            )
            assert compare(expected, got, program).mismatches == 0
    twin = dataclasses.replace(network, input=ss.FrameInput(pixels.shape, pixels.bits))
    plain = reference.run(twin, changing[0], program.steps, device.config.window)
    fresh = device.run(changing[:1], trace=True)
    for layer, spikes in enumerate(plain.spikes):
        assert fresh.trace[layer][0].astype(int).reshape(program.steps, -1).tolist() == spikes
