"""Bench of the report merger."""

from __future__ import annotations

import cocotb
from stablespike.spec.report import ReportKind

from ...harness.blocks import Packet, packets
from ...harness.streams import parameters, start


@cocotb.test()
async def never_cuts_a_packet(dut):
    """All packets arrive whole, and those of a core in order, with stalls on every side."""
    cores, stall = parameters()["cores"], parameters()["stall"]
    bench = await start(dut)
    random = bench.random
    sink = bench.sink("o", stall)
    sent = [
        [
            Packet(ReportKind.WORDS, number, random.randrange(1024), core, tuple(
                random.getrandbits(16) for _ in range(random.randint(1, 9))
            ))
            for number in range(40)
        ]
        for core in range(cores)
    ]
    sources = [bench.source(f"i__{core}", stall) for core in range(cores)]
    for source, from_core in zip(sources, sent, strict=True):
        for packet in from_core:
            source.put(packet.words())
    count = sum(len(packet.words()) for from_core in sent for packet in from_core)
    begin = bench.cycle
    got = packets(await sink.take(count))
    for core, from_core in enumerate(sent):
        assert [packet for packet in got if packet.core == core] == from_core
    if not stall:
        turns = [packet.core for packet in got[: 10 * cores]]
        assert turns == [(turns[0] + i) % cores for i in range(10 * cores)]
        assert bench.cycle - begin <= count + cores + 4, "a word per cycle while all have packets"


@cocotb.test()
async def finds_the_only_core_that_speaks(dut):
    """Skipping a silent core costs one cycle."""
    cores = parameters()["cores"]
    bench = await start(dut)
    sink = bench.sink("o")
    source = bench.source(f"i__{cores - 1}")
    sent = [Packet(ReportKind.END, 0, 0, cores - 1, (number, 7)) for number in range(10)]
    for packet in sent:
        source.put(packet.words())
    got = packets(await sink.take(40))
    assert got == sent
    cycles = [at for at, _ in sink.monitor.transfers]
    gaps = [cycles[4 * i + 4] - cycles[4 * i + 3] for i in range(9)]
    assert gaps == [cores] * 9
