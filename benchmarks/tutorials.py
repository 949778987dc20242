"""Networks that many start from, imported for a preset: memory needed and there, and cycles.

    python benchmarks/tutorials.py [NAME ...] [--simulate] [-o docs/results/tutorials.json]

Weights are random, as torch makes them, since memory does not depend on them; neither do the
estimated cycles. A sample has 25 steps of random spikes. With ``--simulate`` one sample also runs
on the simulated board, and every spike is compared with the golden model's.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import snntorch
import stablespike as ss
import torch
from torch import nn

STEPS, RATE = 25, 0.05
THRESHOLD = 0.1  # low, so that neurons with the weights torch begins with fire


def leaky(**settings: Any) -> nn.Module:
    return snntorch.Leaky(beta=0.5, threshold=THRESHOLD, init_hidden=True, **settings)


def integrate(**settings: Any) -> nn.Module:
    return snntorch.Leaky(beta=1.0, threshold=THRESHOLD, init_hidden=True, **settings)


def dense() -> nn.Module:
    """snnTorch's tutorial 5."""
    return nn.Sequential(
        nn.Linear(784, 1000), leaky(), nn.Linear(1000, 10), leaky(output=True),
    )


def convolution(inputs: int, channels: int, outputs: int) -> nn.Module:
    """snnTorch's tutorials 6 and 7, with the max pools behind the neurons."""
    return nn.Sequential(
        nn.Conv2d(inputs, 12, 5), leaky(), nn.MaxPool2d(2),
        nn.Conv2d(12, channels, 5), leaky(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(outputs, 10), leaky(output=True),
    )


def paper() -> nn.Module:
    """The N-MNIST network of the NIR paper."""
    return nn.Sequential(
        nn.Conv2d(2, 16, 5, stride=2, padding=1, bias=False), integrate(),
        nn.Conv2d(16, 16, 3, padding=1, bias=False), integrate(), nn.AvgPool2d(2),
        nn.Conv2d(16, 8, 3, padding=1, bias=False), integrate(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(128, 256, bias=False), integrate(),
        nn.Linear(256, 10, bias=False), integrate(output=True),
    )


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], str]] = {
    "784-1000-10": (dense, (784,), "artix-100t"),
    "12C5-64C5-10": (lambda: convolution(1, 64, 1024), (1, 28, 28), "ecp5-85f-maps"),
    "12C5-32C5-10": (lambda: convolution(2, 32, 800), (2, 34, 34), "ecp5-85f-maps"),
    "nir-paper": (paper, (2, 34, 34), "ecp5-85f-maps"),
}


def measured(name: str, simulate: bool) -> dict[str, Any]:
    """Return memory and cycles of a network on its preset."""
    make, shape, array = NETWORKS[name]
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ss.FidelityWarning)  # random weights may stay silent
        network = ss.from_snntorch(make(), shape, steps=2, array=array)
    program = ss.compile(network, array, steps=STEPS)
    found: dict[str, Any] = {
        "array": array,
        "steps": STEPS,
        "memory": {
            field: [count, getattr(program.config, field)]
            for field, count in program.needed.items()
        },
        "estimated_cycles": {str(share): count for share, count in program.cycles().items()},
    }
    if simulate:
        found |= simulated(program, array, shape)
    return found


def simulated(program: ss.Program, array: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """Return cycles and differing spikes of a sample on the simulated board."""
    samples = np.random.default_rng(0).random((1, STEPS, *shape)) < RATE
    with ss.open_device("golden:") as device:
        device.load(program)
        golden = device.run(samples, trace=True)
    with ss.open_device(f"sim:{array}") as device:
        device.load(program)
        board = device.run(samples, trace=True)
        cycles = device.run(samples).counters["cycles"]  # the trace takes cycles too
    pairs = zip(golden.trace, board.trace, strict=True)
    return {
        "cycles": int(cycles[0]),
        "compared": sum(each.size for each in golden.trace),
        "spikes": [int(each.sum()) for each in golden.trace],
        "different": sum(int((ours != theirs).sum()) for ours, theirs in pairs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NETWORKS))
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    found = {name: measured(name, arguments.simulate) for name in arguments.names or NETWORKS}
    text = json.dumps(found, indent=2)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
