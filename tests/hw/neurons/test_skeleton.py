"""AND unit."""

import pytest
from stablespike.hw.neurons.skeleton import SkeletonUnit
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import ArrayConfig

CONFIGS = {
    "T4 R1": ArrayConfig(lanes=4, window=4),
    "T8 R4": ArrayConfig(lanes=8, window=8, neuron_steps=4),
    "T1": ArrayConfig(lanes=4, window=1, neuron_groups=6),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_and_unit(name):
    config = CONFIGS[name]
    assert run_bench(
        SkeletonUnit(config), "stablespike.sim.benches.neurons.skeleton",
        parameters={"config": config}
    ) == 1
