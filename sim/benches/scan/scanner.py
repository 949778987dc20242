"""Bench of the scanner against a numpy list of events."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

import cocotb
import numpy as np
from stablespike.hw.scan.scanner import event_layout, mark_layout, range_layout
from stablespike.spec import ArrayConfig, bits_for
from stablespike.spec.timing import found_to_issued

from ...harness.blocks import array_config, cycle, value
from ...harness.streams import Bench, Monitor, pack, start, unpack

Event = tuple[int, int, int, int]
"""Row, lane, weight, and what the range says about its weights: wide, or their place."""


def first_event(config: ArrayConfig) -> int:
    """Cycles from a range's transfer to its first event."""
    return 1 + found_to_issued(config)


def weight_mask(config: ArrayConfig) -> int:
    """The number of weight rows that an event can name."""
    return (1 << bits_for(config.weight_rows - 1)) - 1


@dataclass
class Walk:
    """A scan range, and when its rows may be read; ``ends`` are ``head`` and ``tail``."""

    row: int
    rows: int
    weight: int
    mark: dict[str, int]
    ordered: bool = False
    ends: tuple[int, int] = (0, 0)
    wide: int = 0
    place: int = 0
    accepted: int = -1
    events: list[Event] = field(default_factory=list)

    def payload(self, config: ArrayConfig, layout: Any) -> int:
        return pack(layout, {
            "row": self.row, "rows": self.rows, "weight": self.weight, "mark": self.mark,
            **(dict(zip(("head", "tail"), self.ends, strict=True)) if config.convolution else {}),
            **({"wide": self.wide} if config.wide_weights else {}),
            **({"place": self.place} if config.planes > 1 else {}),
        })

    def event(self, config: ArrayConfig, row: int, lane: int) -> Event:
        """The event of a word of the range's ``row``: its position, and that of its weights."""
        weight = ((self.weight + row) * config.lanes + lane) // config.banks
        if config.convolution:  # the lane must still be added, modulo the number of weight rows
            weight = self.weight + row * config.lanes & weight_mask(config)
        return self.row + row, lane, weight, self.wide or self.place

    def inside(self, config: ArrayConfig, row: int, lane: int) -> bool:
        head, tail = self.ends if config.convolution else (0, config.lanes - 1)
        return (row > 0 or lane >= head) and (row < self.rows - 1 or lane <= tail)


def _walk(
    random: Random, config: ArrayConfig, flags: np.ndarray, ordered: float = 0.0, **fixed: Any
) -> Walk:
    rows = random.choice([1, 2, random.randint(1, config.spike_rows)])
    mark = {"group": 1, "task": random.getrandbits(1), "window": 0, "empty": 0}
    mark["window"] = mark["task"] & random.getrandbits(1)
    mark["empty"] = int(random.random() < 0.1)
    wide: dict[str, Any] = {}
    if config.convolution:
        # Several ranges make a group; the marks belong to the last one.
        mark |= {name: random.getrandbits(1) for name in ("short", "last_position", "emit")}
        if not mark["empty"] and random.random() < 0.5:
            mark = dict.fromkeys(mark, 0)
        ends = sorted(random.randrange(config.lanes) for _ in range(2))
        if rows > 1:
            random.shuffle(ends)
        wide = {"ends": tuple(ends), "weight": random.randint(0, weight_mask(config))}
    if config.wide_weights:
        wide["wide"] = random.getrandbits(1)
    if config.planes > 1:
        wide["place"] = random.randrange(config.planes)
    walk = Walk(**{
        "row": random.randint(0, config.spike_rows - rows),
        "rows": rows,
        "weight": random.randint(0, config.weight_rows // config.lanes - rows),
        "mark": mark,
        "ordered": random.random() < ordered,
        **wide,
        **fixed,
    })
    if not walk.mark["empty"]:
        found = np.argwhere(flags[walk.row : walk.row + walk.rows])
        walk.events = [
            walk.event(config, int(r), int(lane)) for r, lane in _in_turn(config, found)
            if walk.inside(config, int(r), int(lane))
        ]
    return walk


def _in_turn(config: ArrayConfig, found: np.ndarray) -> list[np.ndarray]:
    """Rows and lanes in the order of events: one of each bank in a cycle."""
    met: Counter[tuple[int, int]] = Counter()
    order = []
    for row, lane in found.tolist():
        bank = lane % config.banks
        order.append((row, met[row, bank], bank))
        met[row, bank] += 1
    return [found[i] for i in sorted(range(len(found)), key=order.__getitem__)]


class Driver:
    """Drives ranges, flags one cycle after their row, rows that become available, and hold."""

    def __init__(self, bench: Bench, config: ArrayConfig, flags: np.ndarray) -> None:
        self.bench, self.config = bench, config
        self.rows = [sum(int(bit) << i for i, bit in enumerate(row)) for row in flags]
        self.monitor = Monitor(bench, "ranges")
        self.walked: list[Walk] = []
        self.events: list[Event] = []
        self.marks: list[tuple[int, dict[str, int], int]] = []
        self.at: list[int] = []
        self.available = config.spike_rows
        self._event, self._mark = event_layout(config), mark_layout(config)
        self._range = range_layout(config)
        self._offered: tuple[Walk | None, int] = (None, 0)
        self._flags = 0

    async def step(self, walk: Walk | None, hold: bool, growth: float) -> bool:
        """Run a cycle in which ``walk`` is offered; returns whether the scanner took it."""
        bench, config = self.bench, self.config
        await cycle(
            bench, ranges__valid=int(walk is not None), available=self.available,
            ranges__payload=self._payload(walk), hold=int(hold), flags=self._flags,
        )
        issued, events = value(bench, "issue"), value(bench, "event")
        assert not (issued and hold)
        for bank in range(config.banks):
            if issued >> bank & 1:
                bits = events >> bank * self._event.size & (1 << self._event.size) - 1
                event = unpack(self._event, bits)
                names = ("row", "lane", "weight")
                about = event.get("wide", event.get("place", 0))
                self.events.append((*(event[name] for name in names), about))
                self.at.append(bench.cycle)
        if value(bench, "finish"):
            assert not hold
            mark = unpack(self._mark, value(bench, "mark"))
            self.marks.append((len(self.events), mark, bench.cycle))
        # Rows that have not come yet hold garbage.
        row = value(bench, "flags_row")
        current = self.walked[-1] if self.walked else None
        there = current is None or row - current.row < self.available
        self._flags = (
            self.rows[row] if there and row < len(self.rows)
            else bench.random.getrandbits(config.lanes)
        )
        taken = walk is not None and bool(value(bench, "ranges__ready"))
        if walk is not None and taken:
            walk.accepted = bench.cycle
            self.walked.append(walk)
            self.available = 0 if walk.ordered else config.spike_rows
            if config.chain > 1:  # it is the range's from its transfer on
                bench.dut.available.value = self.available
        elif self.available < config.spike_rows and bench.random.random() < growth:
            self.available += 1
        return taken

    def _payload(self, walk: Walk | None) -> int:
        if walk is None:
            return self.bench.random.getrandbits(self._range.size)
        if self._offered[0] is not walk:
            self._offered = walk, walk.payload(self.config, self._range)
        return self._offered[1]

    def check(self) -> None:
        """Check that events and marks are those of the ranges walked, in order."""
        expected, ends = [], []
        for walk in self.walked:
            expected += walk.events
            if walk.mark["group"]:
                ends.append((len(expected), walk.mark))
        assert self.events == expected
        assert [(count, mark) for count, mark, _ in self.marks] == ends


def _mark(config: ArrayConfig) -> dict[str, int]:
    return {name: int(name == "group") for name, _ in mark_layout(config)}


def _flags(random: Random, config: ArrayConfig, density: float) -> np.ndarray:
    return np.array([
        [random.random() < density for _ in range(config.lanes)] for _ in range(config.spike_rows)
    ])


def _without_a_gap(driver: Driver) -> None:
    """Check that every cycle from the first event to the last one has one, or one of each bank."""
    assert sorted(set(driver.at)) == list(range(driver.at[0], driver.at[-1] + 1))
    most = max(Counter(driver.at).values())
    assert most == driver.config.banks


async def _drain(driver: Driver) -> None:
    for _ in range(8):
        await driver.step(None, False, 1.0)
    while not value(driver.bench, "idle"):
        await driver.step(None, False, 1.0)


@cocotb.test()
async def issues_every_event_in_order(dut):
    """Ranges with silent and full rows, with random holds, pauses, and rows that come one by
    one."""
    config = array_config()
    bench = await start(dut)
    random = bench.random
    for density in (0.0, 0.03, 0.3, 0.9, 1.0):
        flags = _flags(random, config, density)
        driver = Driver(bench, config, flags)
        for _ in range(25):
            walk = _walk(random, config, flags, ordered=0.5)
            holding, growth = random.choice([0, 0.2, 0.9]), random.choice([0.05, 0.3, 1])
            while random.random() < 0.3:
                await driver.step(None, random.random() < holding, growth)
            while not await driver.step(walk, random.random() < holding, growth):
                pass
        await _drain(driver)
        driver.check()


@cocotb.test()
async def issues_an_event_per_cycle(dut):
    """Back-to-back ranges of rows with spikes: the first event comes as documented, without a
    gap."""
    config = array_config()
    bench = await start(dut)
    random = bench.random
    flags = np.ones((config.spike_rows, config.lanes), bool)
    flags[:, 1:] = _flags(random, config, 0.6)[:, 1:]
    driver = Driver(bench, config, flags)
    for _ in range(12):
        walk = _walk(random, config, flags, mark=_mark(config), ends=(0, config.lanes - 1))
        while not await driver.step(walk, False, 1.0):
            pass
    await _drain(driver)
    driver.check()
    first = driver.walked[0]
    assert driver.at[0] == first.accepted + first_event(config)
    _without_a_gap(driver)
    assert [at for *_, at in driver.marks] == [driver.at[n - 1] for n, *_ in driver.marks]


@cocotb.test()
async def skips_silence_behind_events(dut):
    """While a full row is issued, as many silent ones are skipped; alone, each costs one cycle."""
    config = array_config()
    bench = await start(dut)
    lanes, mark = config.lanes, _mark(config)
    full = lanes // config.banks  # cycles of a full row
    flags = np.zeros((config.spike_rows, lanes), bool)
    flags[:: full] = True
    driver = Driver(bench, config, flags)
    rows = min(config.spike_rows, 4 * full + 1)
    walk = Walk(0, rows, 0, mark, ends=(0, lanes - 1))
    walk.events = [
        walk.event(config, r, lane) for r in range(0, rows, full) for lane in range(lanes)
    ]
    assert await driver.step(walk, False, 1.0)
    await _drain(driver)
    driver.check()
    _without_a_gap(driver)

    silent = Driver(bench, config, np.zeros((config.spike_rows, lanes), bool))
    walk = Walk(0, config.spike_rows, 0, mark)
    assert await silent.step(walk, False, 1.0)
    await _drain(silent)
    silent.check()
    assert silent.marks[0][2] == walk.accepted + config.spike_rows - 1 + first_event(config)


@cocotb.test()
async def tells_blocked_from_idle(dut):
    """Blocked while all available rows have been issued and the next is not there; idle only at the
    end."""
    config = array_config()
    bench = await start(dut)
    mark = _mark(config)
    flags = np.ones((config.spike_rows, config.lanes), bool)
    driver = Driver(bench, config, flags)
    assert value(bench, "idle")
    walk = _walk(
        bench.random, config, flags, row=0, rows=2, weight=0, mark=mark, ordered=True,
        ends=(0, config.lanes - 1),
    )
    assert await driver.step(walk, False, 0.0)
    for available in (0, 1):
        driver.available = available
        for _ in range(config.lanes + 8):
            await driver.step(None, False, 0.0)
            assert not value(bench, "idle")
            assert value(bench, "walked") == 0
        assert value(bench, "blocked")
        assert len(driver.events) == available * config.lanes
    driver.available = 2
    for _ in range(1 + (config.chain > 1)):
        await driver.step(None, False, 0.0)
    assert value(bench, "walked")
    assert not value(bench, "blocked")
    await _drain(driver)
    assert not value(bench, "blocked")
    driver.check()
