"""Counters of a task."""

from stablespike.hw.counters import ScanCounters
from stablespike.sim.bench import run_bench
from stablespike.spec import ArrayConfig


def test_scan_counters():
    config = ArrayConfig(window=8, weight_rows=40)
    assert run_bench(
        ScanCounters(config), "stablespike.sim.bench_counters", parameters={"config": config}
    ) == 2
