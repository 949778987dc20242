"""Spike memory."""

import pytest
from stablespike.hw.scan.spike_memory import SpikeMemory
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import ArrayConfig


@pytest.mark.parametrize(
    "config",
    [ArrayConfig(lanes=4, window=4, spike_rows=37),
     ArrayConfig(lanes=8, window=1, spike_rows=16, neuron_steps=1),
     ArrayConfig(lanes=8, window=2, spike_rows=21, row_beats=4)],
    ids=["4 x 4", "8 x 1", "8 x 2, 4 beats"],
)
def test_spike_memory(config):
    assert run_bench(
        SpikeMemory(config), "stablespike.sim.benches.scan.spike_memory",
        parameters={"config": config}
    ) == 1
