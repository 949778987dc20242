"""Tasks: the words and weights their fields meet add up to the convolution, tile by tile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from array_model import CoreModel, core_tasks
from hypothesis import given
from hypothesis import strategies as st
from random_networks import random_maps
from stablespike.mapping.partitions import order, partitionings
from stablespike.mapping.plan import make_plans
from stablespike.program.images import core_image
from stablespike.program.program import Program
from stablespike.spec import reference, task_layout

NEURON = ss.Neuron(threshold=1)


def all_partitionings(network: ss.Network, config: ss.ArrayConfig, index: int) -> list[Program]:
    """Programs that deal one layer in each of the ways there are."""
    [plan], programs = make_plans(network, config, 4), []
    layer, shape = network.layers[index], network.input_shapes[index]
    for partitioning in partitionings(layer, shape, config.cores, plan.groups[index].count):
        ways = (*plan.partitions[:index], partitioning, *plan.partitions[index + 1 :])
        dealt = replace(plan, partitions=ways)
        images = tuple(core_image(dealt, core) for core in range(config.cores))
        programs.append(Program(network, config, 4, ways, images, {}, plan.needed))
    return programs


def sums(layer: Any, shape: tuple[int, ...], values: Any) -> Any:
    """(channels, rows, columns) sums of weights times values, straight from the numerics page."""
    flat = values.tolist()
    pooled = tuple(shape)
    if layer.pool_before is not None:
        flat = reference.sum_pool(flat, shape, layer.pool_before.size)
        pooled = layer.pool_before.output_shape(shape)
    met = [flat]
    if layer.kind == "conv2d":
        met = reference.fields(flat, pooled, layer.kernel, layer.stride, layer.padding)
    weights = layer.weight.reshape(layer.channels, -1)
    made = weights @ np.array(met, dtype=np.int64).T
    return made.reshape((*layer.neuron_shape(shape), 1, 1)[:3])


@given(
    seed=st.integers(0, 1 << 32), cores=st.integers(1, 6), lanes=st.sampled_from([4, 8, 16]),
    tight=st.booleans(),
)
def test_fields_add_up_to_the_convolution(seed, cores, lanes, tight) -> None:
    rng = np.random.default_rng(seed)
    network = random_maps(rng, recurrent=False)
    # Few rows make addresses narrow, so that those above the map come round to it.
    config = ss.ArrayConfig(
        cores=cores, lanes=lanes, weight_bits=8, acc_bits=24, weight_rows=1 << 14,
        spike_rows=256, neuron_groups=64, state_groups=1024, convolution=True,
    )
    [plan] = make_plans(network, config, 4)
    if tight:
        config = replace(config, spike_rows=max(4, plan.maps.total))
    for index, (layer, shape) in enumerate(
        zip(network.layers, network.input_shapes, strict=True)
    ):
        values = rng.integers(0, 1 << 8, network.input_sizes[index])
        layout = plan.maps.read[index]
        memory = layout.spread(values)
        # What is in silent lanes and behind the map has no weight, or is in no receptive field.
        silent = layout.spread(np.ones(len(values), dtype=int)) == 0
        memory[silent] = rng.integers(0, 1 << 8, int(silent.sum()))
        memory = np.pad(memory, (0, lanes), constant_values=255)
        expected = sums(layer, shape, values)
        for program in all_partitionings(network, config, index):
            covered = np.zeros(expected.shape, dtype=int)
            groups = program.groups[index]
            for core, tile in enumerate(program.tiles[index]):
                model = CoreModel(program, core)
                numbers = [
                    n for n, t in enumerate(model.tasks) if t["layer"] == index and t["monitor"]
                ]
                for number, (part, _) in zip(numbers, program.parts(index, core), strict=True):
                    runs, mine = order(part, layer, shape, groups.count), model.runs[number]
                    if not tile.groups:
                        assert not mine
                        continue
                    for y, x, group, run in zip(runs.y, runs.x, runs.group, mine, strict=True):
                        assert run.group == group - part.first_group
                        met = memory[run.addresses]
                        made = met @ model.weights[run.weights]
                        channels = groups.outputs(group)
                        wanted = expected[channels, y, x]
                        assert made[: len(wanted)].tolist() == wanted.tolist()
                        assert not made[len(wanted) :].any()
                        covered[channels, y, x] += 1
                    emitted = [i for i, run in enumerate(mine) if run.completes]
                    assert emitted == runs.emitted.tolist()
            assert (covered == 1).all()


CONFIG = ss.ArrayConfig(cores=2, lanes=4, spike_rows=256, convolution=True)


def maps_network(emit: str = "spikes", channels: int = 6) -> ss.Network:
    """6 x 7 places of 2 channels, sum pooled, convolved to 3 x 4 positions, and pooled to 1 x 2."""
    layers = [
        ss.Conv2d(
            np.ones((channels, 2, 3, 2)), padding=(1, 1), neuron=NEURON,
            pool_before=ss.SumPool2d(2), pool_after=ss.MaxPool2d(2), emit=emit,
        ),
        ss.Dense(np.ones((3, 2 * channels)), neuron=NEURON),
    ]
    return ss.Network(ss.SpikeInput((2, 6, 7)), layers)


def test_the_fields_of_a_convolution_and_of_a_dense_layer_behind_it() -> None:
    program = ss.compile(maps_network(), replace(CONFIG, cores=1), 4)
    first, second = core_tasks(program, 0)
    places = 1 << next(
        f.width for w in task_layout(CONFIG).scan for f in w.fields if f.name == "first_line"
    )
    wanted = {
        "line": 14, "width": 12, "height": 6, "span": 8, "kernel_rows": 6, "pool": 2,
        "first_x": -4, "start_x": -4, "start_columns": 4, "cells": 4,
        "step_x": 4, "first_y": -2, "step_y": 2, "first_line": places - 28,
        "step_line": 28, "columns": 4, "lines": 3, "groups": 2, "gap": 0, "ordered": 0,
        "stateless": 0, "state": 0, "lanes_last": 2, "spikes_row": 42, "external": 1, "wait": 0,
    }
    assert {name: first[name] for name in wanted} == wanted
    dense = {
        "line": 16, "width": 16, "height": 1, "span": 16, "kernel_rows": 1, "pool": 1,
        "first_x": 0, "start_x": 0, "start_columns": 1, "cells": 1,
        "step_x": 0, "first_y": 0, "step_y": 0, "first_line": 0, "step_line": 0,
        "columns": 1, "lines": 1, "groups": 1, "weights": 96, "ordered": 1, "wait": 4,
        "source": 42, "state": 24, "parameters": 2,
    }
    assert {name: second[name] for name in dense} == dense


def test_tiles_of_channels_leave_gaps() -> None:
    program = ss.compile(maps_network(), CONFIG, 4)
    tasks = [core_tasks(program, core) for core in range(2)]
    assert [task["gap"] for task, _ in tasks] == [1, 1]
    assert [task["spikes_row"] for task, _ in tasks] == [42, 43]
    assert [task["ordered"] for _, task in tasks] == [0, 0]
    idle, busy = (task for _, task in tasks)
    assert (idle["groups"], busy["groups"]) == (0, 1)
    for name in ("line", "width", "span", "height", "kernel_rows", "columns", "lines", "pool"):
        assert idle[name] == 1
    assert idle["wait"] == busy["wait"] == 4


def test_tiles_of_positions_begin_anywhere_in_a_row() -> None:
    network = ss.Network(
        ss.SpikeInput((4, 9, 9)),
        [
            ss.Conv2d(np.ones((4, 4, 3, 3)), stride=2, padding=1, neuron=NEURON),
            ss.Conv2d(np.ones((4, 4, 2, 2)), neuron=NEURON),
        ],
    )
    program = ss.compile(network, CONFIG, 4)
    one, other = (core_tasks(program, core)[0] for core in range(2))
    assert [s[2:] for s in program.tiles[0]] == [(0, 12), (12, 13)]
    names = "first_y", "start_x", "start_columns", "lines", "cells"
    assert picked([one, other], *names) == [(-1, -4, 5, 5, 12), (3, 12, 3, 3, 13)]
    assert (other["first_line"], other["first_x"], other["columns"]) == (3 * 36, -4, 5)
    assert other["spikes_row"] == one["spikes_row"] + 12


def test_options_that_no_layer_uses_are_off() -> None:
    config = replace(CONFIG, recurrence=True, wide_weights=True)
    names = (
        "recurrent", "ping_pong", "recurrent_rows", "ping_pong_spikes", "wide", "split_weights",
    )
    for core in range(2):
        for task in core_tasks(ss.compile(maps_network(), config, 4), core):
            assert not any(task[name] for name in names)


@pytest.mark.parametrize("emit", ["spikes", "skeleton", "both"])
def test_a_layer_waits_for_every_row(emit) -> None:
    program = ss.compile(maps_network(emit), CONFIG, 4)
    for core in range(2):
        _, *readers = core_tasks(program, core)
        assert [task["wait"] for task in readers] == ([8, 0] if emit == "both" else [4])


def recurrent_tasks(emit: str, cores: int = 1) -> list[list[dict[str, int]]]:
    """Two recurrent layers of 6 and 3 neurons, by core."""
    layers = [
        ss.Dense(np.ones((6, 4)), neuron=NEURON, recurrent=np.ones((6, 6)), emit=emit),
        ss.Dense(np.ones((3, 6)), neuron=NEURON, recurrent=np.ones((3, 3))),
    ]
    network = ss.Network(ss.SpikeInput((4,)), layers)
    config = replace(CONFIG, cores=cores, recurrence=True)
    program = ss.compile(network, config, 2)
    assert program.needed["tasks"] == len(core_tasks(program, 0))
    return [core_tasks(program, core) for core in range(cores)]


def picked(tasks: list[dict[str, int]], *names: str) -> list[tuple[int, ...]]:
    return [tuple(task[name] for name in names) for task in tasks]


def test_a_recurrent_layer_sends_its_spikes_whatever_it_emits() -> None:
    names = (
        "groups", "recurrent", "recurrent_rows", "source", "ping_pong", "spikes_row",
        "ping_pong_spikes", "wait",
    )
    (tasks,) = recurrent_tasks("spikes")
    assert picked(tasks, *names) == [
        (2, 2, 2, 0, 0, 2, 2, 0), (1, 6, 1, 2, 2, 6, 1, 2), (0, 0, 0, 0, 0, 0, 0, 1)
    ]
    assert picked(tasks, "send_spikes", "send_skeleton", "last", "monitor") == [
        (1, 0, 0, 1), (1, 0, 0, 1), (0, 0, 1, 0)
    ]
    assert not any(task["ordered"] for task in tasks)
    (tasks,) = recurrent_tasks("skeleton")
    assert picked(tasks, *names)[:2] == [(2, 2, 2, 0, 0, 2, 2, 0), (1, 6, 1, 8, 0, 6, 1, 4)]
    assert picked(tasks, "send_spikes", "send_skeleton")[0] == (1, 1)
    (tasks,) = recurrent_tasks("both")
    assert picked(tasks, *names)[1:] == [
        (1, 6, 1, 2, 2, 6, 1, 4), (1, 10, 1, 8, 0, 10, 1, 0), (0, 0, 0, 0, 0, 0, 0, 2)
    ]


def test_a_core_without_groups_of_a_recurrent_layer_only_waits() -> None:
    idle = recurrent_tasks("spikes", 3)[0]
    assert picked(idle, "groups", "recurrent_rows", "wait", "last") == [
        (0, 0, 0, 0), (0, 0, 2, 0), (0, 0, 1, 1)
    ]


def test_a_neuron_of_wide_weights_takes_two_lanes() -> None:
    layers = [ss.Dense(np.full((5, 3), 100), neuron=NEURON, weight_bits=8),
              ss.Dense(np.ones((3, 5)), neuron=NEURON)]
    config = replace(CONFIG, cores=1, wide_weights=True)
    program = ss.compile(ss.Network(ss.SpikeInput((3,)), layers), config, 4)
    wide, narrow = core_tasks(program, 0)
    assert picked([wide, narrow], "groups", "lanes_last", "wide", "split_weights", "width") == [
        (3, 2, 1, 1, 4), (1, 3, 0, 0, 12)
    ]
    model = CoreModel(program, 0)
    assert model.weights[:3].tolist() == [[6, 4, 6, 4]] * 3
