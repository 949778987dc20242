"""Bench of the task reader beside another user of the task memory."""

from __future__ import annotations

import cocotb
from stablespike.hw.core.task_reader import task_rows
from stablespike.spec import task_layout

from ...harness.blocks import array_config, cycle, value
from ...harness.streams import parameters, start, unpack


@cocotb.test()
async def reads_the_words_of_a_task(dut):
    """Tasks in any order, with grants at random or always; fields hold until the next start."""
    from stablespike.hw.lib.layouts import struct

    config, side = array_config(), parameters()["side"]
    layout = task_layout(config)
    words = getattr(layout, side)
    first = 0 if side == "scan" else len(layout.scan)
    bench = await start(dut)
    random = bench.random
    memory = [random.getrandbits(32) for _ in range(task_rows(config))]
    granted: int | None = None
    for number in range(200):
        task = random.randrange(config.tasks)
        always = number % 2 == 0
        begin = memory[task * layout.stride + first :]
        expected = {
            name: v for word, bits in zip(words, begin, strict=False)
            for name, v in word.unpack(bits).items()
        }
        begun, loaded = bench.cycle, 0
        for age in range(200):
            # Answer the grant of the cycle before; return garbage if there was none.
            data = random.getrandbits(32) if granted is None else memory[granted]
            grant = always or random.random() < 0.4
            await cycle(
                bench, tasks__start=int(age == 0), tasks__task=task, grant=int(grant), data=data
            )
            asks = value(bench, "request")
            granted = value(bench, "address") if asks and grant else None
            loaded = age > 0 and value(bench, "tasks__loaded")
            if loaded:
                break
        assert loaded, f"not loaded {bench.cycle - begun} cycles after the start"
        if always:
            assert age == len(words) + 2
        for _ in range(random.randrange(4)):
            assert unpack(struct(*words), value(bench, "tasks__fields")) == expected
            assert value(bench, "tasks__loaded")
            assert not value(bench, "request")
            await cycle(bench, tasks__start=0, data=random.getrandbits(32))
