"""snnTorch modules for tests, with weights on the grid."""

import pytest
import stablespike as ss
import torch
from import_models import INPUTS, chain, source_spikes, spikes

snn = pytest.importorskip("snntorch")

STEPS = 4  # at most fraction_bits: with a leak of 1/2, weights on the grid lose nothing
SAMPLES = spikes(7, 270, STEPS)
LIF = {"beta": 0.5, "init_hidden": True}


def model(kind, seed=0, grid=None, **settings):
    first = kind(init_hidden=True, **settings)
    return chain(first, kind(init_hidden=True, output=True, **settings), seed, **(grid or {}))


def neurons(module):
    return [child for child in module.modules() if isinstance(child, snn.SpikingNeuron)]


def started(module):
    for neuron in neurons(module):
        neuron.reset_mem()
    return source_spikes(module, neurons(module), SAMPLES)


def imported(module, **options):
    return ss.from_snntorch(module, (INPUTS,), steps=STEPS, **options)


def ending(*layers):
    return torch.nn.Sequential(*list(model(snn.Leaky, beta=0.5))[:3], *layers)
