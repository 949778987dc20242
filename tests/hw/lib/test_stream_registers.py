"""Registers in a stream."""

import pytest
from stablespike.hw.lib.stream_registers import SkidBuffer, StreamRegister
from stablespike.sim.harness.bench import run_bench


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("spaced", [False, True])
def test_stream_register(spaced, stall):
    assert run_bench(
        StreamRegister(9, spaced=spaced), "stablespike.sim.benches.lib.stream_registers",
        parameters={"stall": stall, "spaced": spaced},
    ) == 1


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_stream_buffer(stall):
    assert run_bench(
        SkidBuffer(9), "stablespike.sim.benches.lib.stream_registers",
        parameters={"stall": stall, "spaced": False},
    ) == 1
