"""Drain."""

import pytest
from stablespike.hw.neurons.drain import Drain
from stablespike.sim.harness.bench import run_bench
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
        Drain(config), "stablespike.sim.benches.neurons.drain", parameters={"config": config}
    ) == 2


BEHIND = {
    "4 x T1": ArrayConfig(lanes=4, window=1, convolution=True),
    "4 x T4 R2 synapse, wide": ArrayConfig(
        lanes=4, window=4, neuron_steps=2, acc_bits=9, convolution=True, wide_weights=True
    ),
    "16 x T8 R4, chained, wide": ArrayConfig(
        window=8, neuron_steps=4, acc_bits=12, synaptic_current=False, chain=4, row_beats=2,
        convolution=True, wide_weights=True,
    ),
}


@pytest.mark.parametrize("name", BEHIND)
def test_drain_behind(name):
    config = BEHIND[name]
    assert run_bench(
        Drain(config), "stablespike.sim.benches.neurons.drain_behind", parameters={"config": config}
    ) == 1
