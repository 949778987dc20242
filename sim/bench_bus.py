"""Bench of the spike bus."""

from __future__ import annotations

from collections import deque

import cocotb
from stablespike.hw.ports import row_layout

from .blocks import array_config, value
from .streams import parameters, start


@cocotb.test()
async def broadcasts_every_row_once(dut):
    """Each cycle the lowest core with a row, else the host's; on the bus in the next cycle.

    With one core, in the same cycle.
    """
    config, stall = array_config(), parameters()["stall"]
    bench = await start(dut)
    random = bench.random
    names = [*(f"cores__{i}" for i in range(config.cores)), "host"]
    sources = {name: bench.source(name, stall) for name in names}
    width = row_layout(config).size
    queued = {name: deque(random.getrandbits(width) for _ in range(300)) for name in names}
    for name, source in sources.items():
        source.put(queued[name])
    onto: tuple[str, int] | None = None
    idle = 0
    while any(queued.values()) or onto:
        await bench.settle()
        waiting = [name for name in names if value(bench, f"{name}__valid")]
        taken = [name for name in waiting if value(bench, f"{name}__ready")]
        assert taken == waiting[:1], f"{taken} taken of {waiting}"
        new = (taken[0], queued[taken[0]].popleft()) if taken else None
        if config.cores == 1:
            onto = new
        assert value(bench, "valid") == (onto is not None)
        if onto is not None:
            name, payload = onto
            assert value(bench, "row") == payload
            assert value(bench, "inner") == (name != "host")
        onto = None if config.cores == 1 else new
        idle += not taken
    if not stall:
        assert idle <= 3, "a row per cycle while there are rows"
    await bench.tick()
    for source in sources.values():
        assert len(source.monitor.transfers) == 300
