"""All 10,000 MNIST test images on the simulated board: every spike word against golden.

    python benchmarks/mnist10k.py [--array icebreaker] [-o docs/results/mnist10k.json]

needs the MNIST files (see ``stablespike.datasets``). Cycles are the simulated board's, of samples
that follow each other, in the traced run; the estimate is checked against an untraced one.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import stablespike as ss
from stablespike.counters import source_words
from stablespike.datasets import mnist, shipped_path
from stablespike.demo import NETWORK, STEPS, pixels
from stablespike.estimate import estimate
from stablespike.verify import Comparison, compare

BATCH = 500


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--array", default="icebreaker")
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    network = ss.load(shipped_path(NETWORK))
    program = ss.compile(network, arguments.array, STEPS)
    images, labels = mnist("test")
    samples = pixels(images, network)
    comparison = Comparison()
    right = cycles = bound = estimated = link = 0
    with ss.open_device(f"sim:{arguments.array}") as board, ss.open_device("golden:") as golden:
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
            traces = expected.trace, expected.skeleton
            words = source_words(network, batch, *traces, program.config.window)
            estimated += int(estimate(program, words).sum())
            print(f"{at + len(batch):,} images, {comparison.mismatches} differences", flush=True)
    count = len(samples)
    figures = {
        "images": count,
        "array": arguments.array,
        "accuracy": right / count,
        "words": comparison.words,
        "mismatches": comparison.mismatches,
        "cycles_per_image": cycles / count,
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
