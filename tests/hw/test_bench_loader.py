"""The loader, for narrow and wide rows and windows of every length."""

import pytest
from stablespike.hw.loader import Loader
from stablespike.sim.bench import run_bench
from stablespike.spec import ArrayConfig

SHAPES = [(4, 1), (16, 1), (8, 2), (16, 4), (4, 8), (32, 8), (64, 16)]


@pytest.mark.parametrize(("lanes", "window"), SHAPES)
def test_loader(lanes, window):
    config = ArrayConfig(lanes=lanes, window=window, spike_rows=100)
    parameters = {"config": config.as_dict(), "stall": 0.3, "maps": 4 if lanes < 64 else 2}
    assert run_bench(Loader(config), "stablespike.sim.bench_loader", parameters=parameters) == 4
