"""Decays that snnTorch learned, one per neuron: its own spikes on the simulated board."""

from __future__ import annotations

import numpy as np
import pytest
import stablespike as ss
from agreement import agree
from test_random import ARRAYS

snn = pytest.importorskip("snntorch")
torch = pytest.importorskip("torch")

STEPS, INPUTS = 3, 24  # with 4 fraction bits, leaks of up to 1/4 round nothing


def module_of(seed: int):
    generator = torch.Generator().manual_seed(seed)

    def weights(inputs: int, outputs: int):
        layer = torch.nn.Linear(inputs, outputs)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(torch.randint(-8, 8, parameter.shape, generator=generator) / 8)
        return layer

    def neurons(count: int, **settings):
        few = torch.tensor([0.0, 0.5, 0.75, 1.0])
        beta = few[torch.randint(0, 4, (count,), generator=generator)]
        return snn.Leaky(beta=beta, learn_beta=True, init_hidden=True, **settings)

    return torch.nn.Sequential(
        weights(INPUTS, 40), neurons(40), weights(40, 20), neurons(20, output=True)
    )


def spikes_of(module, samples: np.ndarray) -> list[np.ndarray]:
    """(batch, steps, neurons) spikes of its neurons, called step by step."""
    neurons = [module[1], module[3]]
    kept: list[list] = [[], []]
    for neuron in neurons:
        neuron.reset_mem()
    with torch.no_grad():
        for t in range(samples.shape[1]):
            hidden = neurons[0](module[0](torch.from_numpy(samples[:, t]).float()))
            last, _ = neurons[1](module[2](hidden))
            kept[0].append(hidden)
            kept[1].append(last)
    return [torch.stack(each, 1).numpy() > 0 for each in kept]


@pytest.mark.parametrize("name", ["1x16 T4 R1", "3x8 T4 R4, chains of 4, 2 beats"])
def test_learned_betas(name: str) -> None:
    config = ARRAYS[name]
    with ss.open_device("sim:", array=config) as device:
        for seed in range(3):
            module = module_of(seed)
            network = ss.from_snntorch(module, (INPUTS,), steps=STEPS)
            assert network.fidelity is not None
            assert network.fidelity.exact
            program = ss.compile(network, config, STEPS)
            assert max(len(program.parts(0, core)) for core in range(config.cores)) > 1
            samples = (np.random.default_rng(seed).random((40, STEPS, INPUTS)) < 0.4).astype(int)
            agree(device, program, samples)
            ours = device.run(samples, trace=True).trace
            for mine, theirs in zip(ours, spikes_of(module, samples), strict=True):
                assert 0.01 < mine.mean() < 0.98
                assert (mine == theirs).all()
