"""The receiver."""

from dataclasses import replace

import pytest
from stablespike.hw.link.receiver import Receiver
from stablespike.hw.link.wide.receiver import WideReceiver
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import preset


@pytest.mark.parametrize("array", ["icebreaker", "ecp5-25f"])
@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_receiver(stall, array):
    config = preset(array)
    parameters = {"config": config.as_dict(), "stall": stall}
    assert run_bench(Receiver(config), "stablespike.sim.benches.link.receiver",
                     parameters=parameters) == 6


@pytest.mark.parametrize(("array", "stall"), [
    ("icebreaker", 0.0), ("ecp5-25f", 0.4),
])
def test_wide_receiver(stall, array):
    config = replace(preset(array), link_bytes=2)
    parameters = {"config": config.as_dict(), "stall": stall}
    assert run_bench(WideReceiver(config), "stablespike.sim.benches.link.receiver",
                     parameters=parameters) == 6
