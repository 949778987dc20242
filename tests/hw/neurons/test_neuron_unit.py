"""Neuron unit."""

import pytest
from stablespike.hw.neurons.neuron_unit import NeuronUnit
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import ArrayConfig
from wrapped import Wrapped, multiplier_model

SMALL = {"lanes": 4, "state_bits": 8, "fraction_bits": 0, "acc_bits": 8}
CONFIGS = {
    "V8 R1": ArrayConfig(**SMALL, window=4, synaptic_current=False),
    "V8 R2 synapse": ArrayConfig(**SMALL, window=4, neuron_steps=2),
    "V16 R4": ArrayConfig(window=8, neuron_steps=4, acc_bits=14, synaptic_current=False),
    "V12 T1 synapse": ArrayConfig(window=1, state_bits=12, fraction_bits=8, acc_bits=24),
    "V16 R4 synapse": ArrayConfig(window=4, neuron_steps=4),
    "V16 R4 convolution, chained, wide": ArrayConfig(
        window=8, neuron_steps=4, acc_bits=12, synaptic_current=False, chain=2, convolution=True,
        wide_weights=True,
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_neuron_unit(name):
    config = CONFIGS[name]
    assert run_bench(
        NeuronUnit(config), "stablespike.sim.benches.neurons.neuron_unit",
        parameters={"config": config}
    ) == 3


@pytest.mark.parametrize(("bits", "convolution"), [(8, False), (16, True)])
def test_leaks_in_multipliers(bits, convolution):
    """On the iCE40UP5K, whose multipliers would lie idle."""
    config = ArrayConfig(
        lanes=4, state_bits=bits, synaptic_current=False, convolution=convolution
    )
    component = Wrapped(NeuronUnit(config), "iCE40UP5K")
    assert run_bench(
        component, "stablespike.sim.benches.neurons.neuron_unit", name="NeuronUP5K",
        parameters={"config": config}, models=multiplier_model(),
    ) == 3
