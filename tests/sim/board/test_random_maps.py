"""Random networks with maps, recurrence and mixed widths, on arrays that support all of these.

As in ``test_random``, a part with fixed seeds runs every time, and ``nox -s random500`` runs many
networks on all arrays.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
import stablespike as ss
from agreement import agree
from random_networks import random_maps, random_network, random_samples
from stablespike.device.open import Device

SMALL = {
    "weight_rows": 32768, "spike_rows": 512, "neuron_groups": 256, "state_groups": 1024,
    "tasks": 16, "convolution": True, "recurrence": True,
}
WIDE = {**SMALL, "wide_weights": True}
ARRAYS = {
    "1x4 T4 R2": ss.ArrayConfig(lanes=4, neuron_steps=2, **WIDE),
    "3x8 T4 R4, chains of 4, 2 beats": ss.ArrayConfig(
        cores=3, lanes=8, neuron_steps=4, chain=4, row_beats=2, **WIDE
    ),
}
MORE = {
    "1x4 T4 R1, no synapse": ss.ArrayConfig(lanes=4, synaptic_current=False, **SMALL),
    "2x8 T8 R2 F2": ss.ArrayConfig(
        cores=2, lanes=8, window=8, neuron_steps=2, fraction_bits=2, **WIDE
    ),
    "2x8 T8 R2 F2, 8 bits": ss.ArrayConfig(
        cores=2, lanes=8, window=8, neuron_steps=2, fraction_bits=2, weight_bits=8, acc_bits=20,
        **SMALL,
    ),
    "8x4 T4 R1 A18": ss.ArrayConfig(cores=8, lanes=4, acc_bits=18, **WIDE),
    "8x8 T8 R4, chains of 4": ss.ArrayConfig(
        cores=8, lanes=8, window=8, neuron_steps=4, chain=4, **WIDE
    ),
}
EVERY = int(os.environ.get("STABLESPIKE_RANDOM_NETWORKS", "0"))
COUNT = EVERY or 15
CASES = {**ARRAYS, **MORE} if EVERY else ARRAYS


@pytest.fixture(scope="module", params=CASES)
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    with ss.open_device("sim:", array=CASES[request.param]) as device:
        yield device


@pytest.mark.parametrize("seed", range(COUNT))
def test_three_agree(device: Device, seed: int) -> None:
    config = device.config
    rng = np.random.default_rng([seed, *config.as_dict().values()])
    options = {
        "weight_bits": config.weight_bits, "fraction_bits": config.fraction_bits,
        "pixel_bits": config.window, "synapse": config.synaptic_current,
    }
    if seed % 5 == 4:
        network = random_network(rng, width=(1, 60), **options)
    else:
        wide = config.wide_weights or config.weight_bits == 8
        network = random_maps(rng, wide=wide, **options)
    steps = int(rng.integers(1, 3 * config.window + 1))
    program = ss.compile(network, config, steps)
    samples = random_samples(rng, network, 3, steps)
    agree(device, program, samples, carry=seed % 3 == 0 and not program.state_needed)
