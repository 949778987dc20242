"""Spike bus."""

import pytest
from stablespike.hw.interconnect.spike_bus import SpikeBus
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import ArrayConfig
from wrapped import Wrapped


@pytest.mark.parametrize("stall", [0.0, 0.4, 0.8])
@pytest.mark.parametrize(("cores", "beats"), [(1, 1), (3, 1), (1, 2), (3, 4)])
def test_spike_bus(cores, beats, stall):
    config = ArrayConfig(cores=cores, lanes=4, window=4, row_beats=beats)
    parameters = {"config": config, "stall": stall}
    assert run_bench(
        Wrapped(SpikeBus(config)), "stablespike.sim.benches.interconnect.spike_bus",
        name="Bus", parameters=parameters
    ) == 1
