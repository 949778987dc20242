"""Address generator."""

import pytest
from stablespike.hw.scan.address_generator import AddressGenerator
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import ArrayConfig

CONFIGS = {
    "4 lanes": ArrayConfig(lanes=4, spike_rows=200, weight_rows=1500, convolution=True),
    "16 lanes": ArrayConfig(lanes=16, spike_rows=256, weight_rows=4000, convolution=True),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_ranges(name):
    config = CONFIGS[name]
    assert run_bench(
        AddressGenerator(config), "stablespike.sim.benches.scan.address_generator",
        parameters={"config": config}
    ) == 2
