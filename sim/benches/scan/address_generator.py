"""Bench of the address generator against the words a kernel covers, position by position."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Any

import cocotb
from stablespike.hw.lib.layouts import struct
from stablespike.hw.scan.scanner import range_layout
from stablespike.spec import ArrayConfig, task_layout
from stablespike.spec.timing import ADDRESS_LATENCY

from ...harness.blocks import array_config, value
from ...harness.streams import Bench, pack, start, unpack


@dataclass
class Layer:
    """A convolution: ``pitch`` words for each pixel of the map."""

    height: int
    width: int
    pitch: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    pool: int
    groups: int
    top: int
    lines: int  # from the task's first row to the last existing one
    columns: int
    begin: int  # the first pool of the task, in its row of pools
    pools: int
    dropped: tuple[int, int]  # map rows and columns at the far edges that are not read


def _layer(random: Random, config: ArrayConfig) -> Layer:
    """A convolution that fits the array's memories."""
    while True:
        height, width, pitch = (random.randint(1, most) for most in (7, 7, config.lanes + 2))
        if random.random() < 0.3:
            pitch = config.lanes * random.randint(1, 2)
        kernel = random.randint(1, 4), random.randint(1, 4)
        stride = random.randint(1, 3), random.randint(1, 3)
        padding = random.randint(0, kernel[0] - 1), random.randint(0, kernel[1] - 1)
        dropped = random.choice([0, 0, 1]), random.choice([0, 0, 1])
        there = height - dropped[0], width - dropped[1]
        positions = [
            (size + 2 * pad - k) // step + 1 if size + 2 * pad >= k and size > 0 else 0
            for size, pad, k, step in zip(there, padding, kernel, stride, strict=True)
        ]
        groups = random.choice([1, 1, 2, 3])
        words = groups * kernel[0] * kernel[1] * pitch
        if (
            min(positions) < 1 or height * width * pitch > config.spike_rows // 2 * config.lanes
            or words > config.weight_rows // 2
        ):
            continue
        pool = random.choice([1, 1, 2, 3])
        top = random.randrange(0, positions[0], pool)
        lines = positions[0] - top
        across, down = -(-positions[1] // pool), -(-lines // pool)
        begin = random.choice([0, random.randrange(across)])
        pools = random.choice([across * down - begin, random.randint(1, across * down - begin)])
        return Layer(
            height, width, pitch, kernel, stride, padding, pool, groups, top, lines, positions[1],
            begin, pools, dropped,
        )


def _task(random: Random, config: ArrayConfig, layer: Layer) -> dict[str, int]:
    scan = struct(*task_layout(config).scan)
    line = layer.width * layer.pitch
    first_y = layer.top * layer.stride[0] - layer.padding[0]
    mask = (1 << scan["line"].width) - 1
    return {
        "external": random.getrandbits(1), "ordered": 0, "sync": 0, "last": random.getrandbits(1),
        "source": random.randrange(config.spike_rows // 4), "groups": layer.groups, "wait": 0,
        "weights": random.randrange(config.weight_rows // 2), "line": line,
        "width": (layer.width - layer.dropped[1]) * layer.pitch,
        "span": layer.kernel[1] * layer.pitch, "first_line": first_y * line & mask,
        "first_x": -layer.padding[1] * layer.pitch, "step_x": layer.stride[1] * layer.pitch,
        "step_line": layer.stride[0] * line & mask, "first_y": first_y,
        "height": layer.height - layer.dropped[0], "columns": layer.columns, "lines": layer.lines,
        "start_x": (layer.begin * layer.pool * layer.stride[1] - layer.padding[1]) * layer.pitch,
        "start_columns": layer.columns - layer.begin * layer.pool, "cells": layer.pools,
        "step_y": layer.stride[0], "kernel_rows": layer.kernel[0], "pool": layer.pool,
    }


def _expected(
    config: ArrayConfig, layer: Layer, task: dict[str, int], base: int
) -> list[tuple[list[tuple[int, int]], dict[str, int]]]:
    """Per range, (word of the spike memory, weight row) of each word of it, and its mark."""
    origin = (task["source"] + base * task["external"]) * config.lanes
    pool, found = layer.pool, []
    across = -(-layer.columns // pool)
    last = layer.begin + layer.pools - 1
    for pool_number, group in product(range(layer.begin, last + 1), range(layer.groups)):
        py, px = divmod(pool_number, across)
        inside = [
            (py * pool + dy, px * pool + dx) for dy in range(pool) for dx in range(pool)
            if py * pool + dy < layer.lines and px * pool + dx < layer.columns
        ]
        for oy, ox in inside:
            ranges = []
            for ky in range(layer.kernel[0]):
                y = (layer.top + oy) * layer.stride[0] - layer.padding[0] + ky
                words = []
                for kx in range(layer.kernel[1]):
                    x = ox * layer.stride[1] - layer.padding[1] + kx
                    if not (0 <= y < task["height"] and 0 <= x * layer.pitch < task["width"]):
                        continue
                    word = (y * layer.width + x) * layer.pitch
                    row = (group * layer.kernel[0] + ky) * layer.kernel[1] + kx
                    words += [
                        (origin + word + c, task["weights"] + row * layer.pitch + c)
                        for c in range(layer.pitch)
                    ]
                if words:
                    ranges.append(words)
            last_position = (oy, ox) == inside[-1]
            short = group == layer.groups - 1
            ends = last_position and short and pool_number == last
            mark = {
                "group": 1, "task": int(ends), "window": int(ends and task["last"]), "empty": 0,
                "short": int(short), "last_position": int(last_position),
                "emit": int(last_position and len(inside) == pool * pool),
            }
            found += [(words, dict.fromkeys(mark, 0)) for words in ranges[:-1]]
            found.append((ranges[-1], mark))
    return found


def _words(config: ArrayConfig, scan_range: dict[str, Any]) -> list[tuple[int, int]]:
    """(word, weight row) of each word of an issued range."""
    lanes, mask = config.lanes, (1 << (config.weight_rows - 1).bit_length()) - 1
    first = scan_range["row"] * lanes + scan_range["head"]
    last = (scan_range["row"] + scan_range["rows"] - 1) * lanes + scan_range["tail"]
    start_row = scan_range["row"] * lanes
    return [(w, scan_range["weight"] + w - start_row & mask) for w in range(first, last + 1)]


async def _begin(bench: Bench, scan: int, base: int) -> None:
    """Start a task and end its first cycle."""
    dut = bench.dut
    dut.scan.value, dut.base.value, dut.start.value = scan, base, 1
    await bench.tick()
    dut.start.value = 0


@cocotb.test()
async def walks_every_position(dut):
    """Padding, strides, pools, dropped edges, and parts of the rows and groups; with random
    stalls."""
    config = array_config()
    bench = await start(dut, limit=400_000)
    random = bench.random
    sink = bench.sink("ranges")
    scan_layout = struct(*task_layout(config).scan)
    for number in range(60):
        layer = _layer(random, config)
        task, base = _task(random, config, layer), random.randrange(config.spike_rows // 4)
        sink.stall = random.choice([0, 0, 0.3, 0.8])
        await _begin(bench, pack(scan_layout, task), base)
        await bench.until(lambda: not value(bench, "busy"), "the walk to end")
        ranges = [unpack(range_layout(config), each) for each in sink.received]
        sink.received.clear()
        expected = _expected(config, layer, task, base)
        assert [_words(config, each) for each in ranges] == [w for w, _ in expected], (
            number, layer
        )
        assert [each["mark"] for each in ranges] == [mark for _, mark in expected], layer


@cocotb.test()
async def takes_a_kernel_row_per_cycle(dut):
    """And two more between positions, groups and lines of a map without padding."""
    config = array_config()
    bench = await start(dut)
    sink = bench.sink("ranges")
    layer = Layer(4, 4, 1, (2, 2), (1, 1), (0, 0), 1, 2, 0, 3, 3, 0, 9, (0, 0))
    task = _task(bench.random, config, layer)
    begun = bench.cycle
    await _begin(bench, pack(struct(*task_layout(config).scan), task), 0)
    await bench.until(lambda: not value(bench, "busy"), "the walk to end")
    cycles = [cycle for cycle, _ in sink.monitor.transfers]
    assert len(cycles) == 2 * 9 * 2
    expected = [ADDRESS_LATENCY + 4 * position + row for position in range(18) for row in range(2)]
    assert [c - begun for c in cycles] == expected, (begun, cycles)
