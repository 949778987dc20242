"""Counters of a task."""

import pytest
from stablespike.hw.scan.scan_counters import ScanCounters
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import ArrayConfig


@pytest.mark.parametrize("banks", [{}, {"banks": 4, "chain": 4}])
def test_scan_counters(banks):
    config = ArrayConfig(window=8, weight_rows=40, **banks)
    assert run_bench(
        ScanCounters(config), "stablespike.sim.benches.scan.scan_counters",
        parameters={"config": config}
    ) == 2
