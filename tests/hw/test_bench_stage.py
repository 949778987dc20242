"""A register in a stream."""

import pytest
from stablespike.hw.stage import StreamRegister
from stablespike.sim.bench import run_bench


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("spaced", [False, True])
def test_stream_register(spaced, stall):
    assert run_bench(
        StreamRegister(9, spaced=spaced), "stablespike.sim.bench_stage",
        parameters={"stall": stall, "spaced": spaced},
    ) == 1
