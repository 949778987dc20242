"""Bench of the array: compiled networks against the plain reference; every report is checked."""

from __future__ import annotations

import cocotb

from ...harness.blocks import packets
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
from ...harness.streams import parameters, start


@cocotb.test()
async def computes_what_the_reference_does(dut):
    """Runs program after program, with windows as fast as they are taken and stalls on every
    stream."""
    bench = await start(dut, limit=200_000)
    watch_room(bench)
    rows, reports = bench.source("rows", 0.2), bench.sink("reports", 0.4)
    for number, (program, sample) in enumerate(cases(parameters()["folder"])):
        await load(bench, program)
        flags = 0 if number % 5 == 4 else int(ALL_REPORTS)
        dut.report_flags.value = flags
        rows.stall = bench.random.random() / 2
        reports.stall = bench.random.random() * 0.8
        for input_rows, window in windows(program, sample):
            await bench.until(lambda: dut.windows__room.value, "room for a window")
            await rows.send(input_rows)
            await send_window(bench, window)
        words = await all_ended(bench, reports, program, flags)
        check(program, sample, packets(words), flags)
        # Whoever has all reports may write to the memories, and change what is reported.
        await bench.settle()
        assert not dut.busy.value
