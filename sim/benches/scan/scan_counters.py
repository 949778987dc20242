"""Bench of a task's counters."""

from __future__ import annotations

import cocotb
from stablespike.hw.scan.scan_counters import scan_counts
from stablespike.spec.report import STALL_MAX

from ...harness.blocks import array_config, cycle, value
from ...harness.streams import start, unpack

_NONE = {"issued": 0, "popcount": 0, "wait": 0, "drain": 0}


@cocotb.test()
async def counts_until_closed(dut):
    """The counts of a task stay while the next task is counted."""
    config = array_config()
    layout = scan_counts(config)
    bench = await start(dut)
    random = bench.random
    now, closed = dict(_NONE), None
    tasks = 0
    for _ in range(2000):
        # No count may exceed its counter: each weight row is used once.
        full = now["issued"] > config.weight_rows - config.banks
        close = full or random.random() < 0.02
        waiting, draining = (int(not close and random.random() < 0.2) for _ in range(2))
        added = [not close and random.random() < 0.5 for _ in range(config.banks)]
        issued = sum(add << bank for bank, add in enumerate(added))
        words = [random.getrandbits(config.window) for _ in added]
        word = sum(each << bank * config.window for bank, each in enumerate(words))
        await cycle(
            bench, issued=issued, word=word, waiting=waiting, draining=draining, close=int(close)
        )
        if closed is not None:
            assert unpack(layout, value(bench, "counts")) == closed
        now["issued"] += sum(added)
        now["popcount"] += sum(
            add * each.bit_count() for add, each in zip(added, words, strict=True)
        )
        now["wait"] += waiting
        now["drain"] += draining
        if close:
            closed, now, tasks = now, dict(_NONE), tasks + 1
    assert tasks > 20


@cocotb.test()
async def saturates_what_has_no_end(dut):
    bench = await start(dut)
    await cycle(bench, close=1)
    await cycle(bench, close=0, waiting=1, draining=1)
    await bench.tick(STALL_MAX + 2)
    await cycle(bench, close=1, waiting=0, draining=0)
    await cycle(bench, close=0)
    counts = unpack(scan_counts(array_config()), value(bench, "counts"))
    assert counts == {"issued": 0, "popcount": 0, "wait": STALL_MAX, "drain": STALL_MAX}
