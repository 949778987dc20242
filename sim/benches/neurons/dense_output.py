"""Bench of the dense output between models of the AND unit's rows, a state memory and counters."""

from __future__ import annotations

import itertools
from typing import Any

import cocotb
from stablespike.hw.lib.ports import beat_layout
from stablespike.hw.scan.scan_counters import scan_counts
from stablespike.hw.scan.scanner import mark_layout
from stablespike.network import Neuron
from stablespike.spec import ArrayConfig
from stablespike.spec.layout import bits_for
from stablespike.spec.report import BUSY_BITS, ReportKind, counter_values, counter_words

from ...harness.blocks import Packet, array_config, cycle, neuron_settings, packets, value
from ...harness.streams import Bench, pack, parameters, start, unpack

_ROWS = (ReportKind.TRACE_SPIKES, ReportKind.TRACE_SKELETON, ReportKind.WORDS)


class Group:
    """A finished group with random contents, and what is expected of it."""

    def __init__(self, bench: Bench, config: ArrayConfig, index: int, **chosen: int) -> None:
        random = bench.random
        self.bench, self.config, self.index = bench, config, index
        bit = [random.getrandbits(1) for _ in range(13)]
        self.group = random.randrange(config.neuron_groups)
        self.layer = random.randrange(64)
        self.neurons = random.randint(1, config.lanes)
        self.flags = {
            "empty": int(random.random() < 0.15), "task": bit[0], "window": bit[0] & bit[1],
            "send_spikes": bit[2], "send_skeleton": bit[3], "report_spikes": bit[4] & bit[5],
            "report_skeleton": bit[4] & ~bit[5] & 1, "report_membrane": bit[6], "monitor": bit[7],
            "final": bit[8], "trace": bit[9], "counters": bit[10], "times": bit[11], **chosen,
        }
        top = config.spike_rows - 1
        self.at = {
            name: random.randint(0, max(0, top - self.group))
            for name in ("spikes_row", "skeleton_row")
        }
        if config.recurrence:
            self.at["ping_pong_spikes"] = random.randrange(config.spike_rows)
            self.flags["odd"] = random.getrandbits(1)
        self.row = {name: random.getrandbits(config.row_bits) for name in ("spikes", "skeleton")}
        high = 1 << (config.state_bits - 1)
        self.membranes = [random.randrange(-high, high) for _ in range(config.lanes)]
        count = bits_for(config.neuron_groups * config.lanes * config.window)
        self.counts = {
            **{name: random.getrandbits(len_) for name, len_ in (
                (name, scan_counts(config)[name].shape.width) for name, _ in scan_counts(config)
            )},
            "spikes": random.getrandbits(count), "stable": random.getrandbits(count),
        }

    def rows(self) -> list[dict[str, int]]:
        """Parts of rows for the bus."""
        last = (1 << bits_for(self.config.spike_rows - 1)) - 1
        beats = self.config.row_beats
        part = self.config.row_bits // beats
        odd = self.flags.get("odd", 0) * self.at.get("ping_pong_spikes", 0)
        moved = {"spikes": odd, "skeleton": 0}  # the skeleton is not recurrent
        return [] if self.flags["empty"] else [
            {"row": self.at[f"{name}_row"] + moved[name] + self.group & last, "beat": beat,
             "words": self.row[name] >> beat * part & ((1 << part) - 1)}
            for name in ("spikes", "skeleton") if self.flags[f"send_{name}"]
            for beat in range(beats)
        ]

    def kinds(self) -> list[ReportKind]:
        """Kinds of the packets, in order."""
        f = self.flags
        computed = not f["empty"]
        wanted = {
            ReportKind.TRACE_SPIKES: computed and f["monitor"] and f["trace"],
            ReportKind.TRACE_SKELETON: computed and f["monitor"] and f["trace"],
            ReportKind.WORDS: computed and (f["report_spikes"] or f["report_skeleton"]),
            ReportKind.MEMBRANE: computed and f["report_membrane"] and f["final"],
            ReportKind.COUNTERS: f["task"] and f["monitor"] and f["counters"],
            ReportKind.END: f["window"] and f["times"],
        }
        kinds = [kind for kind in ReportKind if wanted[kind]]
        spikes = self.early()
        return spikes + [kind for kind in kinds if kind not in spikes]

    def early(self) -> list[ReportKind]:
        """Kinds of packets about spikes, which are sent before the skeleton is applied."""
        f = self.flags
        wanted = {
            ReportKind.TRACE_SPIKES: f["monitor"] and f["trace"],
            ReportKind.WORDS: f["report_spikes"],
        }
        return [] if f["empty"] else [kind for kind in wanted if wanted[kind]]

    def late(self) -> bool:
        """Whether the skeleton is sent or reported."""
        f = self.flags
        traced = f["monitor"] and f["trace"]
        return not f["empty"] and bool(traced or f["report_skeleton"] or f["send_skeleton"])

    def pins(self) -> dict[str, int]:
        """All inputs that are held."""
        f, config = self.flags, self.config
        settings = neuron_settings(
            config, Neuron(threshold=1), layer=self.layer, **self.at,
            **{name: f[name] for name in f if name.split("_")[0] in ("send", "report", "monitor")},
        )
        mark = {"group": 1, "task": f["task"], "window": f["window"], "empty": f["empty"]}
        scan = {name: self.counts[name] for name, _ in scan_counts(config)}
        return {
            "mark": pack(mark_layout(config), mark), "settings": settings, "number": self.group,
            "neurons": self.neurons, "last_window": f["final"], "trace": f["trace"],
            "counters": f["counters"], "times": f["times"],
            "counts": pack(scan_counts(config), scan),
            "spike_count": self.counts["spikes"], "stable_count": self.counts["stable"],
        }

    def check(self, got: list[Packet], end: int) -> None:
        """The packets are all there, with what they are to say."""
        assert [packet.kind for packet in got] == self.kinds()
        for packet in got:
            assert (packet.layer, packet.group, packet.core) == (self.layer, self.group, self.index)
            if packet.kind in _ROWS:
                which = "skeleton" if packet.kind == ReportKind.TRACE_SKELETON or (
                    packet.kind == ReportKind.WORDS and self.flags["report_skeleton"]
                ) else "spikes"
                assert len(packet.body) == self.config.row_chunks
                assert packet.row == self.row[which]
            elif packet.kind == ReportKind.MEMBRANE:
                expected = [v & 0xFFFF for v in self.membranes[: self.neurons]]
                assert list(packet.body) == expected
            elif packet.kind == ReportKind.COUNTERS:
                values = counter_values(list(packet.body), self.config)
                assert values == {**self.counts, "end": end}
            else:
                assert packet.row == end

    async def run(self, rows: Any, reports: Any) -> int:
        """Start it and check all of it; returns the cycles until ``done``."""
        bench, config = self.bench, self.config
        shown, lane = self.row["spikes"], 0
        applied = False
        settles: list[int] = []
        rows.received.clear()
        reports.received.clear()
        held = {f"group__{name}": pin for name, pin in self.pins().items()}
        held |= {name: self.flags[name] for name in ("odd",) if name in self.flags}
        width, mask = config.window, (1 << config.state_bits) - 1
        for age in itertools.count():
            now = bench.random.getrandbits(BUSY_BITS)
            await cycle(
                bench, **held, group__start=int(age == 0), group__time=now, row=shown,
                group__membrane=self.membranes[lane % config.lanes] & mask,
            )
            held = {}
            lane = value(bench, "group__membrane_lane")
            if value(bench, "settles"):
                settles.append(now)
                got = [unpack(beat_layout(config), row) for row in rows.received]
                assert got == self.rows()
            if value(bench, "rotate"):
                shown = shown >> width | (shown & ((1 << width) - 1)) << (config.row_bits - width)
            if value(bench, "apply_skeleton"):
                assert not applied
                assert shown == self.row["spikes"], "the row is left as it was"
                applied, shown = True, self.row["skeleton"]
            if value(bench, "done"):
                break
        assert shown == self.row["skeleton" if applied else "spikes"], "the row is left as it was"
        await cycle(bench, group__start=0)
        expected = sum(2 + self.words(kind) for kind in self.kinds())
        await bench.until(lambda: len(reports.received) >= expected, f"{expected} words")
        assert len(settles) == 1
        self.check(packets(reports.received), settles[0])
        assert len(rows.received) == len(self.rows())
        return age

    def words(self, kind: ReportKind) -> int:
        """Words of a packet after its first two."""
        if kind in _ROWS:
            return self.config.row_chunks
        counters = sum(count for _, count in counter_words(self.config))
        return {ReportKind.MEMBRANE: self.neurons, ReportKind.END: 2}.get(kind, counters)


@cocotb.test()
async def sends_rows_then_reports(dut):
    """Random groups: every kind of report, both destinations, stalls on both streams."""
    config, index, stall = array_config(), parameters()["index"], parameters()["stall"]
    bench = await start(dut)
    rows, reports = bench.sink("rows", stall), bench.sink("reports", stall)
    kinds: set[ReportKind] = set()
    for _ in range(120):
        group = Group(bench, config, index)
        await group.run(rows, reports)
        kinds |= set(group.kinds())
    everything = {name: 1 for name in (
        "task", "window", "send_spikes", "send_skeleton", "report_spikes", "report_membrane",
        "monitor", "final", "trace", "counters", "times",
    )}
    for _ in range(3):
        await Group(bench, config, index, **everything, empty=0, report_skeleton=0).run(
            rows, reports
        )
    assert kinds == set(ReportKind)


@cocotb.test()
async def takes_as_long_as_documented(dut):
    """Without stalls, cycles are those of the docstring, plus those for rotating a row."""
    config, index = array_config(), parameters()["index"]
    bench = await start(dut)
    rows, reports = bench.sink("rows"), bench.sink("reports")
    await bench.tick(2)
    for _ in range(40):
        group = Group(bench, config, index)
        took = await group.run(rows, reports)
        rotations = 16 // config.window * config.row_chunks if config.row_chunks > 1 else 0
        expected = sum(
            group.words(kind) + 3 + (rotations if kind in _ROWS else 0) for kind in group.kinds()
        )
        rows_take = 1 + group.late() * (1 + bool(group.early()))
        sent = len(group.rows())
        rows_take += sent - sent // config.row_beats
        assert took == 1 + rows_take + expected, [kind.name for kind in group.kinds()]
