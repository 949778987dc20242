"""Bench of the drain with convolution: groups that follow each other, from chains that only
shift."""

from __future__ import annotations

from dataclasses import dataclass, field

import cocotb
from stablespike.hw.scan.lanes import current_bits, sum_bits
from stablespike.spec import ArrayConfig
from stablespike.spec.timing import pass_length, step_stages

from ...harness.blocks import array_config, cycle, value, weighted
from ...harness.streams import Bench, start


def _signed(bits: int, width: int) -> int:
    bits &= (1 << width) - 1
    return bits - (1 << width) if bits >> (width - 1) else bits


@dataclass
class Group:
    """A group: its neurons (and their lanes) and its accumulators, [lane][step]."""

    neurons: int
    acc: list[list[int]]
    started: int = -1


@dataclass
class Task:
    """Groups that follow each other, with their common settings."""

    bench: Bench
    config: ArrayConfig
    steps: int
    pixels: bool
    split: bool
    align: bool
    groups: list[Group] = field(default_factory=list)

    def __post_init__(self) -> None:
        config, random = self.config, self.bench.random
        low = -(1 << (config.acc_bits - 1))
        self.groups = [
            Group(
                random.choice([config.lanes, random.randint(1, config.lanes)]),
                [[weighted(random, low, -low - 1) for _ in range(config.window)]
                 for _ in range(config.lanes)],
            )
            for _ in range(random.randint(1, 4))
        ]

    def exists(self, group: Group, lane: int) -> bool:
        return lane < group.neurons and (not self.split or lane % 2 == 1)

    def sum(self, group: Group, lane: int, step: int) -> int:
        """The sum that the neuron of that lane takes in a step."""
        own = group.acc[lane][step]
        if not self.split:
            return own
        return (group.acc[lane - 1][step] << 4) + (own & (1 << self.config.acc_bits) - 1)

    def shown(self, at: list[int]) -> int:
        """The chains; after the last lane of a group comes the first one of the next."""
        config, bits = self.config, 0
        for t, place in enumerate(at):
            number, lane = divmod(place, config.lanes)
            there = number < len(self.groups)
            acc = self.groups[number].acc[lane][t] if there else self.bench.random.getrandbits(8)
            bits |= (acc & (1 << config.acc_bits) - 1) << t * config.acc_bits
        return bits

    async def run(self, hurry: bool) -> None:
        """Run all groups, and check every cycle."""
        bench, config = self.bench, self.config
        lanes, parallel, length = config.lanes, config.neuron_steps, pass_length(config)
        passes, span = -(-self.steps // parallel), step_stages(config)
        at = [0] * config.window
        reads: dict[int, tuple[Group, int, int]] = {}  # by the cycle: group, lane, pass
        taken: dict[int, list[tuple[Group, int, int]]] = {}  # group, lane, step
        waiting, end, now, quiet = list(self.groups), 0, 0, 0
        tail = False
        neurons = lanes
        while quiet < 3:
            begins = now >= end and bool(waiting) and (hurry or bench.random.random() < 0.3)
            begins &= not tail
            known = reads.get(now)
            if known is not None and not (config.chain > 1 and known[1:] == (0, 0)):
                neurons = known[0].neurons
            await cycle(
                bench, start=int(begins), neurons=neurons, steps=self.steps - 1,
                pixels=int(self.pixels), sums=self.shown(at), align=int(self.align),
                **({"split_weights": int(self.split)} if config.wide_weights else {}),
            )
            assert value(bench, "ready") == (now >= end)
            assert value(bench, "read") == (known is not None)
            assert value(bench, "occupied") == (known is not None and self.exists(*known[:2]))
            if known is not None:
                assert value(bench, "lane") == known[1]
                for i in range(parallel):
                    step = known[2] * parallel + i
                    if step < self.steps and self.exists(*known[:2]) and not self.pixels:
                        taken.setdefault(now + 1 + span * i, []).append((*known[:2], step))
            self.check_entering(reads.get(now - 1), passes)
            for group, lane, step in taken.pop(now, []):
                width, i = sum_bits(config), step % parallel
                got = _signed(value(bench, "taken") >> i * width, width)
                assert got == self.sum(group, lane, step), (lane, step)
            late = any(now - age in reads for age in range(1, span * (parallel - 1) + 1))
            assert value(bench, "late") == late
            assert value(bench, "tail") == tail
            if self.completes(reads.get(now - 1), passes):
                tail = not self.align
            elif now > end and not late:
                tail = False
            shift = value(bench, "shift")
            at = [place + (shift >> t & 1) for t, place in enumerate(at)]
            if begins:
                group = waiting.pop(0)
                group.started, end = now, now + passes * length
                reads |= {
                    now + 1 + p * length + lane: (group, lane, p)
                    for p in range(passes) for lane in range(lanes)
                }
            over = not waiting and now >= end and not late and not taken
            quiet = quiet + 1 if over else 0
            now += 1
        assert at == [len(self.groups) * lanes] * config.window, (at, self.steps)
        if hurry and self.align:
            begun = [group.started for group in self.groups]
            assert begun == [n * passes * length for n in range(len(begun))]

    def completes(self, known: tuple[Group, int, int] | None, passes: int) -> bool:
        """Whether this read is the last one that the group needs."""
        if known is None:
            return False
        lanes = self.config.lanes if self.align else known[0].neurons
        return known[1:] == (lanes - 1, passes - 1)

    def check_entering(self, known: tuple[Group, int, int] | None, passes: int) -> None:
        """The neuron that enters the neuron unit, a cycle after it was read."""
        bench, config = self.bench, self.config
        assert value(bench, "valid") == (known is not None)
        assert value(bench, "last") == self.completes(known, passes)
        if known is None:
            return
        group, lane, number = known
        first = number * config.neuron_steps
        assert value(bench, "entering") == lane
        assert value(bench, "first") == first
        assert value(bench, "first_pass") == (number == 0)
        exists = self.exists(group, lane)
        assert value(bench, "exists") == sum(
            (exists and first + i < self.steps) << i for i in range(config.neuron_steps)
        )
        if self.pixels and exists:
            total = sum(self.sum(group, lane, b) << b for b in range(config.window))
            width = current_bits(config)
            assert _signed(value(bench, "current"), width) == total, (lane, number)


@cocotb.test()
async def empties_groups_behind_one_another(dut):
    """Windows of every length, spikes and pixels, and split weights; with and without gaps."""
    config = array_config()
    bench = await start(dut)
    for steps in range(1, config.window + 1):
        for pixels in (False, True):
            for split in (False, True)[: 1 + config.wide_weights]:
                hurry = (steps + pixels + split) % 2 == 0
                for align in (True, False):
                    await Task(bench, config, steps, pixels, split, align).run(hurry)
