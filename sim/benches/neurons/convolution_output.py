"""Bench of the convolution output: pooled rows, and reports of a task's groups; the pool is a
model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import cocotb
from cocotb.triggers import Timer
from stablespike.hw.lib.ports import beat_layout
from stablespike.hw.scan.scan_counters import scan_counts
from stablespike.hw.scan.scanner import mark_layout
from stablespike.network import Neuron
from stablespike.spec import ArrayConfig
from stablespike.spec.layout import bits_for
from stablespike.spec.report import BUSY_BITS, PLACE, ReportKind, counter_values, counter_words
from stablespike.spec.report import fired_most as most_spikes

from ...harness.blocks import Packet, array_config, cycle, neuron_settings, packets, value
from ...harness.streams import Bench, Sink, pack, parameters, start, unpack

_NAMES = ("spikes", "skeleton")
_ROWS = (ReportKind.TRACE_SPIKES, ReportKind.TRACE_SKELETON, ReportKind.WORDS)
_FLAGS = (
    "send_spikes", "send_skeleton", "report_spikes", "report_skeleton", "report_membrane",
    "monitor", "final", "trace", "counters", "times", "odd",
)


class PoolModel:
    """A model of the pool: it answers the output unit's selection within the cycle, and keeps what
    is stored."""

    def __init__(self, bench: Bench, config: ArrayConfig) -> None:
        self.bench, self.config = bench, config
        self.row = dict.fromkeys(_NAMES, 0)
        self.kept: dict[tuple[str, int], int] = {}
        cocotb.start_soon(self._play())

    async def _play(self) -> None:
        bench, config = self.bench, self.config
        width = config.row_bits // config.row_beats
        while True:
            await bench.tick()
            await Timer(2, "ns")  # the selection is set, and the words have not been read yet
            name = _NAMES[value(bench, "pool__select_skeleton")]
            beat = value(bench, "pool__beat") if config.row_beats > 1 else 0
            words = self.kept.get((name, beat), 0) if value(bench, "pool__show_kept") else 0
            if value(bench, "pool__show_row"):
                words |= self.row[name] >> beat * width & (1 << width) - 1
            bench.dut.pool__words.value = words
            await bench.settle()
            if value(bench, "pool__store"):
                self.kept[name, beat] = words


class Task:
    """The settings of all groups of a task in a window; random, unless chosen."""

    def __init__(self, bench: Bench, config: ArrayConfig, index: int, **chosen: int) -> None:
        random = bench.random
        self.config, self.index = config, index
        self.layer, self.last_neurons = random.randrange(64), random.randint(1, config.lanes)
        self.flags = {name: random.getrandbits(1) for name in _FLAGS} | {
            "window": int(random.random() < 0.3), "empty": int(random.random() < 0.1), **chosen
        }
        if self.flags["report_spikes"]:
            self.flags["report_skeleton"] = 0
        self.at = {
            name: random.randrange(config.spike_rows)
            for name in ("spikes_row", "skeleton_row", "gap", "ping_pong_spikes")
        }
        if not config.recurrence:
            self.flags["odd"], _ = 0, self.at.pop("ping_pong_spikes")
        self.positions = random.choice([1, 1, 2, 4])
        self.groups, self.windows = random.randint(1, 3), random.randint(1, 3)
        if self.flags["empty"]:
            self.positions = self.groups = self.windows = 1
        self.complete = [random.random() < 0.8 for _ in range(self.windows)]

    @property
    def settings(self) -> int:
        named = {
            name: bit for name, bit in self.flags.items()
            if name.split("_")[0] in ("send", "report", "monitor")
        }
        return neuron_settings(
            self.config, Neuron(threshold=1), layer=self.layer, **self.at, **named
        )

    def walk(self) -> Iterator[tuple[int, int, dict[str, int]]]:
        """Number, row address and mark of each group; dropped pools have fewer positions."""
        run = place = 0
        for window in range(self.windows):
            complete = self.complete[window]
            positions = self.positions if complete else max(1, self.positions - 1)
            for group, position in itertools.product(range(self.groups), range(positions)):
                short, turn = group == self.groups - 1, position == positions - 1
                last = short and turn and window == self.windows - 1
                yield run, place, {
                    "group": 1, "task": int(last), "window": int(last and self.flags["window"]),
                    "empty": self.flags["empty"], "short": int(short), "last_position": int(turn),
                    "emit": int(turn and complete),
                }
                run += 1
                if turn and complete:
                    place += 1 + (self.at["gap"] if short else 0)


class Group:
    """A group of a task, and what is expected of it."""

    def __init__(self, bench: Bench, task: Task, run: int, place: int, mark: dict[str, int]):
        random, config = bench.random, task.config
        self.bench, self.task, self.config = bench, task, config
        self.run_, self.place, self.mark = run, place, mark
        self.neurons = task.last_neurons if mark["short"] else config.lanes
        density = random.choice([0.1, 0.5])
        self.row = {
            name: sum((random.random() < density) << i for i in range(config.row_bits))
            for name in _NAMES
        }
        high = 1 << (config.state_bits - 1)
        self.membranes = [random.randrange(-high, high) for _ in range(config.lanes)]
        count = bits_for(most_spikes(config))
        self.hold = random.choice([0, 0, random.randint(1, 100)])  # cycles
        self.counts = {
            **{name: random.getrandbits(scan_counts(config)[name].shape.width)
               for name, _ in scan_counts(config)},
            "spikes": random.getrandbits(count), "stable": random.getrandbits(count),
        }

    def has(self, *names: str) -> bool:
        """Whether any of the flags is set and there is something computed."""
        return not self.mark["empty"] and any(self.task.flags[name] for name in names)

    def rows(self, pooled: dict[str, int]) -> list[dict[str, int]]:
        """Parts of rows for the bus."""
        config, at, flags = self.config, self.task.at, self.task.flags
        if not self.mark["emit"]:
            return []
        first = {"spikes": at["spikes_row"], "skeleton": at["skeleton_row"]}
        if flags["odd"]:
            first["spikes"] += at["ping_pong_spikes"]
        bits, part = bits_for(config.spike_rows - 1), config.row_bits // config.row_beats
        return [
            {"row": first[name] + self.place & (1 << bits) - 1, "beat": beat,
             "words": pooled[name] >> beat * part & (1 << part) - 1}
            for name in _NAMES if self.has(f"send_{name}") for beat in range(config.row_beats)
        ]

    def kinds(self) -> list[ReportKind]:
        """Kinds of the packets, in order."""
        flags, mark = self.task.flags, self.mark
        watched = self.has("monitor") and flags["trace"]
        wanted = {
            ReportKind.TRACE_SPIKES: watched, ReportKind.TRACE_SKELETON: watched,
            ReportKind.WORDS: mark["emit"] and self.has("report_spikes", "report_skeleton"),
            ReportKind.MEMBRANE: self.has("report_membrane") and flags["final"],
            ReportKind.COUNTERS: mark["task"] and flags["monitor"] and flags["counters"],
            ReportKind.END: mark["window"] and flags["times"],
        }
        return [kind for kind in ReportKind if wanted[kind]]

    def words(self, kind: ReportKind) -> int:
        """Words of a packet after its first two."""
        if kind in _ROWS:
            return self.config.row_chunks
        counters = sum(count for _, count in counter_words(self.config))
        return {ReportKind.MEMBRANE: self.neurons, ReportKind.END: 2}.get(kind, counters)

    def check(self, got: list[Packet], pooled: dict[str, int], end: int) -> None:
        """The packets are all there, with what they are to say."""
        task, number = self.task, self.run_ & PLACE.fields[0].maximum
        assert [packet.kind for packet in got] == self.kinds()
        for packet in got:
            assert (packet.layer, packet.group, packet.core) == (task.layer, number, task.index)
            if packet.kind == ReportKind.WORDS:
                assert packet.row == pooled[_NAMES[task.flags["report_skeleton"]]]
            elif packet.kind in _ROWS:
                assert packet.row == self.row[_NAMES[packet.kind == ReportKind.TRACE_SKELETON]]
            elif packet.kind == ReportKind.MEMBRANE:
                assert list(packet.body) == [v & 0xFFFF for v in self.membranes[: self.neurons]]
            elif packet.kind == ReportKind.COUNTERS:
                values = counter_values(list(packet.body), self.config)
                assert values == {**self.counts, "end": end}
            else:
                assert packet.row == end

    async def run(self, pool: PoolModel, pooled: dict[str, int], rows: Sink, reports: Sink) -> int:
        """Start the group and check all outputs; ``pooled`` are the rows with it. Returns the
        cycles until ``done``."""
        bench, config, flags = self.bench, self.config, self.task.flags
        pool.row, lane, settled = self.row, 0, -1
        rows.received.clear()
        scan = {name: self.counts[name] for name, _ in scan_counts(config)}
        held: dict[str, Any] = {
            "mark": pack(mark_layout(config), self.mark), "settings": self.task.settings,
            "number": self.run_ & PLACE.fields[0].maximum, "neurons": self.neurons,
            "last_window": flags["final"], "trace": flags["trace"],
            "counters": flags["counters"], "times": flags["times"],
            "counts": pack(scan_counts(config), scan),
            "spike_count": self.counts["spikes"], "stable_count": self.counts["stable"],
        }
        held = {f"group__{name}": pin for name, pin in held.items()}
        if config.recurrence:
            held["odd"] = flags["odd"]
        times: list[int] = []
        results = sum(2 + self.words(k) for k in self.kinds() if k < ReportKind.COUNTERS)
        for age in itertools.count():
            times.append(bench.random.getrandbits(BUSY_BITS))
            await cycle(
                bench, **held, group__start=int(age == 0), group__time=times[-1],
                hold=int(age < self.hold),
                group__membrane=self.membranes[lane % config.lanes] & (1 << config.state_bits) - 1,
            )
            held = {}
            lane = value(bench, "group__membrane_lane")
            if value(bench, "settles"):
                assert settled < 0
                settled = age
                got = [unpack(beat_layout(config), row) for row in rows.received]
                assert got == self.rows(pooled), (got, self.rows(pooled))
                assert len(reports.received) >= results - 1  # the last one is on its way
            if value(bench, "done"):
                break
        # The next group may start in the cycle after this one.
        expected = sum(2 + self.words(kind) for kind in self.kinds())
        waited = 0
        while len(reports.received) < expected:
            await cycle(bench, group__start=0)
            waited += 1
        assert settled >= 0
        late = settled + config.pipelined
        self.check(packets(reports.received), pooled, times[min(late, len(times) - 1)])
        reports.received.clear()
        assert len(rows.received) == len(self.rows(pooled))
        return age


async def _task(bench: Bench, task: Task, pool: PoolModel, rows: Sink, reports: Sink) -> set[Any]:
    """All groups of a task, each against the OR over its pool; returns the kinds of reports."""
    kinds: set[Any] = set()
    pooled, fresh = dict.fromkeys(_NAMES, 0), True
    for run, place, mark in task.walk():
        group = Group(bench, task, run, place, mark)
        pooled = {
            name: row if fresh else row | pooled[name] for name, row in group.row.items()
        }
        took = await group.run(pool, pooled, rows, reports)
        if not rows.stall and not reports.stall:
            two = group.has("send_spikes", "report_spikes") + group.has(
                "send_skeleton", "report_skeleton"
            )
            packets_take = sum(group.words(kind) + 3 for kind in group.kinds())
            busy = 1 + two * task.config.row_beats + packets_take
            assert took == max(busy, group.hold), group.kinds()
        fresh = bool(mark["last_position"])
        kinds |= {*group.kinds(), f"emit {mark['emit']}"}
    return kinds


@cocotb.test()
async def pools_and_sends_rows_then_reports(dut):
    """Tasks one after another, with every kind of report and rows of both kinds; cycles as
    documented."""
    config, index = array_config(), parameters()["index"]
    bench = await start(dut)
    pool = PoolModel(bench, config)
    rows, reports = bench.sink("rows"), bench.sink("reports")
    kinds: set[Any] = set()
    for number in range(14):
        stalls = number >= 7
        rows.stall, reports.stall = (bench.random.random() * 0.8 * stalls for _ in range(2))
        kinds |= await _task(bench, Task(bench, config, index), pool, rows, reports)
    everything = dict.fromkeys(
        ("send_spikes", "send_skeleton", "report_spikes", "report_membrane", "monitor", "final",
         "trace", "counters", "times", "window"), 1,
    )
    kinds |= await _task(
        bench, Task(bench, config, index, **everything, empty=0), pool, rows, reports
    )
    assert kinds == {*ReportKind, "emit 0", "emit 1"}
