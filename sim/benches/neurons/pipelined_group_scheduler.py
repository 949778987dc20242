"""Bench of the pipelined group scheduler between models of all its neighbours.

The models of the drain and the neuron unit are exact to the cycle; scan side, task reader and
output unit take random times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from random import Random

import cocotb
from cocotb.triggers import Timer
from stablespike.hw.lib.layouts import struct
from stablespike.hw.scan.scanner import mark_layout
from stablespike.network import Neuron
from stablespike.spec import ArrayConfig, bits_for, task_layout
from stablespike.spec.report import PLACE
from stablespike.spec.timing import SWAP_STAGES, neuron_latency, pass_length, sum_lag, swap_to_start

from ...harness.blocks import array_config, neuron_settings, value
from ...harness.streams import Bench, pack, start, unpack


@dataclass
class Group:
    """A group, what is expected of it, and the cycles of its events."""

    task: Task
    mark: dict[str, int]
    run: int
    parameters: int
    state: int
    last: bool
    swapped: int = -1
    started: int = -1
    complete: int = -1
    taken: int = -1
    emit: int = -1
    emitted: int = -1


class Task:
    """Random settings; the groups are ``groups()``."""

    def __init__(
        self, random: Random, config: ArrayConfig, number: int, last: bool, **fixed: int
    ) -> None:
        self.random, self.config, self.number, self.last = random, config, number, last
        self.at = {
            "parameters": random.randrange(config.neuron_groups),
            "state": random.randrange(config.state_groups),
            "stateless": random.getrandbits(1), "report_membrane": int(random.random() < 0.3),
            **fixed,
        }
        self.empty = random.random() < 0.2
        self.positions = random.choice([1, 1, 2, 3])
        self.channels, self.windows = random.randint(1, 3), random.randint(1, 2)
        self.steps = random.randint(1, config.window)
        self.settings = neuron_settings(config, Neuron(threshold=1), **self.at)

    def groups(self) -> list[Group]:
        """In the order in which they come."""
        if self.empty:
            mark = {"group": 1, "task": 1, "window": int(self.last), "empty": 1}
            names = "short", "last_position", "emit"
            mark |= {name: self.random.getrandbits(1) for name in names}
            return [Group(self, mark, 0, 0, 0, True)]
        config, found = self.config, []
        walk = list(product(range(self.windows), range(self.channels), range(self.positions)))
        parameters, states = bits_for(config.neuron_groups - 1), bits_for(config.state_groups - 1)
        for run, (_, channel, position) in enumerate(walk):
            last, turn = run == len(walk) - 1, position == self.positions - 1
            mark = {
                "group": 1, "task": int(last), "window": int(last and self.last), "empty": 0,
                "short": int(channel == self.channels - 1), "last_position": int(turn),
                "emit": int(turn and self.random.random() < 0.8),
            }
            state = self.at["state"] + run * (not self.at["stateless"])
            found.append(Group(
                self, mark, run & PLACE.fields[0].maximum,
                self.at["parameters"] + channel & (1 << parameters) - 1,
                state & (1 << states) - 1, last,
            ))
        return found


class Surroundings:
    """Models of the scheduler's neighbours; they check every cycle."""

    def __init__(self, bench: Bench, config: ArrayConfig, tasks: list[Task]) -> None:
        self.bench, self.config, self.tasks = bench, config, tasks
        self.hurry, self.emission = False, 1  # nothing waits; most cycles of an emission
        self.now = 0
        self.groups: list[Group] = []  # all that were swapped, empty ones too
        self.waiting: list[Group] = []  # of the task that is loaded, still to come
        self.loading = -1  # cycles until it is
        self.task: Task | None = None
        self.loaded = False
        self.arrives: dict[int, Group] = {}
        self.reads: dict[int, tuple[Group, int, int, bool]] = {}  # lane, pass, last
        self.leaves: dict[int, tuple[Group, int]] = {}  # with the tag
        self.completes: dict[int, tuple[Group, int]] = {}
        self.writes: dict[int, Group] = {}  # the group before, whose row moves on
        self.end, self.free_from = 0, 0  # of the drain; of the emission
        self.emitting: Group | None = None
        self.to_start: list[Group] = []
        self.to_take: list[Group] = []

    def _check_swap(self, group: Group) -> None:
        """Whether the memory behind the lanes has room for the group."""
        config = self.config
        assert not self.to_start, "a group is still to start"
        late = sum_lag(config)
        real = [g for g in self.groups if g.started >= 0]
        if config.chain == 1:
            assert all(cycle + late <= self.now for cycle in self.reads), "sums are overwritten"
        elif not group.mark["empty"] and len(real) >= 2:
            for cycle, (read, lane, _, _) in self.reads.items():
                if read is real[-2]:
                    moved = self.now + SWAP_STAGES + 1 + lane % config.chain
                    assert cycle + late <= moved, "sums are overwritten"

    async def step(self) -> None:
        bench, config, dut, random = self.bench, self.config, self.bench.dut, self.bench.random
        now = self.now
        late = sum_lag(config)
        self.loading -= self.loading >= 0
        loaded = self.task is not None and self.loading < 0
        await bench.tick()
        dut.window_held.value = held = int(self.hurry or random.random() < 0.6)
        dut.tasks__loaded.value = int(loaded)
        if loaded != self.loaded:
            self.loaded = loaded
            size = struct(*task_layout(config).neuron).size
            dut.tasks__fields.value = self.task.settings if loaded else random.getrandbits(size)
        dut.drain_ready.value = int(now >= self.end)
        dut.drain_late.value = int(any(now - age in self.reads for age in range(1, late + 1)))
        arriving = self.arrives.pop(now, None)
        dut.groups__arrives.value = int(arriving is not None)
        garbage = random.getrandbits(mark_layout(config).size)
        dut.groups__arrived.value = (
            garbage if arriving is None else pack(mark_layout(config), arriving.mark)
        )
        leaving, completing = self.leaves.pop(now, None), self.completes.pop(now, None)
        dut.leaving_tag.value = random.getrandbits(1) if leaving is None else leaving[1]
        dut.complete.value = int(completing is not None)
        dut.complete_tag.value = random.getrandbits(1) if completing is None else completing[1]
        finishing = self.emitting if now == self.free_from else None
        dut.output_done.value = int(finishing is not None)
        await Timer(2, "ns")
        swaps = bool(value(bench, "groups__free") and self.waiting) and (
            self.hurry or random.random() < 0.3
        )
        dut.groups__swap.value = int(swaps)
        dut.groups__mark.value = (
            pack(mark_layout(config), self.waiting[0].mark) if swaps else garbage
        )
        await bench.settle()

        if value(bench, "tasks__start"):
            assert held
            assert all(g.emitted >= 0 for g in self.groups), "tasks overlap"
            assert not self.waiting
            self.task = self.tasks[value(bench, "tasks__task")]
            self.waiting = self.task.groups()
            self.loading = 3 if self.hurry else random.randint(2, 9)
        if swaps:
            group = self.waiting.pop(0)
            self._check_swap(group)
            group.swapped = now
            self.groups.append(group)
            if group.mark["empty"]:
                group.emit = now + 1
            else:
                self.arrives[now + swap_to_start(config)] = group
                self.to_start.append(group)
                self.to_take.append(group)
        self._enter(bool(value(bench, "start")))
        if leaving is not None:
            assert value(bench, "leaving_state") == leaving[0].state
        if completing is not None:
            completing[0].complete = now + 1
        self._emit(finishing)
        if now in self.writes:
            assert 0 <= self.writes.pop(now).taken <= now, "a row is overwritten"
        self.now += 1

    def _enter(self, starts: bool) -> None:
        """The group that starts, and the neuron that enters."""
        bench, config, now = self.bench, self.config, self.now
        reading = self.reads.get(now)
        if reading is not None:
            group, _, _, last = reading
            assert value(bench, "parameters") == group.parameters
            assert value(bench, "state") == group.state
            mark = unpack(mark_layout(config), value(bench, "entering_mark"))
            assert mark == group.mark
            tag, done = value(bench, "tag"), now + 1 + neuron_latency(config)
            self.leaves[done] = group, tag
            written = done + config.pipelined
            if last:
                self.completes[written] = group, tag
            before = self.groups.index(group) - 1
            if before >= 0 and not self.groups[before].mark["empty"]:
                self.writes[written] = self.groups[before]
        if not starts:
            return
        group = self.to_start.pop(0)
        assert now >= self.end, "the drain is not ready"
        assert now not in self.arrives
        assert group.swapped + swap_to_start(config) <= now
        at = self.groups.index(group)
        if group.task.at["report_membrane"]:
            assert all(0 <= g.emitted < now for g in self.groups[:at])
        group.started = now
        passes = -(-group.task.steps // config.neuron_steps)
        length = pass_length(config)
        self.end = now + passes * length
        self.reads |= {
            now + 1 + p * length + lane: (
                group, lane, p, p == passes - 1 and lane == config.lanes - 1
            )
            for p, lane in product(range(passes), range(config.lanes))
        }

    def _emit(self, finishing: Group | None) -> None:
        """The row that is taken, and the group that is emitted."""
        bench, config, now = self.bench, self.config, self.now
        if value(bench, "take"):
            assert self.emitting is None or finishing is None
            group = self.to_take.pop(0)
            assert 0 <= group.complete <= now, "the row is not complete"
            group.taken, group.emit = now, now + 1
        emits = [group for group in self.groups if group.emit == now]
        assert value(bench, "output_start") == len(emits)
        if emits:
            assert self.emitting is None
            (self.emitting,) = emits
            self.free_from = now + (
                self.emission if self.hurry else bench.random.randint(1, self.emission)
            )
        if self.emitting is not None:
            mark = unpack(mark_layout(config), value(bench, "output_mark"))
            assert mark == self.emitting.mark
            if not mark["empty"]:
                assert value(bench, "output_number") == self.emitting.run
        if finishing is not None:
            finishing.emitted, self.emitting = now, None


def _tasks(random: Random, config: ArrayConfig) -> list[Task]:
    count = random.randint(1, min(4, config.tasks))
    return [Task(random, config, i, i == count - 1) for i in range(count)]


async def _windows(around: Surroundings, count: int) -> None:
    """Run the list that many times; every group comes out once and in order."""
    expected = count * sum(len(task.groups()) for task in around.tasks)
    while len(around.groups) < expected or around.groups[-1].emitted < 0:
        await around.step()
    emitted = [group.emitted for group in around.groups]
    assert min(emitted) >= 0
    assert emitted == sorted(emitted)
    order = [group.task.number for group in around.groups if group.last]
    assert order == [task.number for task in around.tasks] * count
    await around.bench.tick()
    for name in (
        "window_held", "groups__arrives", "complete", "output_done", "groups__swap", "tasks__loaded"
    ):
        getattr(around.bench.dut, name).value = 0
    await around.bench.tick(3)


@cocotb.test()
async def passes_every_group_on_in_order(dut):
    """Lists of tasks over several windows, with random delays and without."""
    config = array_config()
    bench = await start(dut, limit=20_000)
    for number in range(6):
        around = Surroundings(bench, config, _tasks(bench.random, config))
        around.hurry = number % 3 == 0
        around.emission = bench.random.choice([1, 10, 3 * pass_length(config)])
        await _windows(around, 2)


def _starts(config: ArrayConfig, steps: int, emission: int, count: int) -> Iterator[int]:
    """The start cycles of groups that wait only for earlier groups, counted from the first
    start."""
    chained = config.chain > 1
    length = pass_length(config)
    passes = -(-steps // config.neuron_steps)
    late = sum_lag(config)
    starts: list[int] = [0]
    emitted: list[int] = []
    for number in range(count):
        if number:
            before = starts[-1]
            ready = before + passes * length
            if chained:
                wait = max(0, late - config.chain - SWAP_STAGES - 1)
                ready = max(ready, before + 1 + wait + 1 + SWAP_STAGES)
            else:
                taken = before + (passes - 1) * length + config.lanes + late + 1
                ready = max(ready, taken if late else 0) + 1
            starts.append(max(ready, emitted[-2] + 1 if number > 1 else 0))
        yield starts[-1]
        # Read, in the neuron unit, complete, taken, emitted.
        complete = starts[-1] + (passes - 1) * length + config.lanes + 2
        complete += neuron_latency(config) + chained
        taken = max(complete, emitted[-1] + 1 if emitted else 0)
        emitted.append(taken + 1 + emission)


@cocotb.test()
async def lets_groups_follow_as_soon_as_they_can(dut):
    """Cycles are as documented, unless emission takes longer; without chains, a swap takes one
    more."""
    config = array_config()
    bench = await start(dut)
    for steps in sorted({1, config.window}):
        for emission in (1, pass_length(config), 3 * pass_length(config)):
            task = Task(bench.random, config, 0, True, report_membrane=0)
            task.steps, task.empty = steps, False
            task.positions, task.channels, task.windows = 3, 2, 1
            around = Surroundings(bench, config, [task])
            around.hurry, around.emission = True, emission
            await _windows(around, 1)
            started = [group.started - around.groups[0].started for group in around.groups]
            assert started == list(_starts(config, steps, emission, 6)), (steps, emission)
