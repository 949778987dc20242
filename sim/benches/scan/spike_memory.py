"""Bench of the spike memory: rows, and the flags computed from them."""

from __future__ import annotations

import cocotb
from stablespike.hw.lib.ports import beat_layout

from ...harness.blocks import array_config, cycle, value
from ...harness.streams import pack, start


@cocotb.test()
async def keeps_rows_and_their_flags(dut):
    """Two independent reads per cycle besides writes; a written part is visible from the next cycle
    on."""
    config = array_config()
    bench = await start(dut)
    random = bench.random
    beats, window = config.row_beats, config.window
    lanes = config.lanes // beats
    rows: dict[tuple[int, int], list[int]] = {}
    flags: list[int] | None = None
    words: list[int] | None = None
    checked = behind = 0
    last = 0
    for number in range(2000 + 2 * beats * config.spike_rows):
        row, beat = divmod(number, beats)
        if filled := row >= config.spike_rows:
            row, beat = random.randrange(config.spike_rows), random.randrange(beats)
        part = [
            random.getrandbits(window) if random.random() < 0.5 else 0 for _ in range(lanes)
        ]
        write = not filled or random.random() < 0.5
        flags_row, words_row = (
            last if random.random() < 0.3 else random.randrange(config.spike_rows)
            for _ in range(2)
        )
        words_beat = random.randrange(beats)
        written = sum(word << i * window for i, word in enumerate(part))
        layout = beat_layout(config)
        pins = {"words_beat": words_beat} if beats > 1 else {}
        await cycle(
            bench, write=int(write), flags_row=flags_row, words_row=words_row,
            written=pack(layout, {"row": row, "beat": beat, "words": written}), **pins,
        )
        if flags is not None:
            assert value(bench, "flags") == sum(bool(word) << i for i, word in enumerate(flags))
            checked += 1
        if words is not None:
            assert value(bench, "words") == sum(word << i * window for i, word in enumerate(words))
        # A row that is read in the cycle of its write is undefined.
        flags = words = None
        if not (write and row == flags_row):
            parts = [rows.get((flags_row, b)) for b in range(beats)]
            flags = None if None in parts else [word for p in parts for word in p or ()]
        if not (write and (row, beat) == (words_row, words_beat)):
            words = rows.get((words_row, words_beat))
        behind += flags_row == last
        if write:
            rows[row, beat], last = part, row
    assert checked > 1000
    assert behind > 100
