"""Cycles and memory of layers with several leaks, on simulated boards.

    python benchmarks/leaks.py [-o docs/results/leaks.json]

Each neuron of the first layer has a leak drawn from the first 1, 2, 4, 8 or 16 of (1, None),
(1, 15), (1, 14), ...: most of these make almost the same spikes, so the cycles differ by the tasks
and the groups, not by events. 784-256-10 is the shipped network on shipped images;
64-64-10 and the convolution have random weights, and a fifth of their inputs is active.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import stablespike as ss
from stablespike.datasets.shipped import pixels, shipped_images
from stablespike.golden.counters import source_words
from stablespike.spec import ArrayConfig, preset
from stablespike.timing.estimate import estimate

SAMPLES, STEPS = 40, 4
COUNTS = (1, 2, 4, 8, 16)
ONE = replace(preset("icebreaker"), tasks=32, weight_rows=32768)
ARRAYS = {
    "icebreaker, with room for 16 leaks": ONE,
    "the same with 4 cores": replace(ONE, cores=4),
    "the same with convolution": replace(
        ONE, convolution=True, state_groups=4096, spike_rows=1024, acc_bits=16
    ),
}


def leaky(network: ss.Network, count: int) -> ss.Network:
    """Return the network with that many leaks in its first layer."""
    layer = network.layers[0]
    leaks = [(1, None if n == 0 else 16 - n) for n in range(count)]
    of = np.random.default_rng(0).integers(0, count, layer.channels)
    of[:count] = np.arange(count)
    neuron = replace(layer.neuron, leak=[leaks[n] for n in of])
    return replace(network, layers=(replace(layer, neuron=neuron), *network.layers[1:]))


def networks() -> dict[str, tuple[ss.Network, Any]]:
    rng = np.random.default_rng(1)

    def dense(outputs: int, inputs: int) -> ss.Dense:
        weight = rng.integers(-7, 8, (outputs, inputs))
        return ss.Dense(weight, neuron=ss.Neuron(leak=(1, None), threshold=16 * 20))

    mnist = ss.load("sw/shipped/mnist-mlp-256.safetensors")
    small = ss.Network(ss.SpikeInput((64,)), [dense(64, 64), dense(10, 64)])
    conv = ss.Conv2d(
        rng.integers(-7, 8, (32, 1, 3, 3)), padding=1, pool_after=ss.MaxPool2d(2),
        neuron=ss.Neuron(leak=(1, None), threshold=16 * 10),
    )
    maps = ss.Network(ss.SpikeInput((1, 12, 12)), [conv, dense(10, 32 * 36)])
    return {
        "784-256-10": (mnist, pixels(shipped_images(SAMPLES)[0], mnist)),
        "64-64-10": (small, rng.random((SAMPLES, STEPS, 64)) < 0.2),
        "12 x 12, 32 channels of 3 x 3, 10": (maps, rng.random((SAMPLES, STEPS, 1, 12, 12)) < 0.2),
    }


def measured(board: ss.Device, network: ss.Network, samples: Any, config: ArrayConfig) -> Any:
    """Return the figures of samples in a row, which golden computes too."""
    program = ss.compile(network, config, STEPS)
    with ss.open_device("golden:") as golden:
        board.load(program)
        golden.load(program)
        result, expected = board.run(samples), golden.run(samples, trace=True)
    assert np.array_equal(result.readout, expected.readout)
    words = source_words(network, samples, expected.trace, expected.skeleton, program.window)
    # The first sample of a session does not follow another one.
    taken, guessed = result.counters["cycles"][1:], estimate(program, words)[1:]
    without = estimate(program, words, counters=False)[1:]
    return {
        "cycles": float(taken.mean()),
        "estimated": float(guessed.mean()),
        "estimated_without_counters": float(without.mean()),
        "groups": program.groups[0].count,
        "tasks": program.needed["tasks"],
        "weight_rows": program.needed["weight_rows"],
        "spikes": float(result.counters["spikes"].mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path)
    output = parser.parse_args().output
    found = []
    for array, config in ARRAYS.items():
        with ss.open_device("sim:", array=config) as board:
            for name, (network, samples) in networks().items():
                if (network.layers[0].kind == "conv2d") != config.convolution:
                    continue
                for count in COUNTS:
                    figures = measured(board, leaky(network, count), samples, config)
                    found.append({"array": array, "network": name, "leaks": count, **figures})
                    print(json.dumps(found[-1]))
    if output:
        output.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
