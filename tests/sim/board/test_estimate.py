"""The compiler's cycle estimate, and the utilization of the array, on the simulated board."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import stablespike as ss
from stablespike.datasets import shipped_mnist, shipped_path
from stablespike.datasets.shipped import NETWORK, STEPS, pixels
from stablespike.golden.counters import source_words
from stablespike.mapping.frames import bit_lines
from stablespike.timing.estimate import estimate
from test_random import ARRAYS

IMAGES = 100
# The first two are built for the random networks anyway. Three cores are too many here: their
# reports then take the link longer than the array takes for such small layers.
ONE, TWO = ARRAYS["1x16 T4 R1"], ARRAYS["2x8 T8 R2 F2"]
CHAINED = {"chain": 4, "row_beats": 2, "synaptic_current": False}
BOARDS = {
    "one core": ONE,
    "two cores": TWO,
    "one core, chained": replace(ONE, lanes=8, window=8, neuron_steps=4, **CHAINED),
    "one core, two banks": replace(
        ONE, lanes=8, neuron_steps=4, chain=4, banks=2, recurrence=True
    ),
    "two cores, chained": replace(TWO, **CHAINED),
}


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


def test_estimate_is_exact(measured) -> None:
    program, words, together, alone = measured
    cycles = together.counters["cycles"]
    estimated = estimate(program, words)
    # The first sample of a session has no other's last cycle before it.
    assert estimated[0] - 1 == cycles[0]
    np.testing.assert_array_equal(estimated[1:], cycles[1:])
    for i, result in enumerate(alone):
        ours = estimate(program, [layer[i : i + 1] for layer in words])
        np.testing.assert_array_equal(ours, result.counters["cycles"])


def test_utilization_of_samples_that_follow_each_other(measured) -> None:
    counters = measured[2].counters
    assert counters["lower_bound"].sum() / counters["cycles"].sum() >= 0.93


def test_utilization_of_a_sample_alone(measured) -> None:
    rows = np.concatenate([result.counters for result in measured[3]])
    assert rows["lower_bound"].sum() / rows["cycles"].sum() >= 0.85


@pytest.fixture(scope="module", params=BOARDS)
def board(request):
    with ss.open_device("sim:", array=BOARDS[request.param]) as device:
        yield device


@pytest.mark.parametrize("readout", ["counts", "membrane"])
@pytest.mark.parametrize("sizes", [(20, 3, 2), (40, 10, 10), (64, 7, 5, 3), (300, 40, 10)])
def test_layers_smaller_than_a_group(board, sizes, readout) -> None:
    check_estimate(board, sizes, readout, kinds=1)


@pytest.mark.parametrize("kinds", [2, 3])
@pytest.mark.parametrize("readout", ["counts", "membrane"])
def test_layers_of_several_leaks(board, readout, kinds) -> None:
    check_estimate(board, (300, 40, 10), readout, kinds)


@pytest.mark.parametrize("way", ["steps", "planes"])
def test_frames(way, monkeypatch) -> None:
    monkeypatch.setattr("stablespike.program.compiler.frame_ways", lambda *_: (way,))
    rng = np.random.default_rng(2)
    layers = [
        ss.Dense(
            rng.integers(-3, 8, (outputs, inputs)), neuron=ss.Neuron((2, None), theta << 4)
        )
        for inputs, outputs, theta in ((20, 40, 400), (40, 10, 20))
    ]
    network = ss.Network(ss.FrameInput((20,)), layers)
    program = ss.compile(network, "icebreaker", 10)
    samples = rng.integers(1, 16, (12, 10, 20)) * (rng.random((12, 10, 20)) < 0.7)
    samples[:, 3:7, 5:] = 0
    with ss.open_device("sim:icebreaker") as device:
        device.load(program)
        cycles = device.run(samples).counters["cycles"]
    golden = ss.Golden(network).run(samples, trace=True)
    read = bit_lines(samples, program.planes) if program.planes else samples
    words = source_words(
        program.computed, read, golden.spikes, golden.skeleton, program.config.window
    )
    assert (estimate(program, words)[1:] == cycles[1:]).all()


def check_estimate(board, sizes, readout, kinds) -> None:
    config, rng = board.config, np.random.default_rng(1)
    layers = [
        ss.Dense(
            rng.integers(-3, 8, (outputs, inputs)),
            neuron=ss.Neuron(
                threshold=20 << config.fraction_bits,
                leak=[(4 + n % kinds, None) for n in range(outputs)],
            ),
        )
        for inputs, outputs in pairwise(sizes)
    ]
    network = ss.Network(ss.SpikeInput((sizes[0],)), layers, readout, 4, config.fraction_bits)
    steps = 2 * config.window
    program = ss.compile(network, config, steps)
    samples = rng.random((30, steps, sizes[0])) < 0.3
    board.load(program)
    cycles = board.run(samples).counters["cycles"][1:]
    golden = ss.Golden(network).run(samples, steps, trace=True)
    words = source_words(network, samples, golden.spikes, golden.skeleton, config.window)
    estimated = estimate(program, words)[1:]
    alone = [
        estimate(program, [layer[i : i + 1] for layer in words])[0]
        - board.run(samples[i : i + 1]).counters["cycles"][0]
        for i in range(3)
    ]
    if config.cores == 1:
        assert (estimated == cycles).all()
        assert alone == [0, 0, 0]
    # With chained cores, a few words are on their way to the merger at any time, so the order of
    # the cores there is only roughly known. With so little to compute, it decides the time.
    roughly = config.cores > 1 and config.chain > 1 and readout == "membrane"
    assert abs(estimated.sum() / cycles.sum() - 1) < (0.05 if roughly else 0.02)
