"""Estimates for arrays with convolution, against what the fields of the tasks take."""

from __future__ import annotations

import numpy as np
import pytest
import stablespike as ss
from array_model import core_tasks, field, field_runs
from random_networks import random_maps
from stablespike.estimate import estimate, typical_cycles
from stablespike.maps import Maps

ARRAY = ss.ArrayConfig(
    cores=3, lanes=4, window=4, neuron_steps=2, weight_bits=8, acc_bits=24, weight_rows=1 << 14,
    spike_rows=512, neuron_groups=64, state_groups=1024, convolution=True,
)


def looked_at(task: dict[str, int], lanes: int) -> int:
    """Rows of flags in which kernel rows of a task's fields lie."""
    total = 0
    for k in range(task["kernel_rows"]):
        row = {
            **task, "kernel_rows": 1, "first_y": task["first_y"] + k,
            "first_line": task["first_line"] + k * task["line"],
        }
        top, x, left = 0, task["start_x"], task["start_columns"]
        for _ in range(task["windows"]):
            for dy in range(min(task["pool"], task["lines"] - top)):
                for dx in range(min(task["pool"], left)):
                    places, _ = field(row, top + dy, x + dx * task["step_x"], 1 << 30)
                    total += len(set((places // lanes).tolist()))
            x, left = x + task["pool"] * task["step_x"], left - task["pool"]
            if left <= 0:
                top, x, left = top + task["pool"], task["first_x"], task["columns"]
    return total * task["groups"]


@pytest.mark.parametrize("seed", range(30))
def test_a_task_takes_what_its_slowest_part_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_maps(rng, recurrent=False, pixel_bits=4)
    program = ss.compile(network, ARRAY, 8)
    density = rng.choice([0.1, 1])
    words = [(rng.random((2, 2, size)) < density) * 15 for size in network.input_sizes]
    maps, expected = Maps(network, ARRAY), np.zeros(2, dtype=int)
    for sample in range(2):
        for window in range(2):
            for number, (layer, _) in program.layer_tags.items():
                memory = maps.read[layer].spread(words[layer][sample, window])
                memory = np.pad(memory, (0, ARRAY.lanes))
                slowest = 0
                for core in range(ARRAY.cores):
                    task = core_tasks(program, core)[number]
                    runs = list(field_runs(task, program))
                    issued = sum(np.count_nonzero(memory[run.places]) + 1 for run in runs)
                    slowest = max(
                        slowest, issued, looked_at(task, ARRAY.lanes), len(runs) * 4 * 2
                    )
                expected[sample] += slowest
    assert estimate(program, words).tolist() == expected.tolist()


def test_typical_cycles_of_long_samples() -> None:
    network = random_maps(np.random.default_rng(4), recurrent=False, pixel_bits=4)
    short, long = (ss.compile(network, ARRAY, 256 * n) for n in (1, 2))
    assert typical_cycles(long, 0.2) == pytest.approx(2 * typical_cycles(short, 0.2), rel=0.02)
    assert typical_cycles(short, 1) >= typical_cycles(short, 0.05)
