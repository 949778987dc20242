"""Bench of the spike memory: rows, and flags made of them."""

from __future__ import annotations

import cocotb

from .blocks import array_config, cycle, value
from .streams import start


@cocotb.test()
async def keeps_rows_and_their_flags(dut):
    """Two independent reads per cycle beside writes, a row written from the next cycle on."""
    config = array_config()
    bench = await start(dut)
    random = bench.random
    rows: dict[int, list[int]] = {}
    shown: dict[str, list[int] | None] = {"flags": None, "words": None}
    checked = behind = 0
    last = 0
    for number in range(3000):
        row = number if number < config.spike_rows else random.randrange(config.spike_rows)
        words = [
            random.getrandbits(config.window) if random.random() < 0.5 else 0
            for _ in range(config.lanes)
        ]
        write = number < config.spike_rows or random.random() < 0.5
        flags_row, words_row = (
            last if random.random() < 0.3 else random.randrange(config.spike_rows)
            for _ in range(2)
        )
        await cycle(
            bench, write=int(write), write_row=row,
            write_words=sum(word << i * config.window for i, word in enumerate(words)),
            flags_row=flags_row, words_row=words_row,
        )
        if shown["flags"] is not None:
            expected = sum(bool(word) << i for i, word in enumerate(shown["flags"]))
            assert value(bench, "flags") == expected
            checked += 1
        if shown["words"] is not None:
            expected = sum(word << i * config.window for i, word in enumerate(shown["words"]))
            assert value(bench, "words") == expected
        # What is read in the cycle of its write is not defined.
        shown = {
            name: None if write and at == row else rows.get(at)
            for name, at in (("flags", flags_row), ("words", words_row))
        }
        behind += flags_row == last
        if write:
            rows[row], last = words, row
    assert checked > 2000
    assert behind > 100
