"""A register in a stream."""

import pytest
from stablespike.hw.stage import StreamRegister
from stablespike.sim.bench import run_bench


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_stream_register(stall):
    assert run_bench(
        StreamRegister(9), "stablespike.sim.bench_stage", parameters={"stall": stall}
    ) == 1
