"""Pool unit."""

import pytest
from stablespike.hw.neurons.pool import PoolUnit
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import ArrayConfig

CONFIGS = {
    "4 x T1": ArrayConfig(lanes=4, window=1, convolution=True),
    "4 x T16 R2 in two parts": ArrayConfig(
        lanes=4, window=16, neuron_steps=2, row_beats=2, convolution=True
    ),
    "16 x T4 R4 in four parts": ArrayConfig(
        window=4, neuron_steps=4, row_beats=4, convolution=True
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_pool_unit(name):
    config = CONFIGS[name]
    assert run_bench(
        PoolUnit(config), "stablespike.sim.benches.neurons.pool", parameters={"config": config}
    ) == 2
