"""Bench of one core: its rows come back to it over the bus, beside those of the host."""

from __future__ import annotations

from collections import deque
from typing import Any

import cocotb
from stablespike.hw.lib.ports import write_layout
from stablespike.program.program import Program
from stablespike.spec import ArrayConfig
from stablespike.spec.timing import groups_overlap

from ...harness.blocks import array_config, cycle, packets
from ...harness.programs import (
    ALL_REPORTS,
    all_ended,
    cases,
    check,
    load,
    send_window,
    watch_room,
    windows,
)
from ...harness.streams import Bench, pack, parameters, start


class Bus:
    """Takes the core's rows and puts them, and the host's, on the bus, with stalls; if groups
    overlap, rows are taken at once."""

    def __init__(self, bench: Bench, config: ArrayConfig, stall: float) -> None:
        self.bench = bench
        self.inner = bench.sink("rows", 0 if groups_overlap(config) else stall)
        self.host = deque[int]()
        self.stall = stall
        cocotb.start_soon(self._drive())

    async def _drive(self) -> None:
        bench, dut, time = self.bench, self.bench.dut, 0
        while True:
            await bench.tick()
            waiting = self.inner.received or self.host
            moves = bool(waiting) and bench.random.random() >= self.stall
            dut.bus__valid.value = int(moves)
            dut.bus__inner.value = int(bool(self.inner.received))
            if moves:
                dut.bus__row.value = (self.inner.received or self.host).popleft()
            dut.time.value = time
            await bench.settle()
            time += bool(dut.busy.value)


async def _run(bench: Bench, bus: Bus, program: Program, sample: Any) -> None:
    """Feed a sample, window after window."""
    dut = bench.dut
    for input_rows, window in windows(program, sample):
        await bench.until(lambda: dut.windows__room.value, "room for a window")
        bus.host.extend(input_rows)
        await bench.until(lambda: not bus.host, "the bus to take the input")
        # The last row is written one cycle after it was put on the bus.
        await bench.tick(2)
        await send_window(bench, window)


@cocotb.test()
async def computes_what_the_reference_does(dut):
    """Runs program after program, with windows as fast as they are taken and stalls on every
    stream."""
    bench = await start(dut, limit=200_000)
    watch_room(bench)
    bus, reports = Bus(bench, array_config(), 0.3), bench.sink("reports", 0.4)
    for number, (program, sample) in enumerate(cases(parameters()["folder"])):
        await load(bench, program)
        flags = 0 if number % 5 == 4 else int(ALL_REPORTS)
        dut.report_flags.value = flags
        bus.stall = bench.random.random() / 2
        reports.stall = bench.random.random() * 0.8
        await _run(bench, bus, program, sample)
        words = await all_ended(bench, reports, program, flags)
        check(program, sample, packets(words), flags)
        await bench.settle()
        assert not dut.busy.value


@cocotb.test()
async def ignores_writes_to_other_cores(dut):
    """A program after which another core's memories are filled with zeros."""
    bench = await start(dut, limit=200_000)
    watch_room(bench)
    program, sample = next(cases(parameters()["folder"]))
    bus, reports = Bus(bench, array_config(), 0), bench.sink("reports")
    await load(bench, program)
    layout = write_layout(program.config)
    for _, space, first, rows in program.writes():
        for row in range(first, len(rows)):
            values = {"core": 1, "space": int(space), "row": row, "chunk": 0, "data": 0}
            await cycle(bench, writes__valid=1, writes__payload=pack(layout, values))
    await cycle(bench, writes__valid=0, report_flags=int(ALL_REPORTS))
    await _run(bench, bus, program, sample)
    words = await all_ended(bench, reports, program, int(ALL_REPORTS))
    check(program, sample, packets(words), int(ALL_REPORTS))
