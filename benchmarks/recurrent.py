"""Arrays that run 32-128-10 with recurrent weights and frames of 4 bits on an iCE40UP5K.

    python benchmarks/recurrent.py [--board] [-o docs/results/recurrent.json]

Each array is synthesized and packed for the icebreaker but not placed. Cycles of a frame are those
of ``estimate``, without counters, for random frames in samples of 32 that follow each other. With
``--board`` instead, frames go through the simulated board of the preset: every spike is compared
with golden, and its cycles are counted. The other half of the file stays.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import stablespike as ss
from explore import packed
from stablespike.boards.registry import board
from stablespike.golden.counters import source_words
from stablespike.mapping.frames import bit_lines
from stablespike.spec import preset
from stablespike.timing.estimate import estimate

PRESET = "icebreaker-recurrent"
STEPS, SAMPLES, BITS = 32, 20, 4
THRESHOLDS = (1200, 2400, 3600)
"""Thresholds of the recurrent layer; the lower, the more neurons fire."""

BASE = preset(PRESET)
CONVOLVING = replace(BASE, convolution=True)
EIGHT = {
    "lanes": 8, "weight_rows": 32768, "spike_rows": 512, "neuron_groups": 64, "state_groups": 64,
}
ARRAYS = {
    "T = 4": BASE,
    "T = 2": replace(BASE, window=2),
    "T = 1": replace(BASE, window=1),
    "T = 4, convolution": CONVOLVING,
    "T = 4, convolution, 8 lanes": replace(CONVOLVING, **EIGHT),
    "T = 2, convolution": replace(CONVOLVING, window=2),
    "T = 1, convolution": replace(CONVOLVING, window=1),
    "T = 1, convolution, wide weights": replace(CONVOLVING, window=1, wide_weights=True),
}


def network(threshold: int) -> ss.Network:
    """The network, with random weights."""
    rng = np.random.default_rng(1)
    weights = rng.integers(-4, 5, (128, 32)), rng.integers(-2, 3, (128, 128))
    out = rng.integers(-8, 8, (10, 128))
    neuron = ss.Neuron(threshold=threshold, leak=ss.Leak(3, None), reset="subtract")
    return ss.Network(
        ss.FrameInput((32,), BITS),
        [
            ss.Dense(weights[0], neuron=neuron, recurrent=weights[1]),
            ss.Dense(out, neuron=ss.Neuron(threshold=1024, leak=ss.Leak(4, None))),
        ],
    )


def frames() -> Any:
    """Samples of frames, three quarters of their values not 0."""
    rng = np.random.default_rng(0)
    shape = (SAMPLES, STEPS, 32)
    return rng.integers(0, 1 << BITS, shape) * (rng.random(shape) < 0.8)


def cycles(program: ss.Program) -> tuple[float, float]:
    """Return the mean cycles of a frame, and the share of hidden neurons that fire in a step."""
    samples = frames()
    with ss.open_device("golden:") as golden:
        golden.load(program)
        result = golden.run(samples, trace=True)
    read = bit_lines(samples, program.planes) if program.planes else samples
    words = source_words(
        program.computed, read, result.trace, result.skeleton, program.config.window
    )
    each = estimate(program, words, counters=False)[1:] / STEPS
    return round(float(each.mean()), 1), round(float(result.trace[0].mean()), 3)


def on_board(threshold: int) -> dict[str, Any]:
    """Return what the preset's simulated board takes for a frame."""
    program, samples = ss.compile(network(threshold), PRESET, STEPS), frames()
    with ss.open_device("golden:") as golden:
        golden.load(program)
        expected = golden.run(samples, trace=True)
    with ss.open_device(f"sim:{PRESET}") as device:
        device.load(program)
        got = device.run(samples, trace=True)
        found = device.run(samples).counters["cycles"]
    differences = sum(
        int(np.count_nonzero(a != b)) for a, b in zip(expected.trace, got.trace, strict=True)
    )
    return {
        "activity": round(float(expected.trace[0].mean()), 3),
        "inputs_not_0": round(float(np.mean(samples != 0)), 3),
        "cycles_per_frame": round(float(found[1:].mean()) / STEPS, 1),
        "spikes_compared": sum(each.size for each in expected.trace),
        "differences": differences,
    }


def array(what: str) -> dict[str, Any]:
    """Return the row of an array."""
    config = ARRAYS[what]
    row: dict[str, Any] = {"what": what, **packed(board("icebreaker"), config)}
    program = ss.compile(network(THRESHOLDS[1]), config, STEPS)
    row["frames"] = program.frames
    row["cycles_per_frame"], row["activity"] = cycles(program)
    return row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--board", action="store_true", help="the simulated board alone")
    parser.add_argument("-o", "--output", type=Path)
    chosen = parser.parse_args()
    kept: dict[str, Any] = {}
    if chosen.output and chosen.output.is_file():
        kept = json.loads(chosen.output.read_text())
    if chosen.board:
        kept["board"] = [on_board(threshold) for threshold in THRESHOLDS]
        print(json.dumps(kept["board"], indent=2), flush=True)
    else:
        kept["arrays"] = []
        for what in ARRAYS:
            kept["arrays"].append(array(what))
            print(json.dumps(kept["arrays"][-1]), flush=True)
    if chosen.output:
        chosen.output.write_text(json.dumps(kept, indent=2) + "\n")
    return int(any(row["differences"] for row in kept.get("board", [])))


if __name__ == "__main__":
    raise SystemExit(main())
