"""The golden model compared with snnTorch's own forward pass of the same network.

    python benchmarks/golden.py

The network is 784-128-10 with pixels as constant currents and 4 steps. Both run on the CPU, with
the same number of threads and without gradients. Both have the same 4-bit weights, biases and
thresholds, and must predict the same class for every image before anything is timed: the leak is
1/2 and the values are small, so that snnTorch's float32 is exact too.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import snntorch
import stablespike as ss
import torch

STEPS = 4
SIZES = (784, 128, 10)


def network(rng: np.random.Generator) -> ss.Network:
    """Return a network of random weights that fires in about 10 % to 40 % of its neuron-steps."""
    neuron = ss.Neuron(
        leak=(1, None), threshold=1 << 10, reset="subtract", reset_timing="next_step", compare="gt"
    )
    layers = [
        ss.Dense(rng.integers(-8, 8, (outputs, inputs)), neuron=neuron)
        for inputs, outputs in pairwise(SIZES)
    ]
    return ss.Network(ss.PixelInput((SIZES[0],), bits=4), layers, fraction_bits=4)


def snntorch_forward(net: ss.Network) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return snnTorch's forward pass of the network, a function of pixels that gives counts."""
    scale, modules = 1 << net.fraction_bits, []
    for layer in net.layers:
        linear = torch.nn.Linear(layer.inputs, layer.outputs)
        linear.weight.data = torch.tensor(layer.weight * scale, dtype=torch.float32)
        linear.bias.data = torch.tensor(layer.bias, dtype=torch.float32)
        leaky = snntorch.Leaky(beta=0.5, threshold=float(layer.threshold[0]))
        modules.append((linear, leaky))

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        membranes = [leaky.reset_mem() for _, leaky in modules]
        counts = torch.zeros(len(pixels), SIZES[-1])
        for _ in range(STEPS):
            spikes = pixels
            for i, (linear, leaky) in enumerate(modules):
                spikes, membranes[i] = leaky(linear(spikes), membranes[i])
            counts = counts + spikes
        return counts

    return forward


def best(functions: list[Callable[[], object]], repeats: int) -> list[float]:
    """Return the seconds of each fastest run; they alternate, so a busy machine slows both."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for function, mine in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            mine.append(time.perf_counter() - start)
    return [min(mine) for mine in times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=100)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    rng = np.random.default_rng(0)
    net = network(rng)
    pixels = rng.integers(0, 16, (options.batch, SIZES[0])) * (rng.random(SIZES[0]) < 0.2)
    floats = torch.tensor(pixels, dtype=torch.float32)
    golden, theirs = ss.Golden(net), snntorch_forward(net)
    with torch.no_grad():
        result, counts = golden.run(floats, STEPS), theirs(floats)
        same = float((result.readout == counts.numpy()).mean())
        ours_s, theirs_s = best(
            [lambda: golden.run(floats, STEPS), lambda: theirs(floats)], options.repeats
        )
    neuron_steps = options.batch * sum(SIZES[1:]) * STEPS
    print(
        json.dumps(
            {
                "batch": options.batch,
                "threads": options.threads,
                "firing_rate": round(float(result.spike_counts.sum() / neuron_steps), 3),
                "equal_counts": same,
                "golden_ms": round(1e3 * ours_s, 3),
                "snntorch_ms": round(1e3 * theirs_s, 3),
                "times_as_fast": round(theirs_s / ours_s, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
