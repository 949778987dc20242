"""Scanner."""

import pytest
from stablespike.hw.scanner import Scanner
from stablespike.sim.bench import run_bench
from stablespike.spec import ArrayConfig

CONFIGS = {
    "4 lanes": ArrayConfig(lanes=4, spike_rows=24, row_queue=4, weight_rows=200),
    "16 lanes": ArrayConfig(lanes=16, spike_rows=65),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_scanner(name):
    config = CONFIGS[name]
    assert run_bench(
        Scanner(config), "stablespike.sim.bench_scanner", parameters={"config": config}
    ) == 4
