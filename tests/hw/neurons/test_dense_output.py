"""Output of a group without convolution."""

import pytest
from stablespike.hw.neurons.dense_output import DenseOutput
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import ArrayConfig

CONFIGS = {
    "16 x T4": ArrayConfig(cores=2, neuron_groups=24, synaptic_current=False),
    "4 x T1": ArrayConfig(lanes=4, window=1, state_bits=12, spike_rows=37, weight_rows=1 << 17),
    "4 x T16": ArrayConfig(lanes=4, window=16, neuron_groups=5),
    "8 x T8 in four parts": ArrayConfig(lanes=8, window=8, row_beats=4),
    "8 x T2 with recurrence": ArrayConfig(lanes=8, window=2, spike_rows=100, recurrence=True),
}


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("name", CONFIGS)
def test_dense_output(name, stall):
    config = CONFIGS[name]
    index = config.cores - 1
    parameters = {"config": config, "index": index, "stall": stall}
    assert run_bench(
        DenseOutput(config, index), "stablespike.sim.benches.neurons.dense_output",
        parameters=parameters,
    ) == 2


def test_refuses_a_core_that_is_not_there():
    with pytest.raises(ValueError, match="index must be from 0 to 1, not 2"):
        DenseOutput(ArrayConfig(cores=2), 2)
    with pytest.raises(TypeError, match="index must be an integer, not None"):
        DenseOutput(ArrayConfig(), None)
