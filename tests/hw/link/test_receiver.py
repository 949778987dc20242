"""The receiver."""

import pytest
from stablespike.hw.link.receiver import Receiver
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import preset


@pytest.mark.parametrize("array", ["icebreaker", "ecp5-25f"])
@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_receiver(stall, array):
    config = preset(array)
    parameters = {"config": config.as_dict(), "stall": stall}
    assert run_bench(Receiver(config), "stablespike.sim.benches.link.receiver",
                     parameters=parameters) == 6
