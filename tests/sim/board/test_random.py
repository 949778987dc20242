"""Random networks on several arrays: plain integers, golden model and simulated board agree.

A part with fixed seeds runs every time. ``nox -s random500`` sets STABLESPIKE_RANDOM_NETWORKS to
the number of networks that then run on each of all arrays.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
import stablespike as ss
from agreement import agree
from random_networks import random_network, random_samples
from stablespike.device.open import Device

SMALL = {
    "weight_rows": 32768, "spike_rows": 512, "neuron_groups": 256, "state_groups": 256,
    "tasks": 16,
}
ARRAYS = {
    "1x16 T4 R1": ss.ArrayConfig(synaptic_current=False, **SMALL),
    "2x8 T8 R2 F2": ss.ArrayConfig(
        cores=2, lanes=8, window=8, neuron_steps=2, fraction_bits=2, **SMALL
    ),
    "3x4 T1 F0": ss.ArrayConfig(cores=3, lanes=4, window=1, fraction_bits=0, **SMALL),
    "4x4 T2 R2": ss.ArrayConfig(cores=4, lanes=4, window=2, neuron_steps=2, **SMALL),
    "3x8 T4 R4, chains of 4, 2 beats": ss.ArrayConfig(
        cores=3, lanes=8, neuron_steps=4, chain=4, row_beats=2, synaptic_current=False,
        recurrence=True, **SMALL
    ),
    "2x8 T4 R2, chains of 4, 4 banks": ss.ArrayConfig(
        cores=2, lanes=8, neuron_steps=2, chain=4, banks=4, planes=4, **SMALL
    ),
    "1x8 T8 R2, chains of 4, 2 beats, two bytes per clock": ss.ArrayConfig(
        lanes=8, window=8, neuron_steps=2, chain=4, row_beats=2, link_bytes=2, **SMALL
    ),
}
MORE = {
    "1x4 T16 R4": ss.ArrayConfig(lanes=4, window=16, neuron_steps=4, **SMALL),
    "1x8 T1 F2": ss.ArrayConfig(lanes=8, window=1, fraction_bits=2, **SMALL),
    "1x32 T4 R4": ss.ArrayConfig(lanes=32, neuron_steps=4, **SMALL),
    "1x16 T16 R1 F0": ss.ArrayConfig(window=16, fraction_bits=0, synaptic_current=False, **SMALL),
    "2x16 T2 R1": ss.ArrayConfig(cores=2, window=2, **SMALL),
    "2x4 T8 R8": ss.ArrayConfig(cores=2, lanes=4, window=8, neuron_steps=8, **SMALL),
    "3x8 T4 R2 8 bit": ss.ArrayConfig(cores=3, lanes=8, neuron_steps=2, weight_bits=8, **SMALL),
    "4x8 T4 R4 F2 V12": ss.ArrayConfig(
        cores=4, lanes=8, neuron_steps=4, fraction_bits=2, state_bits=12, **SMALL
    ),
    "1x16 T8 R2, chains of 16, 8 beats": ss.ArrayConfig(
        window=8, neuron_steps=2, chain=16, row_beats=8, **SMALL
    ),
    "2x4 T1, chains of 2, 4 beats": ss.ArrayConfig(
        cores=2, lanes=4, window=1, chain=2, row_beats=4, **SMALL
    ),
    "1x8 T8 no state": ss.ArrayConfig(lanes=8, window=8, state=False, **SMALL),
    "3x8 T4 R4, two bytes per clock": ss.ArrayConfig(
        cores=3, lanes=8, neuron_steps=4, link_bytes=2, **SMALL
    ),
    "1x16 T16 R1, two bytes per clock": ss.ArrayConfig(window=16, link_bytes=2, **SMALL),
    "2x8 T8 R2, recurrence": ss.ArrayConfig(
        cores=2, lanes=8, window=8, neuron_steps=2, recurrence=True, **SMALL
    ),
}
EVERY = int(os.environ.get("STABLESPIKE_RANDOM_NETWORKS", "0"))
COUNT = EVERY or 8
CASES = {**ARRAYS, **MORE} if EVERY else ARRAYS


@pytest.fixture(scope="module", params=CASES)
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    # Traces go over the link here; test_random_maps takes them beside it.
    with ss.open_device("sim:?traces=link", array=CASES[request.param]) as device:
        yield device


def network_for(seed: int, config: ss.ArrayConfig) -> tuple[ss.Network, int, np.ndarray]:
    rng = np.random.default_rng([seed, *config.as_dict().values()])
    network = random_network(
        rng,
        weight_bits=config.weight_bits,
        fraction_bits=config.fraction_bits,
        state_bits=config.state_bits,
        width=(1, 200) if seed % 4 == 0 else (1, 40),
        pixel_bits=config.window,
        synapse=config.synaptic_current,
        recurrent=config.recurrence and seed % 2 == 0,
    )
    steps = int(rng.integers(1, 41 if config.state else config.window + 1))
    return network, steps, random_samples(rng, network, 3, steps)


@pytest.mark.parametrize("seed", range(COUNT))
def test_three_agree(device: Device, seed: int) -> None:
    config = device.config
    network, steps, samples = network_for(seed, config)
    agree(device, ss.compile(network, config, steps), samples)
