"""Sequencer."""

import pytest
from stablespike.hw.scan.sequencer import Sequencer
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import ArrayConfig, preset

CONFIGS = {
    "icebreaker": preset("icebreaker"),
    "icebreaker-recurrent": preset("icebreaker-recurrent"),
    "small": ArrayConfig(cores=3, spike_rows=25, tasks=5, weight_rows=1000, neuron_groups=7),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_sequencer(name):
    config = CONFIGS[name]
    assert run_bench(
        Sequencer(config), "stablespike.sim.benches.scan.sequencer", parameters={"config": config}
    ) == 2
