"""The transmitter."""

from dataclasses import replace

import pytest
from stablespike.hw.link.transmitter import Transmitter
from stablespike.hw.link.wide.transmitter import WideTransmitter
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import preset


@pytest.mark.parametrize("array", ["icebreaker", "ecp5-25f"])
@pytest.mark.parametrize("pause", [0, 200])
def test_transmitter(pause, array):
    config = preset(array)
    parameters = {"config": config.as_dict(), "pause": pause}
    assert run_bench(Transmitter(config), "stablespike.sim.benches.link.transmitter",
                     parameters=parameters) == 5


@pytest.mark.parametrize(("array", "pause"), [
    ("icebreaker", 0), ("ecp5-25f", 0), ("ecp5-25f", 200),
])
def test_wide_transmitter(pause, array):
    config = replace(preset(array), link_bytes=2)
    parameters = {"config": config.as_dict(), "pause": pause}
    assert run_bench(WideTransmitter(config), "stablespike.sim.benches.link.transmitter",
                     parameters=parameters) == 5


def test_refuses_build_id():
    with pytest.raises(ValueError, match="build_id must be 16 bytes, not 3"):
        Transmitter(preset("icebreaker"), b"abc")
