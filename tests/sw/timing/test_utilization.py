"""Utilization: what lanes and neuron units need of the cycles, and where the others went."""

from __future__ import annotations

import numpy as np
import pytest
import stablespike as ss
from stablespike.device.result import Result, counter_table, with_totals
from stablespike.timing.utilization import neuron_bound, utilization

ARRAY = ss.ArrayConfig(
    cores=2, lanes=4, window=4, neuron_steps=2, spike_rows=256, state_groups=256, convolution=True,
    recurrence=True, wide_weights=True,
)
NEURON = ss.Neuron(threshold=1)


def network(channels: int = 6, **options: object) -> ss.Network:
    """5 x 5 positions, pooled to 2 x 2; then 3 neurons."""
    layers = [
        ss.Conv2d(np.ones((channels, 1, 2, 2)), neuron=NEURON, pool_after=ss.MaxPool2d(2)),
        ss.Dense(np.ones((3, 4 * channels)), neuron=NEURON, **options),
    ]
    return ss.Network(ss.SpikeInput((1, 6, 6)), layers)


def test_neurons_of_the_fullest_core_and_the_passes_over_them() -> None:
    # 4 of the 6 channels everywhere; or all 4 of them in 4 of the 9 windows of the pool.
    for channels, fullest in ((6, 25 * 4), (4, (4 + 4 + 2 + 4) * 4)):
        program = ss.compile(network(channels), ARRAY, 9)
        assert neuron_bound(program).tolist() == [fullest * (2 + 2 + 1), 3 * (2 + 2 + 1)]


def test_a_step_at_a_time_of_recurrent_layers_and_two_lanes_of_wide_weights() -> None:
    program = ss.compile(network(recurrent=np.ones((3, 3))), ARRAY, 9)
    assert neuron_bound(program)[1] == 3 * 9
    program = ss.compile(network(weight_bits=8), ARRAY, 9)
    assert neuron_bound(program)[1] == 2 * 5


def test_shares_of_the_cycles() -> None:
    program = ss.compile(network(), ARRAY, 4)
    table = counter_table(1, 2)
    for name, values in {
        "lower_bound": (100, 300), "issued": (150, 300), "wait": (10, 30), "drain": (50, 0),
        "cycles": (500, 500), "spikes": (1, 1), "stable": (0, 0), "events": (9, 9), "sops": (9, 9),
    }.items():
        table[name] = values
    counters, ratios = with_totals(table, np.array([4]), np.ones(1, dtype=bool))
    result = Result(
        readout=np.zeros((1, 3)), prediction=np.zeros(1), counters=counters, layer_counters=table,
        consistency=ratios, lengths=np.array([4]),
    )
    bound = neuron_bound(program)[0]
    assert bound > 100
    found = utilization(program, result.counters, result.layer_counters)
    assert found == pytest.approx({
        "utilization": 0.4, "utilization_bound": (bound + 300) / 1000, "lost_wait": 0.02,
        "lost_drain": 0.025, "lost_swap": 51 / 2000, "lost_rest": 1 - 0.225 - 0.045 - 51 / 2000,
    })
