"""Counters of a task."""

from stablespike.hw.scan.scan_counters import ScanCounters
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import ArrayConfig


def test_scan_counters():
    config = ArrayConfig(window=8, weight_rows=40)
    assert run_bench(
        ScanCounters(config), "stablespike.sim.benches.scan.scan_counters",
        parameters={"config": config}
    ) == 2
