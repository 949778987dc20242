"""Group scheduler without convolution."""

import pytest
from stablespike.hw.neurons.group_scheduler import GroupScheduler
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import ArrayConfig

CONFIGS = {
    "4 lanes": ArrayConfig(lanes=4, neuron_groups=5, state_groups=9, tasks=3),
    "icebreaker's": ArrayConfig(synaptic_current=False),
    "2 cores": ArrayConfig(cores=2, lanes=4, neuron_groups=5, state_groups=9, tasks=3),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_group_scheduler(name):
    config = CONFIGS[name]
    assert run_bench(
        GroupScheduler(config), "stablespike.sim.benches.neurons.group_scheduler",
        parameters={"config": config}
    ) == 1
