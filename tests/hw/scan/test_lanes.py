"""Lanes."""

import pytest
from stablespike.hw.scan.chained_lanes import ChainedLanes
from stablespike.hw.scan.lanes import Lanes
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import ArrayConfig

CONFIGS = {
    "4 x 4": ArrayConfig(lanes=4, window=4, acc_bits=8),
    "8 x 4, chains of 4": ArrayConfig(lanes=8, window=4, acc_bits=8, chain=4),
    "8 x 2, one chain": ArrayConfig(lanes=8, window=2, acc_bits=9, chain=8),
    "8 x 1, 8 bit": ArrayConfig(lanes=8, window=1, acc_bits=11, weight_bits=8),
    "4 x 4, 4 planes": ArrayConfig(lanes=4, window=4, acc_bits=9, planes=4),
    "8 x 2, chains of 4, 8 planes": ArrayConfig(
        lanes=8, window=2, acc_bits=11, chain=4, planes=8
    ),
    "8 x 2, chains of 4, 4 banks": ArrayConfig(lanes=8, window=2, acc_bits=10, chain=4, banks=4),
    "4 x 4, wide": ArrayConfig(
        lanes=4, window=4, acc_bits=8, convolution=True, wide_weights=True
    ),
    "8 x 2, chains of 4, two groups, wide": ArrayConfig(
        lanes=8, window=2, acc_bits=8, chain=4, convolution=True, wide_weights=True
    ),
    "8 x 2, one chain, two groups": ArrayConfig(
        lanes=8, window=2, acc_bits=8, chain=8, convolution=True
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_lanes(name):
    config = CONFIGS[name]
    lanes = ChainedLanes if config.chain > 1 else Lanes
    assert run_bench(
        lanes(config), "stablespike.sim.benches.scan.lanes", parameters={"config": config}
    ) == 1
