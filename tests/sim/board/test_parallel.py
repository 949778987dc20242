"""Several simulated boards as one device give the results of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import stablespike as ss
from random_networks import random_samples
from stablespike.device.boards.parallel_device import ParallelDevice
from stablespike.device.verify import compare
from stablespike.support.errors import DeviceError
from test_random import ARRAYS, network_for

ARRAY = ARRAYS["2x8 T8 R2 F2"]
NETWORK, STEPS, _ = network_for(4, ARRAY)
PROGRAM = ss.compile(NETWORK, ARRAY, STEPS)
SAMPLES = random_samples(np.random.default_rng(1), NETWORK, 14, STEPS)


@pytest.fixture(scope="module")
def three() -> Iterator[ParallelDevice]:
    with ss.open_device("sim:?boards=3", array=ARRAY) as device:
        assert isinstance(device, ParallelDevice)
        device.load(PROGRAM)
        yield device


@pytest.fixture(scope="module")
def one() -> Iterator[ss.Device]:
    with ss.open_device("sim:", array=ARRAY) as device:
        device.load(PROGRAM)
        yield device


def same(one: ss.Result, several: ss.Result) -> None:
    comparison = compare(one, several, PROGRAM)
    assert comparison.samples == len(one)
    assert comparison.mismatches == 0, str(comparison.first)
    np.testing.assert_array_equal(one.consistency, several.consistency)


@pytest.mark.parametrize("carry", [False, [False, True] * 7, [index == 0 for index in range(14)]])
@pytest.mark.parametrize("size", [1, 5, 14])
def test_results_are_those_of_one_board_in_order(
    one: ss.Device, three: ParallelDevice, size: int, carry: bool | list[bool]
) -> None:
    runs = []
    for device in (one, three):
        device.load(PROGRAM)
        batches = (SAMPLES[at : at + size] for at in range(0, len(SAMPLES), size))
        runs.append(list(device.run(batches, trace=True, carry_state=carry)))
    for expected, got in zip(*runs, strict=True):
        same(expected, got)
    # Whichever board had the last sample has the state.
    same(*(device.run(SAMPLES[:4], carry_state=True) for device in (one, three)))


def test_cycles_and_bytes_are_of_all_boards(three: ParallelDevice) -> None:
    before, clocks = three.link_bytes, three.transport.cycles
    result = three.run(SAMPLES)
    passed = three.transport.cycles - clocks
    assert result.link_bytes.total > 0
    assert (three.link_bytes - before).total >= result.link_bytes.total
    assert passed >= result.counters["cycles"].sum() > 0
    # Every part begins on a board that is idle, like a run of its own.
    own = [three.run(SAMPLES[first:stop]) for first, stop in ((0, 4), (4, 9), (9, 14))]
    for part in own:
        assert (part.counters["cycles"] > 0).all()


def test_streams_run_on_one_board(one: ss.Device, three: ParallelDevice) -> None:
    window = SAMPLES[0][: PROGRAM.window] if SAMPLES.ndim > 2 else SAMPLES[0]
    decisions = []
    for device in (one, three):
        with device.stream() as live:
            for _ in range(3):
                live.send(window)
            decisions.append([result.readout.tolist() for result in live.results()])
        same_state = device.run(SAMPLES[:1], carry_state=True)
        decisions[-1].append(same_state.readout.tolist())
    assert decisions[0] == decisions[1]


def test_a_run_that_ends_early_leaves_no_state(three: ParallelDevice) -> None:
    batches = iter([SAMPLES[:6], SAMPLES[6:], SAMPLES])
    results = three.run(batches)
    next(results)
    results.close()
    with pytest.raises(DeviceError, match="lost the state to carry on from"):
        three.run(SAMPLES[:1], carry_state=True)
    assert len(three.run(SAMPLES[:2])) == 2


def test_errors_of_a_board_come_to_the_caller(three: ParallelDevice) -> None:
    with pytest.raises(ValueError, match="samples must be"):
        three.run(np.zeros((2, 3, 4, 5, 6)))
    other = ss.compile(NETWORK, replace(ARRAY, weight_rows=16384), STEPS)
    with pytest.raises(ss.DeviceMismatch, match="compiled for another array"):
        three.load(other)
    assert three.program is PROGRAM
    assert len(three.run(SAMPLES[:2])) == 2
