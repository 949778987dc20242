"""Drain."""

import pytest
from stablespike.hw.drain import Drain
from stablespike.sim.bench import run_bench
from stablespike.spec import ArrayConfig

CONFIGS = {
    "16 x T4 R1": ArrayConfig(window=4, synaptic_current=False),
    "4 x T4 R2 synapse": ArrayConfig(lanes=4, window=4, neuron_steps=2, acc_bits=9),
    "8 x T8 R8": ArrayConfig(lanes=8, window=8, neuron_steps=8, synaptic_current=False),
    "4 x T1": ArrayConfig(lanes=4, window=1),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_drain(name):
    config = CONFIGS[name]
    assert run_bench(
        Drain(config), "stablespike.sim.bench_drain", parameters={"config": config}
    ) == 1
