"""The command unit."""

from dataclasses import replace

import pytest
from stablespike.hw.link.command import CommandUnit
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import ArrayConfig, preset

CONFIGS = {
    "icebreaker": preset("icebreaker"),
    "uneven": ArrayConfig(cores=3, lanes=32, window=8, spike_rows=37, tasks=5, weight_rows=70_000),
    "narrow": ArrayConfig(lanes=4, window=1, spike_rows=4, tasks=1, weight_rows=16),
    "two bytes": ArrayConfig(cores=3, lanes=32, window=8, spike_rows=37, tasks=5, link_bytes=2),
    "two bytes, chained": replace(preset("ecp5-25f"), link_bytes=2),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_command_unit(name):
    config = CONFIGS[name]
    parameters = {"config": config.as_dict(), "stall": 0.3}
    assert run_bench(CommandUnit(config), "stablespike.sim.benches.link.command",
                     parameters=parameters) == 4
