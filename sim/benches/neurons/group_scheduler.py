"""Bench of the group scheduler between models of task reader, lanes, drain and output unit."""

from __future__ import annotations

from random import Random

import cocotb
from stablespike.hw.scan.scanner import mark_layout
from stablespike.network import Neuron
from stablespike.spec import ArrayConfig, bits_for
from stablespike.spec.timing import EARLY, groups_overlap

from ...harness.blocks import array_config, cycle, neuron_settings, value
from ...harness.streams import Bench, pack, start, unpack


def _settings(config: ArrayConfig, at: dict[str, int]) -> int:
    return neuron_settings(config, Neuron(threshold=1), **at)


def _garbage(random: Random, config: ArrayConfig) -> int:
    return random.getrandbits(mark_layout(config).size)


class Task:
    """One task from its settings to its last group; unused inputs are driven at random.

    ``swapped`` groups have left the lanes, ``complete`` rows are complete, ``sent`` are sent.
    """

    def __init__(self, bench: Bench, config: ArrayConfig, number: int, last: bool) -> None:
        random = bench.random
        self.bench, self.config, self.number, self.last = bench, config, number, last
        self.at = {
            "parameters": random.randrange(config.neuron_groups),
            "state": random.randrange(config.state_groups),
        }
        self.alone = random.getrandbits(1)
        self.empty = random.random() < 0.2
        self.count = 1 if self.empty else random.randint(1, 6)
        self.swapped = self.complete = self.sent = 0
        self.completed, self.swapped_at = [0] * self.count, [0] * self.count  # cycles ago
        self.rest: int | None = None  # cycles until the last neuron leaves, if these are few

    def mark(self, group: int) -> dict[str, int]:
        ends = group == self.count - 1
        return {
            "group": 1, "task": int(ends), "window": int(ends and self.last),
            "empty": int(self.empty),
        }

    def address(self, name: str, group: int) -> int:
        places = {"parameters": self.config.neuron_groups, "state": self.config.state_groups}
        return self.at[name] + group & (1 << bits_for(places[name] - 1)) - 1

    async def quiet(self, **pins: int) -> None:
        """A cycle outside a task's groups, in which nothing is to happen."""
        bench = self.bench
        await cycle(bench, **pins)
        names = ("groups__free", "tasks__start", "output_start", "start")
        assert not any(value(bench, name) for name in names)
        assert value(bench, "tasks__task") == self.number

    async def run(self) -> int:
        """Returns how many groups were taken before the one in front of them was sent."""
        bench, config, random = self.bench, self.config, self.bench.random
        while random.random() < 0.5:
            await self.quiet(window_held=0, tasks__loaded=random.getrandbits(1))
        await cycle(bench, window_held=1, tasks__loaded=0)
        assert value(bench, "tasks__start")
        assert not value(bench, "groups__free")
        while random.random() < 0.5:
            await self.quiet(window_held=random.getrandbits(1))
        await self.quiet(
            tasks__loaded=1, tasks__fields=_settings(config, self.at), alone=self.alone,
            window_held=random.getrandbits(1),
        )
        early = 0
        while self.sent < self.count:
            before = self.swapped
            await self._cycle()
            early += self.swapped > before and self.sent < before
        await cycle(bench, groups__swap=0, complete=0, output_done=0, window_held=0)
        return early

    async def _cycle(self) -> None:
        """A cycle in which a group may leave the lanes, be complete, or be sent, at random."""
        bench, config, random = self.bench, self.config, self.bench.random
        marks = mark_layout(config)
        entering, leaving = self.swapped - 1, self.sent
        computing = self.swapped > self.complete == self.sent
        # A neuron leaves some cycles after its group started to enter, and after the last neuron of
        # the group before.
        done = computing and not self.empty and self.swapped_at[leaving] > 4 and (
            not leaving or self.completed[leaving - 1] > 2
        )
        if done and self.rest is None and random.random() < 0.3:
            self.rest = EARLY
        ready = self.rest is not None
        free = self.sent == self.swapped or (
            groups_overlap(config) and not self.alone and self.swapped == self.sent + 1
            and self.swapped < self.count and (ready or not computing)
        )
        arrives = not self.empty and entering >= 0 and self.swapped_at[entering] == 1
        complete = self.rest == 0
        if self.rest is not None:
            self.rest = None if complete else self.rest - 1
        sent = self.complete > self.sent and self.completed[self.sent] and random.random() < 0.4
        swaps = free and self.swapped < self.count and random.random() < 0.4
        await cycle(
            bench, groups__swap=int(swaps), drain_ready=int(ready), groups__arrives=int(arrives),
            groups__mark=pack(marks, self.mark(self.swapped)) if swaps else _garbage(
                random, config
            ),
            # Neither counts in any other state.
            complete=int(complete) if computing else random.getrandbits(1),
            output_done=int(sent) if self.complete > self.sent else random.getrandbits(1),
        )
        assert value(bench, "groups__free") == free
        assert not value(bench, "tasks__start")
        assert value(bench, "tasks__task") == self.number
        assert value(bench, "start") == arrives
        if arrives:
            assert unpack(marks, value(bench, "entering_mark")) == self.mark(entering)
        if entering >= 0 and self.swapped_at[entering] >= 1 and self.sent < self.swapped:
            for name in self.at:
                assert value(bench, name) == self.address(name, entering)
        if done:
            assert value(bench, "leaving_state") == self.address("state", leaving)
        starts = complete or (self.empty and computing)
        assert value(bench, "output_start") == starts
        if starts or self.complete > self.sent:
            assert value(bench, "output_number") == self.sent
            mark, expected = unpack(marks, value(bench, "output_mark")), self.mark(self.sent)
            assert all(mark[name] == expected[name] for name in ("task", "window", "empty"))
        for group in range(self.count):
            self.swapped_at[group] += group < self.swapped
            self.completed[group] += group < self.complete
        self.swapped_at[self.swapped % self.count] += swaps
        self.completed[self.complete % self.count] += starts
        self.swapped, self.complete = self.swapped + swaps, self.complete + starts
        self.sent += sent


@cocotb.test()
async def groups_take_turns(dut):
    """Windows of tasks of groups, some of them empty, with a random delay before each step."""
    config = array_config()
    bench = await start(dut)
    early = 0
    for _ in range(60):
        tasks = bench.random.randint(1, config.tasks)
        for number in range(tasks):
            early += await Task(bench, config, number, number == tasks - 1).run()
    assert bool(early) == groups_overlap(config)
