"""Random networks on samples of different lengths, some of which carry on from the one before:
golden model and simulated board agree, in batches and in streams."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
import stablespike as ss
from random_networks import random_maps, random_network, random_samples, with_frames
from stablespike.device.open import Device
from stablespike.device.verify import compare
from test_random_frames import ARRAYS

COUNT = int(os.environ.get("STABLESPIKE_RANDOM_NETWORKS", "0")) or 9
ARRAY = ARRAYS["2x4 T8 R2, 8 bits"]
BATCH, STEPS = 6, 20


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    with ss.open_device("sim:", array=ARRAY) as device:
        yield device


@pytest.mark.parametrize("seed", range(COUNT))
def test_golden_and_board_agree(device: Device, seed: int) -> None:
    rng = np.random.default_rng([15, seed])
    draw = random_maps if seed % 2 else random_network
    network = draw(rng, weight_bits=ARRAY.weight_bits, pixel_bits=ARRAY.window)
    if seed % 3 == 2:
        network = with_frames(rng, network, 6)
    program = ss.compile(network, ARRAY, STEPS)
    samples = random_samples(rng, network, BATCH, STEPS)
    lengths, flags = rng.integers(1, STEPS + 1, BATCH), rng.random(BATCH) < 0.4
    pixels = network.input.kind == "pixels"
    if not pixels:
        samples = [sample[:n] for sample, n in zip(samples, lengths, strict=True)]
    own = {"lengths": lengths.tolist()} if pixels else {}
    results, streams = [], []
    with ss.open_device("golden:") as golden:
        for each in (golden, device):
            each.load(program)
            results.append(each.run(samples, carry_state=flags, trace=True, **own))
            with each.stream(trace=True) as stream:
                for sample, n, carries in zip(samples, lengths.tolist(), flags, strict=True):
                    stream.send(sample, n if pixels else None, fresh=not carries)
                streams.append(list(stream.results()))
    compared = compare(*results, program)
    joined = [ss.Result.joined(each) for each in streams]
    compare(*joined, program, compared)
    compare(results[0], joined[1], program, compared)
    assert compared.mismatches == 0, compared.first
    assert compared.words
    np.testing.assert_array_equal(results[0].consistency, results[1].consistency)
    ours, its = ([result.decision for result in each] for each in streams)
    for one, other in zip(ours, its, strict=True):
        assert one[:2] == other[:2]
        assert one.scores.tolist() == other.scores.tolist()
