"""Group scheduler with convolution."""

import pytest
from stablespike.hw.neurons.pipelined_group_scheduler import PipelinedGroupScheduler
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import ArrayConfig

CONFIGS = {
    "4 lanes R1": ArrayConfig(lanes=4, window=2, synaptic_current=False, convolution=True),
    "8 lanes R4 synapse": ArrayConfig(
        lanes=8, window=8, neuron_steps=4, neuron_groups=5, state_groups=9, tasks=2,
        convolution=True,
    ),
    "8 lanes R4 synapse, chains of 2": ArrayConfig(
        lanes=8, window=4, neuron_steps=4, chain=2, convolution=True
    ),
    "16 lanes R2, chains of 8": ArrayConfig(
        window=4, neuron_steps=2, synaptic_current=False, chain=8, convolution=True
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_pipelined_group_scheduler(name):
    config = CONFIGS[name]
    bench = "stablespike.sim.benches.neurons.pipelined_group_scheduler"
    parameters = {"config": config}
    assert run_bench(PipelinedGroupScheduler(config), bench, parameters=parameters) == 2
