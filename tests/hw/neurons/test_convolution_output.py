"""Output of a group with convolution."""

import pytest
from stablespike.hw.neurons.convolution_output import ConvolutionOutput
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import ArrayConfig

CONFIGS = {
    "4 x T1": ArrayConfig(
        lanes=4, window=1, state_bits=12, spike_rows=37, weight_rows=1 << 17, convolution=True
    ),
    "8 x T8 in four parts, chained, recurrent": ArrayConfig(
        cores=2, lanes=8, window=8, row_beats=4, chain=4, convolution=True, recurrence=True
    ),
    "16 x T16 in two parts": ArrayConfig(window=16, row_beats=2, convolution=True),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_convolution_output(name):
    config = CONFIGS[name]
    index = config.cores - 1
    assert run_bench(
        ConvolutionOutput(config, index), "stablespike.sim.benches.neurons.convolution_output",
        parameters={"config": config, "index": index},
    ) == 1


def test_refuses_a_core_that_is_not_there():
    with pytest.raises(ValueError, match="index must be from 0 to 1, not 2"):
        ConvolutionOutput(ArrayConfig(cores=2, convolution=True), 2)
