"""The simulated board: the time of its first build, its clock, and images per second.

    python benchmarks/board.py [--array icebreaker]

The build is done from scratch, in a folder of its own. The rate is that of the whole driver, for
the images that come with the package.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time

import stablespike as ss
from stablespike.datasets import shipped_mnist, shipped_path
from stablespike.datasets.shipped import NETWORK, STEPS, pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--array", default="icebreaker")
    array = parser.parse_args().array
    network = ss.load(shipped_path(NETWORK))
    program = ss.compile(network, array, STEPS)
    samples = pixels(shipped_mnist()[0], network)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STABLESPIKE_CACHE"] = folder
        opened = []
        for _ in range(2):
            began = time.perf_counter()
            ss.open_device(f"sim:{array}").close()
            opened.append(time.perf_counter() - began)
        with ss.open_device(f"sim:{array}") as board:
            board.load(program)
            first, began = board.transport.cycles, time.perf_counter()
            board.run(samples)
            seconds = time.perf_counter() - began
            cycles = board.transport.cycles - first
    print(json.dumps({
        "array": array,
        "first_build_seconds": round(opened[0], 1),
        "open_seconds": round(opened[1], 2),
        "images": len(samples),
        "seconds": round(seconds, 2),
        "simulated_mhz": round(cycles / seconds / 1e6, 2),
    }, indent=2))


if __name__ == "__main__":
    main()
