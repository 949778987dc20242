"""Bench of the AND unit against the plain reference."""

from __future__ import annotations

from typing import Any

import cocotb
from stablespike.spec.reference import skeleton

from ...harness.blocks import array_config, cycle, value
from ...harness.streams import Bench, start


async def _group(bench: Bench, neurons: int, steps: int) -> tuple[list[int], list[int]]:
    """Put a group in, a step of a neuron at a time; returns its spike and skeleton words.

    Every step of a pass goes through its passes and neurons in order, at its own times.
    """
    config, random = array_config(), bench.random
    parallel, density = config.neuron_steps, random.choice([0.1, 0.5, 0.9, 1])
    words = [
        sum((random.random() < density) << t for t in range(steps)) for _ in range(neurons)
    ]
    before = [random.getrandbits(1) for _ in range(neurons)]
    stable = [skeleton(word, r) for word, r in zip(words, before, strict=True)]
    slots: list[list[tuple[int, int]]] = [
        [(first, n) for first in range(0, steps, parallel) for n in range(neurons)
         if first + i < steps]
        for i in range(parallel)
    ]
    starting = list(before)
    first_bits = max(1, (config.window - 1).bit_length())
    while any(slots) or starting:
        pins: dict[str, Any] = {"first": 0, "write": 0, "step": 0, "fired": 0, "stable": 0}
        pins["before"] = random.getrandbits(1)
        if starting and random.random() < 0.7:
            pins |= {"first": 1, "before": starting.pop(0)}
        for i, slot in enumerate(slots):
            if not slot or random.random() < 0.3:
                pins["fired"] |= random.getrandbits(1) << i
                continue
            first, n = slot.pop(0)
            pins["write"] |= 1 << i
            pins["fired"] |= (words[n] >> (first + i) & 1) << i
            pins["stable"] |= (stable[n] >> (first + i) & 1) << i
            pins["step"] |= first << i * first_bits
        await cycle(bench, **pins)
    for _ in range(config.lanes - neurons):
        await cycle(bench, first=0, write=0, fill=1)
    await cycle(bench, first=0, write=0, fill=0)
    return words, stable


@cocotb.test()
async def collects_rows_and_counts(dut):
    """Full and partial groups and windows; counters over several groups, until cleared."""
    config = array_config()
    bench = await start(dut)
    random = bench.random

    def row(words: list[int]) -> int:
        return sum(word << lane * config.window for lane, word in enumerate(words))

    spikes = stables = 0
    for number in range(120):
        neurons = config.lanes if random.random() < 0.4 else random.randint(1, config.lanes)
        steps = config.window if random.random() < 0.4 else random.randint(1, config.window)
        words, stable = await _group(bench, neurons, steps)
        assert value(bench, "row") == row(words)
        words += [0] * (config.lanes - neurons)
        stable += [0] * (config.lanes - neurons)
        for rows in (words, stable):
            turns = config.lanes if rows is words else random.choice([0, 1, config.lanes])
            for turn in range(1, turns + 1):
                await cycle(bench, rotate=1)
                await cycle(bench, rotate=0)
                assert value(bench, "row") == row(rows[turn:] + rows[:turn])
            if rows is words:
                await cycle(bench, apply_skeleton=1)
                await cycle(bench, apply_skeleton=0)
                assert value(bench, "row") == row(stable)
        spikes += sum(word.bit_count() for word in words)
        stables += sum(word.bit_count() for word in stable)
        assert (value(bench, "spike_count"), value(bench, "stable_count")) == (spikes, stables)
        closes = number % 5 == 4
        await cycle(bench, clear=1, clear_counts=int(closes))
        assert (value(bench, "spike_count"), value(bench, "stable_count")) == (spikes, stables)
        await cycle(bench, clear=0, clear_counts=0)
        assert value(bench, "row") == 0
        if closes:
            spikes = stables = 0
        assert (value(bench, "spike_count"), value(bench, "stable_count")) == (spikes, stables)
