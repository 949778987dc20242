"""Turns."""

import pytest
from stablespike.hw.turns import Turns
from stablespike.sim.bench import run_bench
from stablespike.spec import ArrayConfig

CONFIGS = {
    "4 lanes": ArrayConfig(lanes=4, neuron_groups=5, state_groups=9, tasks=3),
    "icebreaker's": ArrayConfig(synaptic_current=False),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_turns(name):
    config = CONFIGS[name]
    assert run_bench(
        Turns(config), "stablespike.sim.bench_turns", parameters={"config": config}
    ) == 1
