"""Bench of the spike bus."""

from __future__ import annotations

from collections import deque

import cocotb
from stablespike.hw.ports import beat_layout, row_layout

from .blocks import array_config, value
from .streams import pack, parameters, start, unpack


@cocotb.test()
async def broadcasts_every_row_once(dut):
    """When the bus is free the lowest core with a row, else the host's; from the next cycle on.

    With one core and one beat, in the same cycle.
    """
    config, stall = array_config(), parameters()["stall"]
    bench = await start(dut)
    random = bench.random
    beats = config.row_beats
    names = [*(f"cores__{i}" for i in range(config.cores)), "host"]
    sources = {name: bench.source(name, stall) for name in names}
    layout, part = row_layout(config), config.row_bits // beats
    queued = {name: deque(random.getrandbits(layout.size) for _ in range(300)) for name in names}
    for name, source in sources.items():
        source.put(queued[name])
    onto: deque[tuple[str, int]] = deque()
    idle = 0
    while any(queued.values()) or onto:
        await bench.settle()
        waiting = [name for name in names if value(bench, f"{name}__valid")]
        taken = [name for name in waiting if value(bench, f"{name}__ready")]
        free = len(onto) <= 1
        assert taken == waiting[:free], f"{taken} taken of {waiting}"
        new = []
        if taken:
            fields = unpack(layout, queued[taken[0]].popleft())
            new = [
                (taken[0], pack(beat_layout(config), {
                    "row": fields["row"], "beat": beat,
                    "words": fields["words"] >> beat * part & ((1 << part) - 1),
                }))
                for beat in range(beats)
            ]
        at_once = config.cores == 1 and beats == 1
        if at_once:
            onto.extend(new)
        assert value(bench, "valid") == bool(onto)
        if onto:
            name, payload = onto.popleft()
            assert value(bench, "row") == payload
            assert value(bench, "inner") == (name != "host")
        if not at_once:
            onto.extend(new)
        idle += free and not taken
    if not stall:
        assert idle <= 2 + beats, "rows as fast as the bus takes them"
    await bench.tick()
    for source in sources.values():
        assert len(source.monitor.transfers) == 300
