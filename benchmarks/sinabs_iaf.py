"""sinabs's IAF neuron with at most one spike per step, compared with ours with the same weights.

    python benchmarks/sinabs_iaf.py

The networks are 24-40-20 with random weights on a grid, the samples random spikes with a rate of
0.4, over 4 steps. sinabs needs an older nir than the importers do, so it is installed without them.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import sinabs.layers
import stablespike as ss
import torch
from sinabs.activation import MembraneSubtract, SingleSpike

SIZES = (24, 40, 20)
SAMPLES, STEPS, SEEDS = 270, 4, 5


def main() -> None:
    different, compared = {"ge": 0, "gt": 0}, 0
    for seed in range(SEEDS):
        generator = torch.Generator().manual_seed(seed)
        weights = [
            [torch.randint(-8, 8, shape, generator=generator) for shape in ((out, count), (out,))]
            for count, out in pairwise(SIZES)
        ]
        rng = np.random.default_rng(1000 + seed)
        samples = rng.random((SAMPLES, STEPS, SIZES[0])) < 0.4
        value, source = torch.from_numpy(samples).float(), []
        for weight, bias in weights:
            neurons = sinabs.layers.IAF(spike_fn=SingleSpike, reset_fn=MembraneSubtract())
            with torch.no_grad():
                value = neurons(value @ (weight.T / 8) + bias / 8)
            source.append(value.numpy() > 0)
        for compare in different:
            neuron = ss.Neuron(threshold=8 * 16, compare=compare)
            layers = [ss.Dense(w.numpy(), 16 * b.numpy(), neuron=neuron) for w, b in weights]
            network = ss.Network(ss.SpikeInput(SIZES[:1]), layers)
            ours = ss.Golden(network).run(samples, trace=True).spikes
            pairs = zip(ours, source, strict=True)
            different[compare] += sum(int((a != b).sum()) for a, b in pairs)
        compared += sum(each.size for each in source)
    for compare, count in different.items():
        print(f"sinabs IAF, single spike, {compare}: {count} of {compared} differ")


if __name__ == "__main__":
    main()
