from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from stablespike.device.verify import Comparison, Difference, compare
from stablespike.spec.array import ArrayConfig


def setup(readout: str = "counts") -> tuple[ss.Program, Any]:
    rng = np.random.default_rng(2)
    layers = [
        ss.Dense(rng.integers(-3, 8, (6, 9)), neuron=ss.Neuron(threshold=60), emit="both"),
        ss.Dense(rng.integers(-3, 8, (3, 6)), neuron=ss.Neuron(threshold=60)),
    ]
    network = ss.Network(ss.SpikeInput((9,)), layers, readout, 4, 4)
    program = ss.compile(network, ArrayConfig(lanes=4, window=4), steps=6)
    device = ss.open_device("golden:")
    device.load(program)
    return program, device.run(rng.random((5, 6, 9)) < 0.5, trace=True)


def changed(arrays: Any, layer: int, *index: int) -> Any:
    copies = [array.copy() for array in arrays]
    copies[layer][index] ^= True
    return tuple(copies)


def test_nothing_differs() -> None:
    program, result = setup()
    comparison = compare(result, result, program)
    assert comparison.mismatches == 0
    assert comparison.first is None
    assert comparison.samples == 5
    assert comparison.words == 2 * 5 * 2 * (6 + 3)
    assert comparison.as_dict()["mismatches"] == 0


def test_a_spike() -> None:
    program, result = setup()
    got = replace(result, trace=changed(result.trace, 1, 3, 5, 2))
    comparison = compare(result, got, program)
    assert comparison.word_mismatches == comparison.mismatches == 1
    expected = int(result.trace[1][3, 5, 2])
    assert comparison.first == Difference("spike", 3, 1, 5, 2, expected, 1 - expected)
    assert str(comparison.first).startswith("spike: sample 3, layer 1, step 5, neuron 2: expected")


def test_two_steps_of_a_word_are_one_word() -> None:
    program, result = setup()
    trace = changed(changed(result.trace, 0, 1, 0, 2), 0, 1, 3, 2)
    assert compare(result, replace(result, trace=trace), program).word_mismatches == 1
    trace = changed(changed(result.trace, 0, 1, 3, 2), 0, 1, 4, 2)
    assert compare(result, replace(result, trace=trace), program).word_mismatches == 2


def test_a_stable_spike_of_a_later_batch() -> None:
    program, result = setup()
    comparison = Comparison()
    compare(result, result, program, comparison)
    got = replace(result, skeleton=changed(result.skeleton, 0, 2, 1, 4))
    compare(result, got, program, comparison)
    compare(result, got, program, comparison)
    assert comparison.samples == 15
    assert comparison.word_mismatches == 2
    assert comparison.first is not None
    assert (comparison.first.what, comparison.first.sample) == ("stable spike", 7)


@pytest.mark.parametrize("readout", ["counts", "words"])
def test_a_readout(readout: str) -> None:
    program, result = setup(readout)
    for name in ("readout", "readout_skeleton"):
        values = getattr(result, name).copy()
        values[(4, 1, 1) if readout == "words" else (4, 1)] += 1
        comparison = compare(result, replace(result, **{name: values}), program)
        assert comparison.readout_mismatches == comparison.mismatches == 1
        assert comparison.first is not None
        assert comparison.first.step == (4 if readout == "words" else None)
        assert comparison.first.neuron == 1
        assert comparison.first.got == comparison.first.expected + 1


def test_counters_but_not_of_hardware() -> None:
    program, result = setup()
    table = result.layer_counters.copy()
    table["cycles"], table["wait"] = 100, 7
    assert compare(result, replace(result, layer_counters=table), program).mismatches == 0
    table["issued"][2, 1] += 5
    comparison = compare(result, replace(result, layer_counters=table), program)
    assert comparison.counter_mismatches == 1
    assert str(comparison.first).startswith("issued: sample 2, layer 1: expected")
