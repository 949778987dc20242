"""Programs of layers with several leaks: their tasks, what they cost, and when they do not fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import stablespike as ss
from array_model import core_tasks
from board_model import board_device, same

ARRAY = ss.ArrayConfig(
    cores=2, lanes=4, window=4, spike_rows=64, neuron_groups=16, state_groups=16, tasks=8,
    synaptic_current=False,
)


def network(outputs: int = 12, kinds: int = 3, inputs: int = 8, **options: object) -> ss.Network:
    rng = np.random.default_rng(0)
    layers = [
        ss.Dense(
            rng.integers(-3, 8, (outputs, inputs)),
            neuron=ss.Neuron(threshold=60, leak=[(1 + n % kinds, None) for n in range(outputs)]),
        ),
        ss.Dense(rng.integers(-3, 8, (5, outputs)), neuron=ss.Neuron(threshold=60)),
    ]
    return ss.Network(ss.SpikeInput((inputs,)), layers, **options)


def test_each_task_has_the_leak_of_its_neurons() -> None:
    program = ss.compile(network(), ARRAY, 8)
    assert program.group_counts == [[1, 2], [1, 1]]
    listed = [core_tasks(program, core) for core in range(2)]
    assert [[(t["layer"], t["leak_a"], t["groups"]) for t in tasks] for tasks in listed] == [
        [(0, 1, 1), (1, 0, 1)], [(0, 2, 1), (0, 3, 1), (1, 0, 1)],
    ]
    # Only the first task of a layer waits: for the other core, and for the rows of its map.
    assert [t["sync"] for t in listed[1]] == [1, 0, 0]
    assert [t["wait"] for t in listed[1]] == [0, 0, 3]
    assert [t["last"] for t in listed[1]] == [0, 0, 1]
    assert program.needed["tasks"] == 3


def test_the_report_says_what_it_costs() -> None:
    text = ss.compile(network(13, 4), ARRAY, 8).report()
    assert (
        "layers[0] (Dense 8 -> 13): 4 leaks, 0 groups more than with one leak, and 2 tasks on a "
        "core"
    ) in text
    text = ss.compile(network(12, 5), ARRAY, 8).report()
    assert "5 leaks, 2 groups more than with one leak, and 3 tasks on a core" in text
    assert "with one leak per layer: about " in text
    assert "with one leak" not in ss.compile(network(12, 1), ARRAY, 8).report()
    golden = ss.compile(network(12, 5), ARRAY, 8, device="golden:").report()
    assert "5 leaks, 2 groups more" in golden
    assert "with one leak per layer" not in golden


def test_what_does_not_fit_for_its_leaks() -> None:
    few = replace(ARRAY, tasks=2, cores=1)
    with pytest.raises(ss.DoesNotFit) as caught:
        ss.compile(network(), few, 8)
    text = str(caught.value)
    assert "tasks: 4 needed, 2 there, 2 with one leak per layer" in text
    assert "layers[0] (Dense 8 -> 12) has 3 leaks: give it fewer, or import it with leaks=" in text
    assert "tasks=4" in text
    assert ss.compile(network(), replace(few, tasks=4), 8).needed["tasks"] == 4
    small = replace(ARRAY, cores=1, neuron_groups=5, state_groups=5)
    with pytest.raises(ss.DoesNotFit, match="groups: 7 needed, 5 there, 5 with one leak per layer"):
        ss.compile(network(12, 5), small, 8)
    # Where leaks are not the reason, they are not named.
    with pytest.raises(ss.DoesNotFit) as caught:
        ss.compile(network(), replace(ARRAY, weight_rows=16), 8)
    assert "leak" not in str(caught.value)


def test_a_tie_goes_to_the_lowest_output_of_the_network() -> None:
    """Outputs 1 and 2 fire equally often; 2 is computed first, as it has the leak of output 0."""
    weight = np.array([[0], [4], [4]])
    neuron = ss.Neuron(threshold=64, leak=[(1, None), (2, None), (1, None)])
    layer = ss.Dense(weight, neuron=neuron)
    for readout in ("counts", "words"):
        tied = ss.Network(ss.SpikeInput((1,)), [layer], readout)
        program = ss.compile(tied, ARRAY, 4)
        assert program.groups[0].slots.tolist() == [0, 2, -1, -1, 1, -1, -1, -1]
        device, _, _ = board_device(program)
        with device, ss.open_device("golden:") as golden:
            results = []
            for each in (device, golden):
                each.load(program)
                results.append(each.run(np.ones((1, 4, 1)), trace=True))
        same(*results)
        assert results[0].prediction.tolist() == [1]


def test_a_convolution_behind_which_rows_are_out_of_order() -> None:
    """With one leak, a dense layer reads the rows of a convolution as they come from one core."""
    def of(leak: object) -> ss.Program:
        layers = [
            ss.Conv2d(np.ones((8, 1, 2, 2)), neuron=ss.Neuron(threshold=1, leak=leak)),
            ss.Dense(np.ones((2, 72)), neuron=ss.Neuron(threshold=1)),
        ]
        array = replace(ARRAY, cores=1, convolution=True, state_groups=64)
        return ss.compile(ss.Network(ss.SpikeInput((1, 4, 4)), layers), array, 4)

    assert of((1, None)).reads_in_order(1)
    assert not of([(1 + n // 4, None) for n in range(8)]).reads_in_order(1)
