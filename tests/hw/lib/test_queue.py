"""Queue."""

import pytest
from stablespike.hw.lib.queue import Queue
from stablespike.sim.harness.bench import run_bench


@pytest.mark.parametrize(("width", "depth"), [(21, 4), (1, 64)])
def test_queue(width, depth):
    parameters = {"width": width, "depth": depth}
    assert run_bench(
        Queue(width, depth), "stablespike.sim.benches.lib.queue", parameters=parameters
    ) == 2


@pytest.mark.parametrize(
    ("width", "depth", "error", "message"),
    [
        (8, 12, ValueError, "depth must be a power of two, not 12"),
        (8, 1, ValueError, "depth must be at least 2, not 1"),
        (8, 4.0, TypeError, "depth must be an integer, not 4.0"),
    ],
)
def test_refuses(width, depth, error, message):
    with pytest.raises(error, match=message):
        Queue(width, depth)
