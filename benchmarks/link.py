"""Bytes of an image on the link compared with the fewest possible, and what boards do with them.

    python benchmarks/link.py [-o docs/results/link.json]

Bytes are those of the simulated board's frames, with all framing. The fewest are those of a code
that knows how many pixels of an image are not 0, but neither where such pixels are likely nor what
they are, as an entropy coder would: log2 of the ways to choose their positions, and the bits of
each value. The way back holds the membranes of the outputs. A UART takes ten bit times per byte, in
each direction by itself, so images per second are bounded by the fuller direction, or else by the
core's cycles. Boards whose array does not hold 784-128-10 run the smaller network, or none.
"""

from __future__ import annotations

import argparse
import json
import sys
from math import comb, log2
from pathlib import Path
from typing import Any

import numpy as np
import stablespike as ss
from stablespike.boards.registry import BOARDS
from stablespike.cli.demo import shipped_program
from stablespike.datasets import shipped_mnist
from stablespike.datasets.shipped import pixels
from stablespike.device.result import Result

BATCH = 50
BITS_PER_BYTE = 10
RESULTS = Path(__file__).parents[1] / "docs" / "results" / "boards.json"


def fewest(samples: np.ndarray[Any, Any], network: ss.Network, state_bits: int) -> dict[str, float]:
    """Return the fewest bytes of an image in each direction."""
    flat = samples.reshape(len(samples), -1)
    bits = [
        log2(comb(flat.shape[1], count)) + network.input.bits * count
        for count in np.count_nonzero(flat, axis=1).tolist()
    ]
    return {"sent": float(np.mean(bits)) / 8, "received": network.outputs * state_bits / 8}


def measured(array: str) -> dict[str, Any]:
    """Return bytes and cycles of the shipped images on an array's simulated board."""
    name, program = shipped_program(array)
    samples = pixels(shipped_mnist()[0], program.network)
    figures: dict[str, Any] = {"array": array, "network": name, "images": len(samples)}
    figures["fewest"] = fewest(samples, program.network, program.config.state_bits)
    batches = [samples[at : at + BATCH] for at in range(0, len(samples), BATCH)]
    with ss.open_device(f"sim:{array}") as board:
        board.load(program)
        for counters in (True, False):
            result = Result.joined(list(board.run(iter(batches), counters=counters)))
            sent, received = (count / len(samples) for count in result.link_bytes)
            figures["with counters" if counters else "without"] = {
                "sent": sent, "received": received,
            }
            if counters:
                figures["cycles_per_image"] = float(result.counters["cycles"].mean())
    return figures


def rates(figures: dict[str, Any], built: dict[str, Any]) -> list[dict[str, Any]]:
    """Return images per second of the boards that have the array and were placed."""
    rows = []
    fuller = max(figures["without"].values())
    for board in BOARDS.values():
        if board.array != figures["array"] or not built.get(board.name, {}).get("met"):
            continue
        rows.append({
            "board": board.name,
            "baud": board.link("uart").rate(board),
            "clock_mhz": board.clock_hz / 1e6,
            "link_bound": board.link("uart").rate(board) / BITS_PER_BYTE / fuller,
            "core_bound": board.clock_hz / figures["cycles_per_image"],
        })
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path)
    output = parser.parse_args().output
    built = json.loads(RESULTS.read_text())
    arrays = dict.fromkeys(BOARDS[name].array for name in built if name in BOARDS)
    rows = []
    for array in arrays:
        try:
            figures = measured(array)
        except ss.DoesNotFit as error:
            print(f"{array}: {error}", file=sys.stderr)
            continue
        rows.append({**figures, "boards": rates(figures, built)})
        print(json.dumps(rows[-1], indent=2), flush=True)
    if output:
        output.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
