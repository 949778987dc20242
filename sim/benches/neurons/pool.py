"""Bench of the pool unit against lists of words: one group is read while the next one comes in."""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any

import cocotb
from stablespike.spec import ArrayConfig
from stablespike.spec.reference import skeleton

from ...harness.blocks import array_config, cycle, value
from ...harness.streams import start


class Group:
    """A group's words, and the writes that bring them: (step, fired, before), lane by lane."""

    def __init__(self, random: Random, config: ArrayConfig, steps: int) -> None:
        density, parallel = random.choice([0.1, 0.5, 0.9, 1]), config.neuron_steps
        neurons = random.choice([config.lanes, random.randint(1, config.lanes)])
        self.spikes = [
            sum((random.random() < density) << t for t in range(steps)) if lane < neurons else 0
            for lane in range(config.lanes)
        ]
        before = [random.getrandbits(1) for _ in range(config.lanes)]
        self.skeleton = [skeleton(w, r) for w, r in zip(self.spikes, before, strict=True)]
        self.writes = deque(
            (first, word >> first & (1 << parallel) - 1, word << 1 >> first & 1 if first else r)
            for first in range(0, steps, parallel)
            for word, r in zip(self.spikes, before, strict=True)
        )

    def row(self, of_skeleton: bool, window: int) -> int:
        """The whole row, word of lane 0 lowest."""
        words = self.skeleton if of_skeleton else self.spikes
        return sum(word << lane * window for lane, word in enumerate(words))

    def counts(self) -> list[int]:
        """The counts that the group adds to the counters."""
        return [sum(w.bit_count() for w in words) for words in (self.spikes, self.skeleton)]


class Reader:
    """For the group taken last: its parts go into the pool, as from the output unit, then any
    parts."""

    def __init__(self, random: Random, config: ArrayConfig) -> None:
        self.random, self.config = random, config
        self.part = config.row_bits // config.row_beats
        self.kept = dict.fromkeys(
            ((s, beat) for s in (0, 1) for beat in range(config.row_beats)), 0
        )
        self.group: Group | None = None
        self.todo: deque[dict[str, int]] = deque()

    def take(self, group: Group, fresh: bool) -> None:
        """From the next cycle on, this is the group to read; into an empty pool, if ``fresh``."""
        self.group = group
        self.todo = deque(
            {"select_skeleton": s, "beat": beat, "show_row": 1, "show_kept": int(not fresh),
             "store": 1}
            for s, beat in self.kept
        )
        self.todo.extend(
            {name: self.random.getrandbits(1)
             for name in ("select_skeleton", "show_row", "show_kept")}
            | {"beat": self.random.randrange(self.config.row_beats),
               "store": int(self.random.random() < 0.1)}
            for _ in range(self.random.choice([0, 3, 3 * self.config.lanes]))
        )

    def idle(self) -> dict[str, int]:
        return {"select_skeleton": 0, "beat": 0, "show_row": 1, "show_kept": 0, "store": 0}

    def expect(self, pins: dict[str, int]) -> int:
        """The expected output for these pins; records what is stored."""
        place = pins["select_skeleton"], pins["beat"]
        words = self.kept[place] if pins["show_kept"] else 0
        if pins["show_row"] and self.group is not None:
            row = self.group.row(bool(place[0]), self.config.window)
            words |= row >> place[1] * self.part & (1 << self.part) - 1
        if pins["store"]:
            self.kept[place] = words
        return words


@cocotb.test()
async def pools_a_group_while_the_next_comes_in(dut):
    """Full and partial groups and windows; taken late, even while the next group's first neuron is
    written."""
    config = array_config()
    bench = await start(dut)
    random = bench.random
    reader = Reader(random, config)
    together = 0
    for number in range(16):
        steps = config.window if random.random() < 0.5 else random.randint(1, config.window)
        groups = [Group(random, config, steps) for _ in range(random.randint(1, 6))]
        pool, hurry = random.choice([1, 1, 2, 3, 4]), random.random() < 0.5
        counts, coming, taken = [0, 0], 0, 0
        while taken < len(groups) or reader.todo:
            # The writer is at group ``coming``; those before it are complete, all but the last
            # of them taken.
            waits = coming > taken
            writes = coming < len(groups) and (hurry or random.random() < 0.7)
            take = waits and not reader.todo and (writes or hurry or random.random() < 0.3)
            writes &= take or not waits
            pins: dict[str, Any] = {"write": int(writes), "take": int(take)}
            pins |= {"fired": random.getrandbits(config.neuron_steps), "before": 0, "step": 0}
            if writes:
                group = groups[coming]
                together += take
                pins["step"], pins["fired"], pins["before"] = group.writes.popleft()
                coming += not group.writes
            reads = bool(reader.todo) and (hurry or random.random() < 0.8)
            chosen = reader.todo.popleft() if reads else reader.idle()
            pins |= {
                f"pool__{name}": bit for name, bit in chosen.items()
                if name != "beat" or config.row_beats > 1
            }
            await cycle(bench, **pins)
            assert value(bench, "pool__words") == reader.expect(chosen), (number, taken, chosen)
            if take:
                reader.take(groups[taken], taken % pool == 0)
                taken += 1
        assert coming == taken == len(groups)
        for group in groups:
            counts = [a + b for a, b in zip(counts, group.counts(), strict=True)]
        await cycle(bench, write=0, take=0, pool__store=0)
        assert [value(bench, f"{name}_count") for name in ("spike", "stable")] == counts
        await cycle(bench, clear=1, clear_counts=1)
        assert [value(bench, f"{name}_count") for name in ("spike", "stable")] == counts
        await cycle(bench, clear=0, clear_counts=0)
        assert [value(bench, f"{name}_count") for name in ("spike", "stable")] == [0, 0]
    assert together > 5


@cocotb.test()
async def forgets_the_row_that_comes_in(dut):
    """The row that was taken stays, and so do the counters, which are cleared separately."""
    config = array_config()
    bench = await start(dut)
    group = Group(bench.random, config, config.window)
    while group.writes:
        step, fired, before = group.writes.popleft()
        await cycle(bench, write=1, step=step, fired=fired, before=before)
    await cycle(bench, write=0, take=1)
    await cycle(bench, take=0, clear=1, pool__show_row=1)
    part = (1 << config.row_bits // config.row_beats) - 1
    assert value(bench, "pool__words") == group.row(False, config.window) & part
    await cycle(bench, clear=0, take=1)
    assert value(bench, "pool__words") == group.row(False, config.window) & part
    for select in (0, 1):
        await cycle(bench, take=0, pool__select_skeleton=select)
        assert value(bench, "pool__words") == 0
    assert [value(bench, f"{name}_count") for name in ("spike", "stable")] == group.counts()
