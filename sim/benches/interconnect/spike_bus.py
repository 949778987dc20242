"""Bench of the spike bus."""

from __future__ import annotations

from collections import deque

import cocotb
from stablespike.hw.lib.ports import beat_layout

from ...harness.blocks import array_config, value
from ...harness.streams import parameters, start


@cocotb.test()
async def broadcasts_every_part_once(dut):
    """The bus carries the lowest core's part of a row, else the host's, one cycle later.

    With one core and rows in one part, it does so in the same cycle. With several cores, it carries
    the part of the lowest one that asked two cycles before and was not chosen since, two cycles
    later.
    """
    config, stall = array_config(), parameters()["stall"]
    bench = await start(dut)
    random = bench.random
    names = [*(f"cores__{i}" for i in range(config.cores)), "host"]
    sources = {name: bench.source(name, stall) for name in names}
    bits = beat_layout(config).size
    queued = {name: deque(random.getrandbits(bits) for _ in range(300)) for name in names}
    for name, source in sources.items():
        source.put(queued[name])
    delay = 2 if config.cores > 1 else int(config.row_beats > 1)
    before: deque[tuple[str, int] | None] = deque([None] * delay)
    idle, grant, asking = 0, "host", []
    while any(queued.values()) or any(before):
        await bench.settle()
        waiting = [name for name in names if value(bench, f"{name}__valid")]
        taken = [name for name in waiting if value(bench, f"{name}__ready")]
        if config.cores > 1:
            bench.dut.asks.value = sum(
                (name in waiting) << core for core, name in enumerate(names[:-1])
            )
            granted = [name for name in waiting if name == grant]
            assert taken == granted, f"{taken} taken, {grant} granted"
            asked = [name for name in waiting if name not in (grant, "host")]
            grant, asking = next((name for name in asking if name != grant), "host"), asked
        else:
            assert taken == waiting[:1], f"{taken} taken of {waiting}"
        now = (taken[0], queued[taken[0]].popleft()) if taken else None
        before.append(now)
        shown = before.popleft()
        assert value(bench, "bus__valid") == (shown is not None)
        if shown:
            assert value(bench, "bus__row") == shown[1]
            assert value(bench, "bus__inner") == (shown[0] != "host")
        idle += now is None
    if not stall:
        assert idle <= 4 + delay + config.cores, "parts as fast as the bus takes them"
    await bench.tick()
    for source in sources.values():
        assert len(source.monitor.transfers) == 300
