"""Bench of the turns between models of the task reader, the lanes, the drain and the write-back."""

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
    """One task from its settings to its last group; what is not asked for is driven at random."""
    random, marks = bench.random, mark_layout(config)
    at = {
        "parameters": random.randrange(config.neuron_groups),
        "state": random.randrange(config.state_groups),
    }

    async def quiet(free: bool = False, **pins: int) -> None:
        await cycle(bench, **pins)
        assert value(bench, "free") == free
        assert not any(value(bench, name) for name in ("load", "emit", "start"))
        assert value(bench, "task") == number

    while random.random() < 0.5:
        await quiet(held=0, loaded=random.getrandbits(1))
    await cycle(bench, held=1, loaded=0)
    assert value(bench, "load")
    assert not value(bench, "free")
    while random.random() < 0.5:
        await quiet(held=random.getrandbits(1))
    await quiet(loaded=1, settings=_settings(config, at), held=random.getrandbits(1))
    empty = random.random() < 0.2
    count = 1 if empty else random.randint(1, 6)
    for group in range(count):
        ends = group == count - 1
        mark = {"group": 1, "task": int(ends), "window": int(ends and last), "empty": int(empty)}
        while random.random() < 0.5:
            await quiet(free=True, computed=random.getrandbits(1), emitted=random.getrandbits(1),
                        mark=_garbage(random, config))
        await quiet(free=True, swap=1, mark=pack(marks, mark), computed=0, emitted=0)
        if empty:
            await cycle(bench, swap=0, mark=_garbage(random, config))
        else:
            await cycle(bench, swap=0, mark=_garbage(random, config), arrives=1)
            assert value(bench, "start")
            assert not value(bench, "emit")
            assert unpack(marks, value(bench, "mark_entering")) == mark
            for name in ("parameters", "state"):
                places = getattr(config, {"parameters": "neuron_groups"}.get(name, "state_groups"))
                here = at[name] + group & (1 << bits_for(places - 1)) - 1
                assert value(bench, name) == here
            assert value(bench, "state_done") == value(bench, "state")
            await quiet(arrives=0)
            while random.random() < 0.6:
                await quiet(emitted=random.getrandbits(1))
            await cycle(bench, computed=1, emitted=0)
        assert value(bench, "group") == group
        assert value(bench, "emit")
        assert not value(bench, "free")
        while random.random() < 0.5:
            await quiet(computed=random.getrandbits(1))
        await quiet(computed=0, emitted=1)
        assert unpack(marks, value(bench, "mark_emitted")) == mark


@cocotb.test()
async def groups_take_turns(dut):
    """Windows of tasks of groups, empty ones among them, each step after a random while."""
    config = array_config()
    bench = await start(dut)
    for name in ("held", "loaded", "swap", "arrives", "computed", "emitted"):
        getattr(dut, name).value = 0
    for _ in range(60):
        tasks = bench.random.randint(1, config.tasks)
        for number in range(tasks):
            await _task(bench, config, number, number == tasks - 1)
