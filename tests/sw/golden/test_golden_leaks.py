"""A layer of several leaks is several layers of one leak, each with its own neurons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import stablespike as ss
from random_networks import random_maps, random_network, random_samples

LEAKS = [(1, None), (None, None), (2, 5), (0, None), (3, 3)]


@pytest.mark.parametrize("seed", range(40))
def test_each_neuron_has_its_own_leak(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_maps(rng) if seed % 2 else random_network(rng, width=(1, 20))
    # One layer, so that nothing else depends on the leaks, with every spike counted.
    layer = network.layers[0]
    if layer.recurrent is not None:
        layer = replace(layer, recurrent=None)
    kind = rng.integers(0, len(LEAKS), layer.channels)
    synapse = layer.neuron.synapse_leak is not None

    def of(leak: object, synapse_leak: object) -> ss.Network:
        neuron = replace(
            layer.neuron, leak=leak, synapse_leak=synapse_leak if synapse else None
        )
        mine = replace(layer, neuron=neuron, emit="spikes")
        return ss.Network(network.input, [mine], "membrane", 8, network.fraction_bits)

    steps = 12
    samples = random_samples(rng, network, 4, steps)
    together = of([LEAKS[k] for k in kind], [LEAKS[-1 - k] for k in kind])
    ours = ss.Golden(together).run(samples, steps, trace=True)
    positions = ours.readout.shape[1] // layer.channels
    channels = np.repeat(kind, positions)
    for k in set(kind.tolist()):
        alone = ss.Golden(of(LEAKS[k], LEAKS[-1 - k])).run(samples, steps, trace=True)
        assert (ours.spikes[0][:, :, kind == k] == alone.spikes[0][:, :, kind == k]).all()
        assert (ours.readout[:, channels == k] == alone.readout[:, channels == k]).all()
        for name in ("v", "r", "q"):
            mine, other = (getattr(each.state[0], name) for each in (ours, alone))
            if name == "q" and not synapse:
                assert mine is other is None
            else:
                assert (mine[:, channels == k] == other[:, channels == k]).all()
