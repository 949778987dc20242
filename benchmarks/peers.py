"""Cycles of the networks for which other projects publish figures, on simulated boards.

    python benchmarks/peers.py [-o docs/results/peers.json]

Cycles are the simulated board's, one sample at a time on the device: from the start of its window
to its last result. 256-128-12 has random weights, as in the original measurement. A given share of
its inputs is active: either the same ones in every step, as for an image that is shown for a while,
or newly drawn ones in each step. 784-128-10 is the shipped network on shipped images.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import stablespike as ss
from stablespike.datasets import shipped_mnist, shipped_path
from stablespike.datasets.shipped import NETWORK, pixels
from stablespike.device.link_device import LinkDevice

SEED = 1
SAMPLES = 50
IMAGES = 200
ARRAYS = ("icebreaker", "ecp5-25f", "ecp5-25f-banks", "ecp5-85f", "ecp5-85f-banks")
SHARES = (0.05, 0.20, 1.00)
STEPS = (1, 4)


def random_network(rng: np.random.Generator) -> ss.Network:
    """Return 256-128-12 with 4-bit weights and thresholds at which about a fifth fires."""
    def layer(outputs: int, inputs: int) -> ss.Dense:
        weight = rng.integers(-7, 8, (outputs, inputs))
        return ss.Dense(weight=weight, neuron=ss.Neuron(leak=(1, None), threshold=16 * 40))

    return ss.Network(input=ss.SpikeInput(shape=(256,)), layers=[layer(128, 256), layer(12, 128)],
                      readout="counts", weight_bits=4, fraction_bits=4)


def spikes(rng: np.random.Generator, share: float, steps: int, anew: bool) -> npt.NDArray[np.bool_]:
    """Return (samples, steps, 256) spikes, with a ``share`` of the inputs active in every step."""
    count = round(share * 256)
    order = rng.random((SAMPLES, steps if anew else 1, 256)).argsort(-1) < count
    return np.broadcast_to(order, (SAMPLES, steps, 256))


def alone(board: LinkDevice, samples: npt.NDArray[np.generic]) -> dict[str, float]:
    """Return the mean cycles of samples that are alone on the device; compares with golden."""
    results, bare = [], 0
    for i in range(len(samples)):
        results.append(board.run(samples[i : i + 1]))
        before = board.busy_time
        plain = board.run(samples[i : i + 1], counters=False)
        bare += board.busy_time - before
        assert (plain.readout == results[-1].readout).all()
    with ss.open_device("golden:") as golden:
        golden.load(board.program)
        expected = golden.run(samples)
    assert (np.concatenate([r.readout for r in results]) == expected.readout).all()
    cycles = np.array([int(r.counters["cycles"][0]) for r in results])
    hidden = np.array([int(r.spikes[0, 0]) for r in results])
    return {"cycles": float(cycles.mean()), "cycles_max": int(cycles.max()),
            "cycles_without_counters": bare / len(samples),
            "hidden_spikes": float(hidden.mean())}


def opened(array: str) -> LinkDevice:
    """The simulated board of an array, which reports times without counters, too."""
    board = ss.open_device(f"sim:{array}")
    assert isinstance(board, LinkDevice)
    board.times = True
    return board


def dense(array: str) -> list[dict[str, object]]:
    rng = np.random.default_rng(SEED)
    network = random_network(rng)
    rows: list[dict[str, object]] = []
    with opened(array) as board:
        for steps in STEPS:
            board.load(ss.compile(network, array, steps))
            for share in SHARES:
                for anew in (False, True) if steps > 1 and share < 1 else (False,):
                    samples = spikes(rng, share, steps, anew)
                    rows.append({"network": "256-128-12", "array": array, "steps": steps,
                                 "active": share, "drawn_anew": anew, **alone(board, samples)})
    return rows


def mnist(array: str) -> list[dict[str, object]]:
    network = ss.load(shipped_path(NETWORK))
    samples = pixels(shipped_mnist(IMAGES)[0], network)
    rows: list[dict[str, object]] = []
    with opened(array) as board:
        for steps in STEPS:
            board.load(ss.compile(network, array, steps))
            rows.append({"network": "784-128-10", "array": array, "steps": steps,
                         **alone(board, samples)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path)
    output = parser.parse_args().output
    rows = dense("icebreaker")
    for array in ARRAYS:
        rows += mnist(array)
    for row in rows:
        print(json.dumps(row), flush=True)
    if output:
        output.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
