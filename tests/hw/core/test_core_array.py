"""Cores and the array, on random networks."""

import numpy as np
import pytest
from random_networks import random_maps, random_network, random_samples
from stablespike import Conv2d, compile
from stablespike.hw.array import CoreArray
from stablespike.hw.core.core import Core
from stablespike.program.files import save_program
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import ArrayConfig
from stablespike.support.errors import DoesNotFit

SMALL = {
    "lanes": 4, "weight_rows": 400, "spike_rows": 40, "neuron_groups": 32, "tasks": 8,
    "row_queue": 4,
}
MAPS = {
    **SMALL, "weight_rows": 1200, "spike_rows": 256, "state_groups": 256, "convolution": True
}
CORES = {
    "T4 R2 synapse": ArrayConfig(**SMALL, window=4, neuron_steps=2),
    "T4 R1": ArrayConfig(**SMALL, window=4, synaptic_current=False, acc_bits=10),
    "T4 R2 synapse, 2 beats": ArrayConfig(**SMALL, window=4, neuron_steps=2, row_beats=2),
    "T4 R2 synapse, convolution": ArrayConfig(**MAPS, window=4, neuron_steps=2),
}
ARRAYS = {
    "2 cores T4": ArrayConfig(**SMALL, cores=2, window=4, synaptic_current=False, acc_bits=10),
    "2 cores T1 F0": ArrayConfig(
        **SMALL, cores=2, window=1, fraction_bits=0, state_bits=12, acc_bits=9,
        synaptic_current=False,
    ),
    "2 cores T4, chains of 2, 2 beats": ArrayConfig(
        **SMALL, cores=2, window=4, synaptic_current=False, acc_bits=10, chain=2, row_beats=2
    ),
}


def write_cases(folder, config, count, seed):
    """``count`` random programs for an array, with a sample for each; returns the folder.

    For arrays with convolution, two of three have one.
    """
    rng = np.random.default_rng(seed)
    done = 0
    for _ in range(40 * count):
        widths = {
            "fraction_bits": config.fraction_bits, "state_bits": config.state_bits,
            "pixel_bits": min(8, config.window),
        }
        if config.convolution and done % 3:
            network = random_maps(
                rng, synapse=config.synaptic_current, recurrent=False, wide=config.wide_weights,
                **widths,
            )
            if not any(isinstance(layer, Conv2d) for layer in network.layers):
                continue
        else:
            network = random_network(
                rng, synapse=config.synaptic_current, width=(1, 20), **widths
            )
        steps = int(rng.integers(1, 10))
        sample = random_samples(rng, network, 1, steps)[0]
        try:
            program = compile(network, config, steps)
        except DoesNotFit:
            continue
        save_program(program, folder / f"{done:02}.program")
        np.save(folder / f"{done:02}.npy", sample.astype(np.int64))
        done += 1
        if done == count:
            return str(folder)
    raise AssertionError(f"only {done} of {count} networks fit the array")


@pytest.mark.parametrize("name", CORES)
def test_core(name, tmp_path):
    config = CORES[name]
    folder = write_cases(tmp_path, config, 9 if config.convolution else 20, seed=1)
    assert run_bench(
        Core(config, 0), "stablespike.sim.benches.core.core",
        parameters={"config": config, "folder": folder},
    ) == 2


@pytest.mark.parametrize("name", ARRAYS)
def test_array(name, tmp_path):
    config = ARRAYS[name]
    folder = write_cases(tmp_path, config, 10, seed=2)
    assert run_bench(
        CoreArray(config), "stablespike.sim.benches.core.array", parameters={"folder": folder}
    ) == 1


def test_refuses_a_core_that_is_not_there():
    with pytest.raises(ValueError, match="index must be from 0 to 0, not 1"):
        Core(ArrayConfig(), 1)
