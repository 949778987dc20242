"""Lanes."""

import pytest
from stablespike.hw.lanes import Lanes
from stablespike.sim.bench import run_bench
from stablespike.spec import ArrayConfig

CONFIGS = {
    "4 x 4": ArrayConfig(lanes=4, window=4, acc_bits=8),
    "8 x 1, 8 bit": ArrayConfig(lanes=8, window=1, acc_bits=11, weight_bits=8),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_lanes(name):
    config = CONFIGS[name]
    assert run_bench(
        Lanes(config), "stablespike.sim.bench_lanes", parameters={"config": config}
    ) == 1
