"""Bench of the host's memory against a dict of rows."""

from __future__ import annotations

import cocotb

from ...harness.blocks import cycle, value
from ...harness.streams import parameters, start


@cocotb.test()
async def reads_what_was_written_in_chunks(dut):
    """Rows are written chunk by chunk, read back at random, and held while no row is read."""
    width, depth = parameters()["width"], parameters()["depth"]
    bench = await start(dut)
    random = bench.random
    count = -(-width // 16)
    span = [random.randrange(depth) for _ in range(60)] + [0, depth - 1]
    if depth > 1 << 14:
        span += [(1 << 14) - 1, 1 << 14]
    rows: dict[int, int] = {}
    shown = None
    for number in range(3000):
        row = random.choice(span)
        if number < 2 * len(span):
            row = span[number // 2]
        if row not in rows or random.random() < 0.1:
            # Write a whole row first, then single chunks of it.
            which = range(count) if row not in rows else [random.randrange(count)]
            for chunk in which:
                here = min(16, width - 16 * chunk)
                data = random.getrandbits(here)
                await cycle(
                    bench, write=1, write_address=row, write_chunk=chunk, write_data=data,
                    read__enable=random.getrandbits(1), read__address=random.choice(span),
                )
                mask = ((1 << here) - 1) << 16 * chunk
                rows[row] = rows.get(row, 0) & ~mask | data << 16 * chunk
            shown = None
        else:
            enable = random.random() < 0.7
            await cycle(bench, write=0, read__enable=int(enable), read__address=row)
            if shown is not None:
                assert value(bench, "read__data") == shown
            shown = rows[row] if enable else shown
    assert set(span) == set(rows)
