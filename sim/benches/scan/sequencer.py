"""Bench of the sequencer between models of the task reader, the scanner and the other cores."""

from __future__ import annotations

from random import Random

import cocotb
from stablespike.hw.lib.layouts import struct
from stablespike.hw.scan.scanner import range_layout
from stablespike.spec import ArrayConfig, task_layout

from ...harness.blocks import array_config, cycle, value
from ...harness.streams import Bench, Monitor, pack, start, unpack


def _task(random: Random, config: ArrayConfig, last: bool, **fixed: int) -> dict[str, int]:
    wait = random.choice([0, 0, random.randint(1, 6)])
    rows = random.randint(1, 6)
    last_plane = random.choice([0, random.randint(1, 7)]) if config.planes > 1 else 0
    return {
        "external": random.getrandbits(1), "ordered": random.getrandbits(1),
        "sync": int(random.random() < 0.3), "last": int(last),
        "source": random.randint(0, config.spike_rows // 2 - rows * (last_plane + 1)), "rows": rows,
        "groups": random.choice([0, 1, 1, 2, 5]),
        "weights": random.randint(0, config.weight_rows // config.lanes // 2),
        "wait": wait,
        **({"last_plane": last_plane} if config.planes > 1 else {}),
        **(_recurrent(random, config) if config.recurrence else {}),
        **fixed,
    }


def _recurrent(random: Random, config: ArrayConfig) -> dict[str, int]:
    """The fields of recurrence; half of the layers are not recurrent."""
    rows = random.choice([0, 0, 1, random.randint(1, 4)])
    return {
        "recurrent": random.randint(0, config.spike_rows // 2 - rows), "recurrent_rows": rows,
        "ping_pong": random.choice([0, random.randint(1, 4)]),
    }


def _ranges(
    config: ArrayConfig, task: dict[str, int], base: int, odd: int = 0, first: int = 0
) -> list[dict[str, object]]:
    """The ranges that the scanner must get for a task: for each group, that of the layer's own
    spikes, if it is recurrent, and those of the map, one for each plane."""
    count, own = max(1, task["groups"]), task.get("recurrent_rows", 0)
    last = task.get("last_plane", 0)
    source = task["source"] + (base if task["external"] else odd * task.get("ping_pong", 0))
    ranges: list[dict[str, object]] = []
    for group in range(count):
        weight = task["weights"] + group * (own + task["rows"])
        if own:
            ranges.append({
                # Odd windows write the second copy, and read the first one.
                "row": task["recurrent"] + (0 if odd else own), "rows": own, "weight": weight,
                "mark": {"group": 0, "task": 0, "window": 0, "empty": first},
            })
        ranges += [
            {
                "row": source + plane * task["rows"], "rows": task["rows"],
                "weight": weight + own,
                **({"place": min(plane, config.planes - 1)} if config.planes > 1 else {}),
                "mark": {
                    "group": int(plane == last), "task": int(plane == last and group == count - 1),
                    "window": int(plane == last and group == count - 1 and task["last"]),
                    "empty": int(task["groups"] == 0),
                },
            }
            for plane in range(last + 1)
        ]
    return ranges


class Surroundings:
    """Models of the sequencer's neighbours. They predict what it may do, from the list it runs."""

    def __init__(self, bench: Bench, config: ArrayConfig, tasks: list[dict[str, int]], hurry: bool):
        self.bench, self.config, self.tasks, self.hurry = bench, config, tasks, hurry
        self.monitor = Monitor(bench, "ranges")
        layout = struct(*task_layout(config).scan)
        self.scans = [pack(layout, task) for task in tasks]
        self.garbage = layout.size
        self.words = len(task_layout(config).scan)
        self.loading = -1  # cycles until the requested task is there
        self.current = 0
        self.loaded = self.asked = False
        self.stale = True  # the list was written since the task was requested
        self.received = 0
        self.complete: bool | None = None  # the awaited rows had come in the cycle before
        self.walk: list[int] | None = None  # rows of the range and those done
        self.left = 0  # remaining ranges of the task
        self.reading = False
        self.go = self.synced = False
        self.ranges: list[dict[str, object]] = []
        self.reads: list[int] = []
        self.takes: list[int] = []
        self.first: dict[str, int] = {}  # the pin, with recurrence
        self.transfers: list[int] = []
        self.loads: list[int] = []  # requested at the end of the one before

    @property
    def available(self) -> int:
        if self.complete:
            return self.config.spike_rows
        return self.received if self.tasks[self.current]["ordered"] else 0

    async def step(self, waiting: bool, base: int, row: bool, written: bool = False) -> bool:
        """Run a cycle; returns whether the window was taken."""
        bench, random = self.bench, self.bench.random
        if self.loading == 0:
            self.loaded, self.synced = True, False
            self.left = len(_ranges(self.config, self.tasks[self.current], 0))
        moves = self.walk is not None and self.walk[1] < self.available and (
            self.hurry or random.random() < 0.7
        )
        walked = self.walk is None or (moves and self.walk[1] + 1 == self.walk[0])
        quiet = self.go or self.hurry or random.random() < 0.4
        scan = self.scans[self.current] if self.loaded else random.getrandbits(self.garbage)
        await cycle(
            bench, waiting=int(waiting), base=base, loaded=int(self.loaded), scan=scan,
            walked=int(walked), ranges__ready=int(walked), row_received=int(row),
            quiet=int(quiet), go=int(self.go), written=int(written), **self.first,
        )
        if self.asked:
            self.current, self.asked = value(bench, "task"), False
            self.loads.append(self.current)
        task = self.tasks[self.current]
        valid, load, take, arrived, held = (
            bool(value(bench, name))
            for name in ("ranges__valid", "load", "take", "arrived", "held")
        )
        self.loading -= self.loading >= 0
        # While a core waits for a window, it may be told to go, but does not go.
        self.synced |= self.go and (take or held or self.current > 0)
        if arrived:
            assert quiet
            assert self.loaded
            assert task["sync"]
        assert arrived or not held
        assert arrived or self.config.cores == 1 or not (quiet and take and task["sync"])
        self.go = arrived and (self.go or self.hurry or random.random() < 0.5)
        if self.loaded and self.complete is not None:
            assert value(bench, "available") == self.available
        there = self.received + (row and self.config.cores > 1)
        complete = there >= task["wait"] if self.loaded else None
        if self.walk is not None and moves:
            self.walk[1] += 1
            if self.walk[1] == self.walk[0]:
                self.walk = None
        if take:
            assert self.loaded
            assert not self.stale, "a window was taken with a task read before the list was written"
            assert value(bench, "task") == 0
            self.takes.append(bench.cycle)
        if self.reading and walked and self.complete:
            assert load
            self.received -= task["wait"]
            self.reading, self.asked = False, True
            self.reads.append(bench.cycle)
        if valid:
            assert self.loaded
            assert self.left
            assert self.synced or not task["sync"], "started before the other cores were there"
            if walked:
                scan_range = unpack(range_layout(self.config), value(bench, "ranges__payload"))
                self.ranges.append(scan_range)
                self.transfers.append(bench.cycle)
                self.walk, self.left = [scan_range["rows"], 0], self.left - 1
                self.reading = self.left == 0
        if load:
            assert self.asked or (self.stale and value(bench, "task") == 0)
            self.loaded = self.stale = False
            self.loading = self.words + 1 if self.hurry else random.randint(1, 8)
        self.stale |= written
        self.received += row
        self.complete = complete
        return take


async def _list(
    bench: Bench, config: ArrayConfig, hurry: bool, before: int = 0, **fixed: int
) -> Surroundings:
    """Run a task list over some windows, ``before`` of which came before it since the reset; rows
    of inner maps come at random."""
    random = bench.random
    count = random.randint(1, min(5, config.tasks))
    tasks = [_task(random, config, i == count - 1, **fixed) for i in range(count)]
    around = Surroundings(bench, config, tasks, hurry)
    expected: list[dict[str, object]] = []
    windows = random.randint(1, 4)
    await around.step(False, 0, False, written=True)
    for number in range(before, before + windows):
        base, first = random.randint(0, config.spike_rows // 2), random.getrandbits(1)
        rows = sum(task["wait"] for task in tasks)
        for _ in range(0 if hurry else random.randrange(4)):
            await around.step(
                False, random.randrange(config.spike_rows), False, written=random.random() < 0.2
            )
        around.first = {"first": first} if config.recurrence else {}
        while not await around.step(True, base, False):
            pass
        # Both are those of the window only in the cycle in which the window is taken.
        around.first = {"first": random.getrandbits(1)} if config.recurrence else {}
        target = len(around.reads) + count
        while len(around.reads) < target:
            row = rows > 0 and (hurry or random.random() < 0.2)
            rows -= row
            assert not await around.step(False, random.randrange(config.spike_rows), row)
        assert rows == 0, "a task was read before its rows were there"
        assert around.received == 0
        expected += [
            each for task in tasks for each in _ranges(config, task, base, number % 2, first)
        ]
    assert around.ranges == expected
    await around.step(False, 0, False)
    assert around.loads == [*range(1, count), 0] * windows
    return around


@cocotb.test()
async def runs_task_lists(dut):
    """Lists of one to five tasks: waits, rows in order, syncs, tasks without groups."""
    config = array_config()
    bench = await start(dut)
    windows = 0
    for _ in range(60):
        around = await _list(bench, config, hurry=False, before=windows)
        windows += len(around.takes)


@cocotb.test()
async def loses_as_many_cycles_between_tasks_as_documented(dut):
    """A task's range comes 3 cycles plus one per word of a scan task after the last row; the first
    range of a window comes in the cycle after the window is taken."""
    config = array_config()
    bench = await start(dut)
    gaps, windows = set(), 0
    recurrent = {"recurrent_rows": 0} if config.recurrence else {}
    for _ in range(20):
        single = {"last_plane": 0} if config.planes > 1 else {}
        around = await _list(
            bench, config, hurry=True, before=windows, wait=0, sync=0, groups=1, **recurrent,
            **single,
        )
        windows += len(around.takes)
        gaps |= {
            after - read for read, after in zip(around.reads, around.transfers[1:], strict=False)
            if around.transfers.index(after) % len(around.tasks)
        }
        assert {take + 1 for take in around.takes} <= set(around.transfers)
    assert gaps == {len(task_layout(config).scan) + 3}
