"""Bench of the input buffer between a model of the command decoder and one of the loader."""

from __future__ import annotations

import cocotb

from ...harness.blocks import cycle, value
from ...harness.streams import start


@cocotb.test()
async def the_last_byte_is_taken_when_the_loader_has_it(dut):
    """Commands of random bytes, with pauses on both sides; the loader refuses a byte of some."""
    bench = await start(dut)
    bench.monitor("i")
    bench.monitor("o")
    random = bench.random
    for _ in range(200):
        command = [random.getrandbits(8) for _ in range(random.choice([1, 2, 3, 12]))]
        refuses = random.randrange(len(command)) if random.random() < 0.4 else None
        offers, takes = random.choice([0.2, 1]), random.choice([0.2, 1])
        taken, got, offering = 0, [], False
        while taken < len(command):
            offering = offering or random.random() < offers
            last = taken == len(command) - 1
            ready = random.random() < takes
            await cycle(
                bench, i__valid=int(offering), last=int(last and offering), o__ready=int(ready),
                i__payload=command[taken] if offering else random.getrandbits(8),
                refused=int(len(got) == refuses),
            )
            if value(bench, "o__valid") and ready:
                got.append(value(bench, "o__payload"))
            if offering and value(bench, "i__ready"):
                taken, offering = taken + 1, False
                if last:
                    assert value(bench, "no_head") == (refuses is not None)
                    # The loader has received them all; no byte of the next command came before.
                    assert got == command[: len(command) if refuses is None else refuses + 1]


@cocotb.test()
async def passes_a_byte_per_cycle(dut):
    """Without pauses, a command takes one cycle for each byte, and two more."""
    bench = await start(dut)
    for length in (1, 5, 40):
        cycles = taken = 0
        while taken < length:
            await cycle(bench, i__valid=1, last=int(taken == length - 1), i__payload=taken,
                        o__ready=1, refused=0)
            cycles += 1
            taken += value(bench, "i__ready")
        assert cycles == length + 2
        await cycle(bench, i__valid=0, last=0)
