"""The golden model compared with snnTorch's own forward pass of the same network.

    python benchmarks/golden.py [-o docs/results/golden.json]

``dense`` is 784-128-10, whose leak of 1/2 and small values keep snnTorch's float32 exact.
``mnist-conv`` is the shipped network, without a leak. Pixels are constant currents, and there are
4 steps. Both run on the CPU, with the same number of threads and without gradients, and must
predict the same class for every image before anything is timed. Times are those of the fastest run.

``--line`` prints the golden model's seconds alone, and does without snnTorch. Those of one thread
are also given as the processor's, which other work on the machine changes less.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import stablespike as ss
import torch
from stablespike.datasets import shipped_mnist

STEPS = 4
SIZES = (784, 128, 10)
NETWORKS = ("dense", "mnist-conv")
SECONDS = 0.5  # of runs that are thrown away


def dense(rng: np.random.Generator) -> ss.Network:
    """Return a network of random weights that fires in about 10 % to 40 % of its neuron-steps."""
    neuron = ss.Neuron(
        leak=(1, None), threshold=1 << 10, reset="subtract", reset_timing="next_step", compare="gt"
    )
    layers = [
        ss.Dense(rng.integers(-8, 8, (outputs, inputs)), neuron=neuron)
        for inputs, outputs in pairwise(SIZES)
    ]
    return ss.Network(ss.PixelInput((SIZES[0],), bits=4), layers, fraction_bits=4)


def given(name: str, batch: int) -> tuple[ss.Network, torch.Tensor]:
    """Return a network and float pixels for it."""
    if name == "dense":
        rng = np.random.default_rng(0)
        net = dense(rng)
        pixels = rng.integers(0, 16, (batch, SIZES[0])) * (rng.random(SIZES[0]) < 0.2)
    else:
        net = ss.load(Path(ss.__file__).parent / "shipped" / f"{name}.safetensors")
        images = shipped_mnist()[0][:batch]
        pixels = np.rint(images.reshape(-1, *net.input.shape) * (15 / 255))
    return net, torch.tensor(pixels, dtype=torch.float32)


class Theirs(torch.nn.Module):
    """The layers of a network in snnTorch and torch, a function of pixels that gives the readout.

    snnTorch subtracts a threshold one step after the spike. Without a leak that is the same as in
    the step of the spike. Its neurons fire above the threshold; with whole numbers, membranes that
    start at 1/2 are above it where the network's are at least at it.
    """

    def __init__(self, net: ss.Network) -> None:
        super().__init__()
        import snntorch

        self.counts, self.parts = net.readout == "counts", torch.nn.ModuleList()
        self.first = 0.0 if net.layers[0].neuron.compare == "gt" else 0.5
        for layer in net.layers:
            neuron, weight = layer.neuron, torch.tensor(layer.weight << net.fraction_bits)
            whole = tuple(neuron.leak) == (None, None)
            delayed = neuron.reset_timing == "next_step"
            if not whole and not delayed:
                raise ValueError("snnTorch resets one step later, so neurons must not leak")
            convolution, threshold = weight.ndim == 4, torch.tensor(layer.threshold).float()
            module: torch.nn.Module = torch.nn.Linear(*reversed(weight.shape[:2]))
            if convolution:
                threshold = threshold[:, None, None]
                module = torch.nn.Conv2d(
                    *reversed(weight.shape[:2]), layer.kernel, layer.stride, layer.padding
                )
            module.weight.data = weight.float()
            module.bias.data = torch.tensor(layer.bias, dtype=torch.float32)
            leaky = snntorch.Leaky(
                beta=1.0 if whole else 0.5, threshold=threshold,
                reset_mechanism="subtract" if neuron.fires else "none",
            )
            pool = torch.nn.Identity()
            if layer.pool_after is not None:
                pool = torch.nn.MaxPool2d(layer.pool_after.size)
            if not convolution:
                module = torch.nn.Sequential(torch.nn.Flatten(), module)
            self.parts.append(torch.nn.ModuleList([module, leaky, pool]))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        membranes: list[Any] = [None] * len(self.parts)
        counts = torch.zeros(())
        for _ in range(STEPS):
            spikes = pixels
            for i, (module, leaky, pool) in enumerate(self.parts):
                current = module(spikes)
                if membranes[i] is None:
                    membranes[i] = torch.full_like(current, self.first)
                spikes, membranes[i] = leaky(current, membranes[i])
                spikes = pool(spikes)
            counts = counts + spikes
        return counts if self.counts else membranes[-1]


def best(functions: list[Callable[[], object]], repeats: int) -> list[float]:
    """Return the seconds of each fastest run; they alternate, so a busy machine slows both."""
    return list(map(min, runs(functions, repeats, time.perf_counter)))


def runs(
    functions: list[Callable[[], object]], repeats: int, clock: Callable[[], float]
) -> list[list[float]]:
    """Return the seconds of each run, in turns."""
    began = time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        for function in functions:
            function()
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for function, mine in zip(functions, times, strict=True):
            start = clock()
            function()
            mine.append(clock() - start)
    return times


def compared(name: str, batch: int, threads: int, repeats: int) -> dict[str, Any]:
    """Return the figures of a network."""
    torch.set_num_threads(threads)
    net, pixels = given(name, batch)
    golden, theirs = ss.Golden(net), Theirs(net)
    both = [lambda: golden.run(pixels, STEPS), lambda: theirs(pixels)]
    with torch.no_grad():
        result, found = golden.run(pixels, STEPS), theirs(pixels)
        same = bool((result.prediction == found.argmax(1).numpy()).all())
        if not same:
            raise ValueError(f"the predictions of {name} differ")
        ours_s, theirs_s = best(both, repeats)
        ours_cpu, theirs_cpu = map(min, runs(both, repeats, time.process_time))
    neuron_steps = STEPS * sum(int(np.prod(shape)) for shape in net.neuron_shapes)
    return {
        "network": name,
        "batch": batch,
        "threads": threads,
        "firing_rate": round(float(result.spike_counts.sum() / batch / neuron_steps), 3),
        "golden_ms": round(1e3 * ours_s, 3),
        "snntorch_ms": round(1e3 * theirs_s, 3),
        "times_as_fast": round(theirs_s / ours_s, 2),
        "processor_times_as_fast": round(theirs_cpu / ours_cpu, 2),
    }


def line(batch: int, repeats: int) -> dict[str, float]:
    """Return the golden model's seconds, by network and threads."""
    found = {}
    for name in NETWORKS:
        net, pixels = given(name, batch)
        golden = ss.Golden(net)
        for threads in (1, 2):
            torch.set_num_threads(threads)
            mine: list[Callable[[], object]] = [partial(golden.run, pixels, STEPS)]
            (found[f"{name}, {threads} threads"],) = best(mine, repeats)
            if threads == 1:
                found[f"{name}, processor"] = min(runs(mine, repeats, time.process_time)[0])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS, help="By default both.")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--line", action="store_true", help="Print one line, without snnTorch.")
    parser.add_argument("-o", "--output", type=Path, help="JSON file to write.")
    options = parser.parse_args()
    if options.line:
        print(json.dumps(line(options.batch, options.repeats)))
        return
    rows = []
    for name in options.networks:
        for threads in options.threads:
            rows.append(compared(name, options.batch, threads, options.repeats))
            print(json.dumps(rows[-1]), flush=True)
    if options.output:
        options.output.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
