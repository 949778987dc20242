"""Cycles of a convolutional network on an array: its bounds, and where the other cycles go.

    python benchmarks/convolution.py sw/shipped/mnist-conv.safetensors --array ecp5-85f-conv
        [--images 100] [--steps 4] [-o docs/results/convolution.json]

The samples are MNIST test images (those that come with the package). For each layer it gives the
events in a receptive field; the lower bound (cycles in which the fullest core's lanes must be
busy) and the neuron bound (``utilization.neuron_bound``); the cycles; and, of the mean core, the
cycles in which the lanes waited for rows or other cores (wait) and for the neuron unit (drain).
Then it runs the same network on the same array with one core and with eight.
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
from stablespike.timing.utilization import neuron_bound

MEMORIES = {"weight_rows": 8192, "spike_rows": 512, "neuron_groups": 64}


def run(network: ss.Network, config: ArrayConfig, steps: int, samples: Any) -> dict[str, Any]:
    """Return the figures of samples in a row."""
    program = ss.compile(network, config, steps)
    with ss.open_device("sim:", array=config) as board, ss.open_device("golden:") as golden:
        board.load(program)
        golden.load(program)
        result, expected = board.run(samples), golden.run(samples, trace=True)
        alone = [int(board.run(one[None]).counters["cycles"][0]) for one in samples[:20]]
    assert np.array_equal(result.readout, expected.readout)
    words = source_words(network, samples, expected.trace, expected.skeleton, program.window)
    guess = estimate(program, words)
    counted = result.layer_counters
    table = [{name: counted[name][:, i].mean() for name in counted.dtype.names or ()}
             for i in range(counted.shape[1])]
    bounds = neuron_bound(program).tolist()
    cores = [sum(share.groups > 0 for share in shares) for shares in program.tiles]
    layers = [
        {
            "layer": network.layer_name(i),
            "events": float(row["events"]),
            "lower_bound": float(row["lower_bound"]),
            "neuron_bound": bounds[i],
            "cycles": float(row["cycles"]),
            "wait": float(row["wait"]) / cores[i],
            "drain": float(row["drain"]) / cores[i],
        }
        for i, row in enumerate(table)
    ]
    cycles = float(result.counters["cycles"].mean())
    # The first sample of a session does not follow another one.
    taken, guessed = result.counters["cycles"][1:], guess[1:]
    return {
        "slots": config.slots,
        "cores": config.cores,
        "cycles_per_sample": cycles,
        "latency_cycles": float(np.mean(alone)),
        "lanes": sum(x["lower_bound"] for x in layers) / cycles,
        "utilization": sum(max(x["lower_bound"], x["neuron_bound"]) for x in layers) / cycles,
        "estimate_error": float(np.abs(guessed / taken - 1).max()),
        "estimate_bias": float(guessed.sum() / taken.sum() - 1),
        "layers": layers,
        "report": program.report(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", type=Path)
    parser.add_argument("--array", default="ecp5-85f-conv")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    network = ss.load(arguments.network)
    samples = pixels(shipped_images(arguments.images)[0], network)
    array = preset(arguments.array)
    found = {"network": arguments.network.stem, "images": len(samples), "array": arguments.array,
             "steps": arguments.steps}
    found["on_preset"] = run(network, array, arguments.steps, samples)
    one, eight = (
        run(network, replace(array, cores=cores, **MEMORIES), arguments.steps, samples)
        for cores in (1, 8)
    )
    found["one_core"], found["eight_cores"] = one, eight
    found["speed_up"] = one["cycles_per_sample"] / eight["cycles_per_sample"]
    found["speed_up_alone"] = one["latency_cycles"] / eight["latency_cycles"]
    print(json.dumps(found, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
