"""Estimates for arrays with convolution: what fields are taken for, and what takes the time."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import stablespike as ss
from array_model import core_tasks, field_runs
from random_networks import random_maps
from stablespike.golden.counters import source_words
from stablespike.mapping.maps import Maps
from stablespike.timing.estimate import estimate, typical_cycles
from stablespike.timing.estimate_convolution import field_events, layer_runs

ARRAY = ss.ArrayConfig(
    cores=3, lanes=4, window=4, neuron_steps=2, weight_bits=8, acc_bits=24, weight_rows=1 << 14,
    spike_rows=512, neuron_groups=64, state_groups=1024, convolution=True, recurrence=True,
)


@pytest.mark.parametrize("seed", range(30))
def test_runs_are_those_of_the_tasks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_maps(rng, recurrent=False, pixel_bits=4)
    program = ss.compile(network, ARRAY, 8)
    density = rng.choice([0.1, 1])
    words = [(rng.random((1, 2, size)) < density) * 15 for size in network.input_sizes]
    maps = Maps(network, ARRAY)
    for window in range(2):
        for layer, shape in enumerate(network.input_shapes):
            tasks = layer_runs(program, layer)
            active = words[layer][:, window] != 0
            events = field_events(network.layers[layer], shape, active)[0]
            memory = maps.read[layer].spread(words[layer][0, window])
            memory = np.pad(memory, (0, ARRAY.lanes))
            for core, number in product(range(ARRAY.cores), range(len(tasks))):
                runs, fields = tasks[number], core_tasks(program, core)
                listed = [each for each in fields if each["layer"] == layer and each["monitor"]]
                assert runs.cores[core] == (number < len(listed))
                mine = list(field_runs(listed[number], program)) if runs.cores[core] else []
                assert len(mine) == np.count_nonzero(runs.there[:, core])
                for r, run in enumerate(mine):
                    flags = set((run.addresses // ARRAY.lanes).tolist())
                    assert runs.emits[r, core] == run.completes
                    # A row that ends a kernel row and begins the next one is looked at twice.
                    assert len(flags) <= runs.rows[r, core] <= len(flags) + runs.kernel_rows
                    met = events[runs.position[r, core]]
                    assert met == np.count_nonzero(memory[run.addresses])


def convolved(**options: object) -> ss.Network:
    weight = np.ones((8, 1, 3, 3))
    return ss.Network(
        ss.PixelInput((1, 9, 9), 4),
        [ss.Conv2d(weight, neuron=ss.Neuron(threshold=1 << 14), **options)], "counts",
    )


def cycles(network: ss.Network, array: ss.ArrayConfig, pixels: int, steps: int = 4) -> int:
    program = ss.compile(network, array, steps)
    size, windows = network.input_sizes[0], program.windows
    return int(estimate(program, [np.full((1, windows, size), pixels)])[0])


def test_lanes_or_neurons_are_the_bottleneck() -> None:
    one = replace(ARRAY, cores=1, state_groups=2048)
    # 49 positions of 2 groups: 9 events each, or two passes over a group.
    silent, full = (cycles(convolved(), one, pixels) for pixels in (0, 15))
    assert 98 * 2 * 12 < silent <= full < 98 * 2 * 16
    slow = replace(one, neuron_steps=4, lanes=8, synaptic_current=False)
    assert 49 * 9 <= cycles(convolved(), slow, 15) < 49 * 20
    assert cycles(convolved(), replace(one, cores=2), 15) < 0.6 * full


def test_own_spikes_are_events_where_they_are_known() -> None:
    rng = np.random.default_rng(0)
    layers = [
        ss.Dense(np.ones((40, 4)), neuron=ss.Neuron(threshold=1), recurrent=np.zeros((40, 40))),
        ss.Dense(np.ones((3, 40)), neuron=ss.Neuron(threshold=1)),
    ]
    network = ss.Network(ss.SpikeInput((4,)), layers)
    samples = rng.random((1, 6, 4)) < 2
    result = ss.Golden(network).run(samples, trace=True)
    words = source_words(network, samples, result.spikes, result.skeleton, 4)
    program = ss.compile(network, ARRAY, 6)
    # Ten groups on three cores, in five windows with spikes before them.
    more = estimate(program, words)[0] - estimate(program, [words[0], 0 * words[1]])[0]
    assert more > 5 * 2.7 * 40


def test_typical_cycles_of_long_samples() -> None:
    network = random_maps(np.random.default_rng(4), recurrent=False, pixel_bits=4)
    short, long = (ss.compile(network, ARRAY, 256 * n) for n in (1, 2))
    assert typical_cycles(long, 0.2) == pytest.approx(2 * typical_cycles(short, 0.2), rel=0.02)
    assert typical_cycles(short, 1) >= typical_cycles(short, 0.05)
