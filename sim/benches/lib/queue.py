"""Bench of the queue against a model of its every cycle."""

from __future__ import annotations

from collections import deque

import cocotb

from ...harness.blocks import cycle, value
from ...harness.streams import parameters, start


@cocotb.test()
async def passes_everything_in_order(dut):
    """Random writes and takes, from never empty to never full; level, valid and head are checked in
    each cycle."""
    depth, width = parameters()["depth"], parameters()["width"]
    bench = await start(dut)
    random = bench.random
    bench.monitor("o")
    stored: deque[int] = deque()
    head = None
    passed = full = empty = 0
    for number in range(4000):
        writing, taking = [(0.9, 0.3), (0.3, 0.9), (0.5, 0.5), (1.0, 1.0)][number // 100 % 4]
        write = len(stored) < depth and random.random() < writing
        entry, take = random.getrandbits(width), random.random() < taking
        await cycle(bench, i__valid=int(write), i__payload=entry, o__ready=int(take))
        assert value(bench, "level") == len(stored)
        assert value(bench, "o__valid") == (head is not None)
        full, empty = full + (len(stored) == depth), empty + (head is None)
        if head is not None:
            assert value(bench, "o__payload") == head
            passed += take
        if head is None or take:
            head = stored.popleft() if stored else None
        if write:
            stored.append(entry)
    assert min(full, empty) > 10
    assert passed > 1500


@cocotb.test()
async def takes_two_cycles_and_passes_one_entry_per_cycle(dut):
    bench = await start(dut)
    for number in range(3 * parameters()["depth"]):
        await cycle(bench, i__valid=1, i__payload=number & 1, o__ready=1)
        assert value(bench, "o__valid") == (number >= 2)
        if number >= 2:
            assert value(bench, "o__payload") == number & 1
