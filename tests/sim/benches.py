"""Benches that test_bench.py runs inside the simulator, on FIFOs and on broken components."""

import cocotb
from stablespike.sim.harness.streams import parameters, start


@cocotb.test()
async def passes_everything_in_order(dut):
    stall = parameters()["stall"]
    bench = await start(dut, limit=parameters().get("limit", 20_000))
    source, sink = bench.source("i", stall), bench.sink("o", stall)
    data = [bench.random.getrandbits(8) for _ in range(200)]
    source.put(data)
    assert await sink.take(200) == data
    assert source.idle
    assert [payload for _, payload in sink.monitor.transfers] == data


@cocotb.test()
async def starts_again_after_reset(dut):
    bench = await start(dut)
    sink = bench.sink("o")
    await bench.source("i").send(7)
    assert await sink.take() == [7]
