"""The whole link."""

import pytest
from stablespike.hw.link.link import Link
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import ArrayConfig, preset

BENCH = "stablespike.sim.benches.link.link"
BAD = {"lost": 0.1, "damaged": 0.1, "doubled": 0.1, "swapped": 0.1, "noise": 0.1}
CONFIGS = {
    "icebreaker": preset("icebreaker"),
    "smallest": ArrayConfig(lanes=4, window=1, spike_rows=37, tasks=3, weight_rows=100),
    "chained": ArrayConfig(lanes=8, window=8, chain=4, row_beats=2, spike_rows=64, tasks=3),
    "convolving": ArrayConfig(
        lanes=16, window=8, chain=4, row_beats=2, spike_rows=64, tasks=3, convolution=True
    ),
    "wide": ArrayConfig(
        cores=3, lanes=64, window=16, weight_bits=8, weight_rows=1000, chain=8, row_beats=4
    ),
    "two bytes": ArrayConfig(
        lanes=16, window=8, chain=4, row_beats=2, spike_rows=64, tasks=3, link_bytes=2
    ),
    "two bytes, convolving": ArrayConfig(
        lanes=16, window=8, row_beats=2, spike_rows=64, tasks=3, convolution=True, link_bytes=2
    ),
}


@pytest.mark.parametrize("name", ["icebreaker", "smallest", "chained", "two bytes"])
def test_whole_link(name):
    config = CONFIGS[name]
    assert run_bench(Link(config), BENCH, parameters={"config": config.as_dict()}) == (
        7 if config.link_bytes > 1 else 6
    )


@pytest.mark.parametrize(("name", "there", "back"), [
    ("icebreaker", {}, {}), ("icebreaker", BAD, {}), ("icebreaker", {}, BAD),
    ("icebreaker", BAD, BAD), ("smallest", BAD, BAD),
    ("chained", BAD, BAD), ("convolving", BAD, BAD), ("wide", BAD, BAD),
    ("two bytes", BAD, BAD), ("two bytes, convolving", BAD, BAD),
])
def test_bad_wire(name, there, back):
    config = CONFIGS[name]
    parameters = {"config": config.as_dict(), "stall": 0.3, "there": there, "back": back,
                  "count": 12 if name == "wide" else 30}
    assert run_bench(
        Link(config), BENCH, parameters=parameters,
        testcase="carries_everything_over_a_bad_wire",
    ) == 1
