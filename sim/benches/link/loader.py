"""Bench of the loader against ``spec.encoding.decode_rows``."""

from __future__ import annotations

import random
from collections import deque
from itertools import product

import cocotb
import numpy as np
from stablespike.hw.lib.ports import beat_layout, window_layout
from stablespike.spec.array import ArrayConfig
from stablespike.spec.encoding import Encoding, decode_rows, encode_rows, encodings

from ...harness.frames import window_head
from ...harness.streams import Bench, Source, parameters, start, unpack


def _config() -> ArrayConfig:
    return ArrayConfig(**parameters()["config"])


def _words(rng: random.Random, rows: int, config: ArrayConfig, half: bool = False) -> np.ndarray:
    density = rng.choice([0.0, 0.03, 0.3, 1.0])
    return np.array([
        rng.randrange(1, 1 << (config.window >> half)) if rng.random() < density else 0
        for _ in range(rows * config.lanes)
    ])


async def _map(bench: Bench, rows: int, first_base: int, half: bool = False) -> None:
    dut = bench.dut
    await bench.until(lambda: dut.idle.value, "the loader to be idle")
    dut.rows_total.value, dut.input_base.value, dut.moved.value = rows, first_base, 1
    if _config().half_words:
        dut.half.value = int(half)
    await bench.tick()
    dut.moved.value = 0


class Pairs:
    """Offers one or two bytes, as the wide input buffer does, with pauses.

    Which of them the loader takes must be known in the same cycle.
    """

    def __init__(self, bench: Bench, stall: float = 0.0) -> None:
        self.bench, self.stall = bench, stall
        self.queue: deque[int] = deque()
        cocotb.start_soon(self._drive())

    @property
    def idle(self) -> bool:
        return not self.queue

    def put(self, data: int | list[int]) -> None:
        self.queue.extend([data] if isinstance(data, int) else data)

    async def send(self, data: int | list[int]) -> None:
        self.put(data)
        await self.bench.until(lambda: self.idle, "the loader to take its bytes")

    async def _drive(self) -> None:
        bench, dut, rng = self.bench, self.bench.dut, self.bench.random
        kept = 0  # of those offered before
        while True:
            count = min(len(self.queue), 2)
            if rng.random() < self.stall:
                count = rng.randrange(kept, count + 1)
            offered = [*list(self.queue)[:count], rng.getrandbits(8), rng.getrandbits(8)]
            dut.bytes__valid.value, dut.bytes__second.value = int(count > 0), int(count > 1)
            dut.bytes__payload.value = offered[0] | offered[1] << 8
            await bench.settle()
            kept = count
            if count and dut.bytes__ready.value:
                kept -= 1 + int(dut.bytes__both.value)
                assert kept >= 0, "the loader takes a byte that is not there"
                for _ in range(count - kept):
                    self.queue.popleft()
            await bench.tick()


def _source(bench: Bench, stall: float = 0.0) -> Source | Pairs:
    return bench.source("bytes", stall) if _config().link_bytes == 1 else Pairs(bench, stall)


class Room:
    """Takes windows; there is room after a while, until a window comes."""

    def __init__(self, bench: Bench, stall: float) -> None:
        self.bench, self.stall = bench, stall
        self.windows: list[int] = []
        cocotb.start_soon(self._drive())

    async def _drive(self) -> None:
        bench, dut = self.bench, self.bench.dut
        while True:
            dut.windows__room.value = 0
            while bench.random.random() < self.stall:
                await bench.settle()
                assert not dut.windows__valid.value, "a window came without room for it"
                await bench.tick()
            dut.windows__room.value = 1
            await bench.settle()
            while not dut.windows__valid.value:
                await bench.settle()
            self.windows.append(int(dut.windows__payload.value))
            await bench.tick()


@cocotb.test()
async def decodes_windows(dut):
    config, stall = _config(), parameters()["stall"]
    bench = await start(dut, limit=400_000)
    rng = bench.random
    source, rows_sink = _source(bench, stall), bench.sink("rows", stall)
    room = Room(bench, stall)
    rows, windows = [], []
    for number in range(parameters().get("maps", 4)):
        half = config.half_words and number % 2 == 1
        total = rng.randrange(1, min(20, config.spike_rows // 2) + 1)
        first_base = rng.randrange(config.spike_rows - 2 * total + 1)
        await _map(bench, total, first_base, half)
        second, base = 0, first_base
        for i in range(5):
            encoding = rng.choice([*encodings(config), *[Encoding.REPEAT] * (i > 0)])
            steps = rng.randrange(config.window)
            first, last = rng.getrandbits(1), rng.getrandbits(1)
            source.put(list(window_head(steps + 1, first, last, encoding)))
            if encoding != Encoding.REPEAT:
                data = encode_rows(_words(rng, total, config, half), encoding, config, half)
                if rng.random() < 0.3:
                    data = rng.randbytes(10_000)  # every byte means something
                decoded, used = decode_rows(data, total, encoding, config, half)
                source.put(list(data[:used]))
                base, second = first_base + total * second, 1 - second
                for r, row in enumerate(decoded):
                    for beat, part in enumerate(row.reshape(config.row_beats, -1)):
                        value = sum(int(w) << (i * config.window) for i, w in enumerate(part))
                        rows.append({"row": base + r, "beat": beat, "words": value})
            windows.append({"steps": steps, "first": first, "last": last, "base": base})
        await bench.until(lambda: len(room.windows) == len(windows), "the windows")
    assert source.idle
    got = [unpack(beat_layout(config), row) for row in rows_sink.received]
    assert got == rows
    assert [unpack(window_layout(config), w) for w in room.windows] == windows


@cocotb.test()
async def waits_for_room_and_for_bytes(dut):
    """No row comes before room; hungry is up exactly when the next byte is missing; idle takes any
    byte."""
    config = _config()
    bench = await start(dut)
    source = _source(bench)
    bench.sink("rows")
    await _map(bench, 3, 0)
    encoding = encodings(config)[-1]
    data = encode_rows(np.ones(3 * config.lanes, dtype=int), encoding, config)
    await source.send(list(window_head(1, 1, 1, encoding)))
    await bench.tick()
    for _ in range(50):
        await bench.settle()
        assert not dut.rows__valid.value
        assert not dut.hungry.value
        assert not dut.idle.value
    await bench.tick()
    dut.windows__room.value = 1
    for byte in data:
        await bench.until(lambda: dut.hungry.value, "the loader to be hungry")
        await bench.tick(5)
        await bench.settle()
        assert dut.hungry.value
        await bench.tick()
        await source.send(byte)
    await bench.until(lambda: dut.windows__valid.value, "the window")
    await bench.settle()
    assert dut.idle.value
    assert not dut.hungry.value
    await bench.tick()


@cocotb.test()
async def refuses_what_is_no_head(dut):
    """A head with too many steps, or a repeat without earlier words, leaves the loader idle."""
    config = _config()
    bench = await start(dut)
    bench.sink("rows")
    room = Room(bench, 0.0)
    await _map(bench, 1, 0)

    async def refused(head: bytes) -> bool:
        dut.bytes__valid.value, dut.bytes__payload.value = 1, head[0]
        await bench.settle()
        assert dut.bytes__ready.value
        assert dut.idle.value
        result = bool(dut.no_head.value)
        await bench.tick()
        dut.bytes__valid.value = 0
        return result

    bad = [window_head(steps) for steps in range(config.window + 1, 17)]
    repeat = window_head(1, encoding=Encoding.REPEAT)
    for head in [*bad, repeat, *bad]:
        assert await refused(head)
    assert not await refused(window_head(config.window))
    source = _source(bench)
    rows = encode_rows(np.zeros(config.lanes, dtype=int), Encoding.BITMAP, config)
    await source.send(list(rows + repeat))
    await bench.until(lambda: len(room.windows) == 2, "the window that repeats")


@cocotb.test()
async def keeps_its_pace(dut):
    """A silent row takes one cycle, as does a summary of 8 rows, a mask byte or lane, a word, and a
    row.

    Rows in parts and chained lanes take the cycles that the docstring gives. With two bytes per
    clock, mask bytes, lanes and words go in pairs.
    """
    config = _config()
    wide = config.link_bytes > 1
    bench = await start(dut)
    source = _source(bench)
    dut.rows__ready.value = dut.windows__room.value = 1
    total = config.spike_rows // 2
    silence = np.zeros(total * config.lanes, dtype=int)
    for encoding, half in product(encodings(config)[1:], range(1 + config.half_words)):
        for words in (silence, _words(bench.random, total, config, half)):
            await _map(bench, total, 0, half)
            data = encode_rows(words, encoding, config, half)
            source.put(list(window_head(1, 1, 1, encoding) + data))
            begin = bench.cycle
            await bench.until(lambda: dut.windows__valid.value, "the window")
            grid = words.reshape(total, config.lanes)
            busy, active = int((grid != 0).any(1).sum()), int((grid != 0).sum())
            parts = 0 if config.window == 1 else -(-(config.window >> half) // 8)
            on_bus = total * (config.row_beats + (config.chain > 1))
            if wide:
                lanes = (grid != 0).sum(1) if encoding == Encoding.SPARSE else (
                    (grid != 0).any(1) * -(-config.lanes // 8))
                masks = int((-(-lanes // 2)).sum())
                in_part = (grid.reshape(total * config.row_beats, -1) != 0).sum(1)
                words = int((-(-in_part // 2)).sum()) if parts else 0
                work = masks + (active if parts == 2 else words)
            else:
                masks = active if encoding == Encoding.SPARSE else busy * -(-config.lanes // 8)
                work = masks + active * parts
            assert bench.cycle - begin <= on_bus + -(-total // 8) + work + 8


@cocotb.test(skip=ArrayConfig(**parameters().get("config", {})).link_bytes == 1)
async def takes_two_bytes_per_cycle(dut):
    """Dense words of 8 bits take a cycle for two, and one for each part; those of 16 bits one."""
    config = _config()
    bench = await start(dut)
    source = _source(bench)
    dut.rows__ready.value = dut.windows__room.value = 1
    total = config.spike_rows // 2
    await _map(bench, total, 0)
    words = np.full(total * config.lanes, (1 << config.window) - 1)
    data = encode_rows(words, Encoding.DENSE, config)
    source.put(list(window_head(1, 1, 1, Encoding.DENSE) + data))
    begin = bench.cycle
    await bench.until(lambda: dut.windows__valid.value, "the window")
    part = config.lanes // config.row_beats
    per_part = {1: 0, 16: part}.get(config.window, -(-part // 2)) + 1
    per_row = config.row_beats * per_part + 1 + (config.chain > 1)
    if config.window == 1:
        per_row += -(-config.lanes // 16) - 1
    assert bench.cycle - begin <= total * per_row + 8
