"""Handover."""

from stablespike.hw.handover import Handover
from stablespike.sim.bench import run_bench


def test_handover():
    assert run_bench(Handover(), "stablespike.sim.bench_handover") == 2
