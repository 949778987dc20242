"""Input buffer."""

from stablespike.hw.link.input_buffer import InputBuffer
from stablespike.sim.harness.bench import run_bench


def test_input_buffer():
    assert run_bench(InputBuffer(), "stablespike.sim.benches.link.input_buffer") == 2
