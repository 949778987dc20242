"""Traces beside the link are those over the link."""

from __future__ import annotations

import numpy as np
import pytest
import stablespike as ss
from random_networks import random_samples
from stablespike.device.verify import compare
from test_random import ARRAYS, network_for

SEED = 4  # the widest network


def that_fires(array: ss.ArrayConfig) -> tuple[ss.Program, np.ndarray]:
    """A random network with samples on which it fires, compiled."""
    for seed in range(SEED, SEED + 20):
        network, steps, samples = network_for(seed, array)
        program = ss.compile(network, array, steps)
        with ss.open_device("golden:") as golden:
            golden.load(program)
            if any(spikes.any() for spikes in golden.run(samples, trace=True).trace):
                return program, samples
    raise AssertionError("no network fires")


@pytest.mark.parametrize("name", ["2x8 T8 R2 F2", "3x8 T4 R4, chains of 4, 2 beats"])
def test_traces_beside_the_link_are_those_over_it(name: str) -> None:
    program, samples = that_fires(ARRAYS[name])
    results = []
    for uri in ("sim:", "sim:?traces=link"):
        with ss.open_device(uri, array=ARRAYS[name]) as device:
            device.load(program)
            results.append(device.run(samples, trace=True))
    beside, over = results
    comparison = compare(over, beside, program)
    assert comparison.words > 0
    assert comparison.mismatches == 0, str(comparison.first)
    assert any(spikes.any() for spikes in beside.trace)
    words = comparison.words * ARRAYS[name].window // 8
    assert over.link_bytes.received - beside.link_bytes.received > words


def test_traces_of_a_run_that_was_given_up_are_dropped() -> None:
    array = ARRAYS["3x8 T4 R4, chains of 4, 2 beats"]
    network, steps, _ = network_for(SEED, array)
    program = ss.compile(network, array, steps)
    samples = random_samples(np.random.default_rng(0), network, 24, steps)
    with ss.open_device("sim:", array=array) as device, ss.open_device("golden:") as golden:
        device.load(program)
        golden.load(program)
        given_up = device.run(iter([samples[:2], samples[2:]]), trace=True)
        next(given_up)
        given_up.close()
        again = samples[-3:]
        comparison = compare(
            golden.run(again, trace=True), device.run(again, trace=True), program
        )
    assert comparison.words > 0
    assert comparison.mismatches == 0, str(comparison.first)
