"""The compiler's cycle estimate and the utilization it promises, against the simulated board."""

from __future__ import annotations

import numpy as np
import pytest
import stablespike as ss
from stablespike.counters import source_words
from stablespike.datasets import shipped_mnist, shipped_path
from stablespike.demo import NETWORK, STEPS, pixels
from stablespike.estimate import estimate

IMAGES = 100


@pytest.fixture(scope="module")
def measured():
    network = ss.load(shipped_path(NETWORK))
    program = ss.compile(network, "icebreaker", STEPS)
    samples = pixels(shipped_mnist(IMAGES)[0], network)
    golden = ss.Golden(network).run(samples, STEPS, trace=True)
    words = source_words(network, samples, golden.spikes, golden.skeleton, program.config.window)
    with ss.open_device("sim:icebreaker") as board:
        board.load(program)
        together = board.run(samples)
        alone = [board.run(samples[i : i + 1]) for i in range(20)]
    return program, words, together, alone


def test_estimate_is_within_two_percent(measured) -> None:
    program, words, together, _ = measured
    cycles = together.counters["cycles"]
    estimated = estimate(program, words)
    assert abs(estimated.sum() / cycles.sum() - 1) < 0.02
    assert np.abs(estimated / cycles - 1).max() < 0.05


def test_utilization_of_samples_that_follow_each_other(measured) -> None:
    counters = measured[2].counters
    assert counters["lower_bound"].sum() / counters["cycles"].sum() >= 0.93


def test_utilization_of_a_sample_alone(measured) -> None:
    rows = np.concatenate([result.counters for result in measured[3]])
    assert rows["lower_bound"].sum() / rows["cycles"].sum() >= 0.85
