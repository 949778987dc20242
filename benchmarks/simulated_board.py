"""Speed of the simulated board: clocks and images a second, of wall time.

    python benchmarks/simulated_board.py [--array PRESET ...] [--boards N] [--images N]

Prints one line of JSON. The board is built before the time is taken, and the shipped images run in
batches, with counters. It uses only names that every version of the package has; a version that
runs one board only runs one. With ``--build``, the time of a first build is taken instead, with
``$STABLESPIKE_CACHE`` at an empty folder.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import stablespike as ss

NETWORKS = {"ecp5-85f-conv": "mnist-conv"}
BATCH = 25


def shipped(name: str) -> tuple[Any, Any]:
    """Return a shipped network and the images as it reads them."""
    from stablespike.datasets import shipped_mnist, shipped_path

    network = ss.load(shipped_path(f"{name}.safetensors"))
    images = shipped_mnist()[0]
    try:
        from stablespike.datasets.shipped import pixels
    except ImportError:
        from stablespike.datasets import pixels

        shape = network.input.shape
        return network, pixels(images, shape[-1], network.input.bits).reshape(-1, *shape)
    return network, pixels(images, network)


def opened(array: str, boards: int) -> Any:
    """Return the simulated device; of one board where the package knows no more."""
    if boards > 1:
        try:
            return ss.open_device(f"sim:{array}?boards={boards}")
        except ValueError:
            pass
    return ss.open_device(f"sim:{array}")


def built(array: str) -> dict[str, float]:
    """Measure a first build."""
    began = time.perf_counter()
    with ss.open_device(f"sim:{array}"):
        return {f"{array}: seconds of the first build": time.perf_counter() - began}


def measured(array: str, boards: int, images: int) -> dict[str, float]:
    """Measure a run."""
    network, samples = shipped(NETWORKS.get(array, "mnist-mlp"))
    program = ss.compile(network, array=array, steps=4)
    samples = np.tile(samples, (-(-images // len(samples)),) + (1,) * (samples.ndim - 1))[:images]
    with opened(array, boards) as device:
        device.load(program)
        device.run(samples[:boards])
        clocks, began = device.transport.cycles, time.perf_counter()
        for _ in device.run(samples[at : at + BATCH] for at in range(0, images, BATCH)):
            pass
        seconds = time.perf_counter() - began
        clocks = device.transport.cycles - clocks
    return {f"{array}: clocks/s": clocks / seconds, f"{array}: images/s": images / seconds}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--array", action="append", help="preset; by default both of the table")
    parser.add_argument("--boards", type=int, default=2, help="boards of a run, one per processor")
    parser.add_argument("--images", type=int, help="by default 600, or 50 with convolution")
    parser.add_argument("--build", action="store_true", help="the first build instead")
    options = parser.parse_args()
    figures: dict[str, float] = {}
    for array in options.array or ("icebreaker", "ecp5-85f-conv"):
        images = options.images or (50 if array in NETWORKS else 600)
        figures |= built(array) if options.build else measured(array, options.boards, images)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
