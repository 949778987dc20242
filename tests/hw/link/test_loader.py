"""The loader, for narrow and wide rows and windows of every length."""

import pytest
from stablespike.hw.link.loader import Loader
from stablespike.hw.link.wide.loader import WideLoader
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import ArrayConfig

SHAPES = [
    (4, 1, 1), (16, 1, 1), (8, 2, 1), (16, 4, 1), (4, 8, 1), (32, 8, 1), (64, 16, 1),
    (16, 1, 4), (8, 2, 2), (16, 4, 8), (32, 8, 4), (16, 16, 2),
]
CONVOLVING = [(4, 1, 1), (32, 8, 4), (16, 16, 1)]

WIDE = [(32, 1, 4, 1), (16, 4, 4, 1), (16, 8, 2, 4), (16, 16, 2, 4)]


@pytest.mark.parametrize(
    ("lanes", "window", "beats", "convolution"),
    [(*shape, False) for shape in SHAPES] + [(*shape, True) for shape in CONVOLVING],
)
def test_loader(lanes, window, beats, convolution):
    config = ArrayConfig(
        lanes=lanes, window=window, spike_rows=100, row_beats=beats, chain=min(beats, 2),
        convolution=convolution,
    )
    parameters = {"config": config.as_dict(), "stall": 0.3, "maps": 4 if lanes < 64 else 2}
    assert run_bench(
        Loader(config), "stablespike.sim.benches.link.loader", parameters=parameters
    ) == 4


@pytest.mark.parametrize(
    ("lanes", "window", "beats", "chain", "convolution"),
    [(*shape, False) for shape in WIDE] + [(32, 8, 4, 8, True)],
)
def test_wide_loader(lanes, window, beats, chain, convolution):
    config = ArrayConfig(
        lanes=lanes, window=window, spike_rows=100, row_beats=beats, chain=chain,
        convolution=convolution, link_bytes=2,
    )
    parameters = {"config": config.as_dict(), "stall": 0.3, "maps": 4 if lanes < 64 else 2}
    assert run_bench(
        WideLoader(config), "stablespike.sim.benches.link.loader", parameters=parameters
    ) == 5
