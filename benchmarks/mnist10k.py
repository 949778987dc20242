"""All 10,000 MNIST test images on a simulated board: every spike word compared with golden.

    python benchmarks/mnist10k.py [--array icebreaker] [--network net.safetensors --steps 2]
        [--images 10000] [-o docs/results/mnist10k.json]

It needs the MNIST files (see ``stablespike.datasets``). Cycles are the simulated board's, for
samples in a row and for each sample alone on the device (core latency: from its last input word to
its last result), with counters and without. The network is the largest shipped one that the array
holds, unless one is given.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import stablespike as ss
from stablespike.cli.demo import shipped_program
from stablespike.datasets import mnist
from stablespike.datasets.shipped import STEPS, pixels
from stablespike.device.open import LinkDevice
from stablespike.device.verify import Comparison, compare
from stablespike.golden.counters import source_words
from stablespike.timing.estimate import estimate

BATCH = 500


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--array", default="icebreaker")
    parser.add_argument("--network", type=Path)
    parser.add_argument("--steps", type=int, default=STEPS, help="Steps of a sample (default 4).")
    parser.add_argument("--images", type=int, default=10_000, help="Number of images.")
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    if arguments.network:
        name, network = arguments.network.stem, ss.load(arguments.network)
    else:
        name, shipped = shipped_program(arguments.array)
        network = shipped.network
    program = ss.compile(network, arguments.array, arguments.steps)
    images, labels = (each[: arguments.images] for each in mnist("test"))
    samples = pixels(images, network)
    comparison = Comparison()
    right = cycles = bound = estimated = link = alone = bare = 0
    with ss.open_device(f"sim:{arguments.array}") as board, ss.open_device("golden:") as golden:
        if isinstance(board, LinkDevice):
            board.times = True  # in runs without counters, too
        board.load(program)
        golden.load(program)
        for at in range(0, len(samples), BATCH):
            batch = samples[at : at + BATCH]
            expected = golden.run(batch, trace=True)
            compare(expected, board.run(batch, trace=True), program, comparison)
            plain = board.run(batch)
            compare(golden.run(batch), plain, program, comparison)
            right += int((plain.prediction == labels[at : at + BATCH]).sum())
            cycles += int(plain.counters["cycles"].sum())
            bound += int(plain.counters["lower_bound"].sum())
            link += plain.link_bytes.total
            for sample in batch:
                alone += int(board.run(sample[None]).counters["cycles"][0])
                before = board.busy_time
                board.run(sample[None], counters=False)
                bare += board.busy_time - before
            traces = expected.trace, expected.skeleton
            words = source_words(network, batch, *traces, program.config.window)
            estimated += int(estimate(program, words).sum())
            print(f"{at + len(batch):,} images, {comparison.mismatches} differences", flush=True)
    count = len(samples)
    figures = {
        "network": name,
        "images": count,
        "steps": program.steps,
        "array": arguments.array,
        "accuracy": right / count,
        "words": comparison.words,
        "mismatches": comparison.mismatches,
        "cycles_per_image": cycles / count,
        "latency_cycles": alone / count,
        "latency_cycles_without_counters": bare / count,
        "estimated_cycles_per_image": estimated / count,
        "utilization": bound / cycles,
        "link_bytes_per_image": link / count,
    }
    print(json.dumps(figures, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(figures, indent=2) + "\n")
    if comparison.first:
        print(comparison.first, file=sys.stderr)
    return int(comparison.mismatches > 0)


if __name__ == "__main__":
    raise SystemExit(main())
