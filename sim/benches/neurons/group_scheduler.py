"""Bench of the group scheduler between models of task reader, lanes, drain and output unit."""

from __future__ import annotations

from random import Random

import cocotb
from stablespike.hw.scan.scanner import mark_layout
from stablespike.network import Neuron
from stablespike.spec import ArrayConfig, bits_for

from ...harness.blocks import array_config, cycle, neuron_settings, value
from ...harness.streams import Bench, pack, start, unpack


def _settings(config: ArrayConfig, at: dict[str, int]) -> int:
    return neuron_settings(config, Neuron(threshold=1), **at)


def _garbage(random: Random, config: ArrayConfig) -> int:
    return random.getrandbits(mark_layout(config).size)


async def _task(bench: Bench, config: ArrayConfig, number: int, last: bool) -> None:
    """One task from its settings to its last group; unused inputs are driven at random."""
    random, marks = bench.random, mark_layout(config)
    at = {
        "parameters": random.randrange(config.neuron_groups),
        "state": random.randrange(config.state_groups),
    }

    async def quiet(free: bool = False, **pins: int) -> None:
        await cycle(bench, **pins)
        assert value(bench, "groups__free") == free
        assert not any(value(bench, name) for name in ("tasks__start", "output_start", "start"))
        assert value(bench, "tasks__task") == number

    while random.random() < 0.5:
        await quiet(window_held=0, tasks__loaded=random.getrandbits(1))
    await cycle(bench, window_held=1, tasks__loaded=0)
    assert value(bench, "tasks__start")
    assert not value(bench, "groups__free")
    while random.random() < 0.5:
        await quiet(window_held=random.getrandbits(1))
    await quiet(
        tasks__loaded=1, tasks__fields=_settings(config, at), window_held=random.getrandbits(1)
    )
    empty = random.random() < 0.2
    count = 1 if empty else random.randint(1, 6)
    for group in range(count):
        ends = group == count - 1
        mark = {"group": 1, "task": int(ends), "window": int(ends and last), "empty": int(empty)}
        while random.random() < 0.5:
            await quiet(
                free=True, complete=random.getrandbits(1), output_done=random.getrandbits(1),
                groups__mark=_garbage(random, config),
            )
        await quiet(
            free=True, groups__swap=1, groups__mark=pack(marks, mark), complete=0, output_done=0
        )
        if empty:
            await cycle(bench, groups__swap=0, groups__mark=_garbage(random, config))
        else:
            await cycle(
                bench, groups__swap=0, groups__mark=_garbage(random, config), groups__arrives=1
            )
            assert value(bench, "start")
            assert not value(bench, "output_start")
            assert unpack(marks, value(bench, "entering_mark")) == mark
            for name in ("parameters", "state"):
                places = getattr(config, {"parameters": "neuron_groups"}.get(name, "state_groups"))
                here = at[name] + group & (1 << bits_for(places - 1)) - 1
                assert value(bench, name) == here
            assert value(bench, "leaving_state") == value(bench, "state")
            await quiet(groups__arrives=0)
            while random.random() < 0.6:
                await quiet(output_done=random.getrandbits(1))
            await cycle(bench, complete=1, output_done=0)
        assert value(bench, "output_number") == group
        assert value(bench, "output_start")
        assert not value(bench, "groups__free")
        while random.random() < 0.5:
            await quiet(complete=random.getrandbits(1))
        await quiet(complete=0, output_done=1)
        assert unpack(marks, value(bench, "output_mark")) == mark


@cocotb.test()
async def groups_take_turns(dut):
    """Windows of tasks of groups, some of them empty, with a random delay before each step."""
    config = array_config()
    bench = await start(dut)
    for _ in range(60):
        tasks = bench.random.randint(1, config.tasks)
        for number in range(tasks):
            await _task(bench, config, number, number == tasks - 1)
