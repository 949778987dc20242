"""Scanner."""

import pytest
from stablespike.hw.scan.scanner import Scanner
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import ArrayConfig

CONFIGS = {
    "4 lanes": ArrayConfig(lanes=4, spike_rows=24, row_queue=4, weight_rows=200),
    "16 lanes": ArrayConfig(lanes=16, spike_rows=65),
    "8 lanes, 4 planes": ArrayConfig(lanes=8, spike_rows=40, planes=4),
    "8 lanes, chained, 4 banks": ArrayConfig(
        lanes=8, spike_rows=40, row_queue=4, weight_rows=320, chain=4, banks=4
    ),
    "4 lanes, convolution, wide": ArrayConfig(
        lanes=4, spike_rows=24, row_queue=4, weight_rows=200, convolution=True, wide_weights=True
    ),
    "8 lanes, convolution, chained": ArrayConfig(
        lanes=8, spike_rows=40, row_queue=8, weight_rows=400, chain=4, convolution=True
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_scanner(name):
    config = CONFIGS[name]
    assert run_bench(
        Scanner(config), "stablespike.sim.benches.scan.scanner", parameters={"config": config}
    ) == 4
