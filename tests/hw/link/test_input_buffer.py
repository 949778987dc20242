"""Handover."""

from stablespike.hw.link.input_buffer import Handover
from stablespike.sim.harness.bench import run_bench


def test_handover():
    assert run_bench(Handover(), "stablespike.sim.benches.link.input_buffer") == 2
