"""Bench of a register in a stream."""

from __future__ import annotations

import cocotb

from ...harness.streams import parameters, start


@cocotb.test()
async def passes_everything_in_order(dut):
    """Random payloads with stalls on either side; without stalls, a transfer takes one cycle, or
    two."""
    stall = parameters()["stall"]
    bench = await start(dut)
    source, sink = bench.source("i", stall), bench.sink("o", stall)
    sent = [bench.random.getrandbits(9) for _ in range(500)]
    source.put(sent)
    await bench.until(lambda: len(sink.received) == len(sent), "everything to pass")
    assert list(sink.received) == sent
    if not stall:
        cycles = [cycle for cycle, _ in sink.monitor.transfers]
        assert cycles == list(range(cycles[0], cycles[-1] + 1, 1 + parameters()["spaced"]))
