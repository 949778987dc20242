"""Bench of the drain between a model of the lanes' shadow and a model of the neuron unit."""

from __future__ import annotations

import cocotb
from stablespike.spec import ArrayConfig
from stablespike.spec.timing import (
    EARLY,
    drain_cycles,
    membranes_ahead,
    neuron_latency,
    step_stages,
)

from ...harness.blocks import array_config, cycle, value, weighted
from ...harness.streams import Bench, start


def _signed(bits: int, width: int) -> int:
    bits &= (1 << width) - 1
    return bits - (1 << width) if bits >> (width - 1) else bits


class Group:
    """One group through the drain; checks what enters the neuron unit, and when.

    ``behind`` is the group before it, if that is still in the neuron unit.
    """

    def __init__(
        self, bench: Bench, config: ArrayConfig, neurons: int, steps: int, pixels: bool,
        behind: Group | None = None,
    ) -> None:
        self.bench, self.config = bench, config
        self.align = behind.align if behind else bench.random.getrandbits(1)
        self.due = behind.due if behind else 0  # cycles until the group before has finished
        self.neurons, self.steps, self.pixels = neurons, steps, pixels
        low = -(1 << (config.acc_bits - 1))
        self.acc = [
            [weighted(bench.random, low, -low - 1) for _ in range(config.window)]
            for _ in range(config.lanes)
        ]
        self.passes = -(-steps // config.neuron_steps)
        self.at = [0] * config.window
        self.entered: list[int] = []
        self.readable: list[int] = []
        self.fills = 0

    def _sums(self) -> int:
        width = self.config.acc_bits
        last = self.config.lanes - 1
        return sum(
            (self.acc[min(at, last)][t] & ((1 << width) - 1)) << t * width
            for t, at in enumerate(self.at)
        )

    async def idle(self) -> None:
        """A cycle in which no group is read."""
        await cycle(self.bench, start=0)
        assert not value(self.bench, "read")
        self._finishes()

    def _finishes(self) -> bool:
        """Whether this group has finished; checks that the one before does in its cycle."""
        finished = bool(value(self.bench, "finished"))
        self.due -= 1
        if self.due >= 0:
            assert finished == (self.due == 0)
            return False
        return finished

    async def run(self, *, followed: bool = False) -> int:
        """Cycles from the one with ``start`` to the one with ``finished``, or if another group may
        follow, to the first one with ``ready``."""
        bench, config = self.bench, self.config
        width, parallel = config.acc_bits, config.neuron_steps
        wait, span = neuron_latency(config), step_stages(config)
        reading, age, finished = -1, 0, False
        # The sums that steps take later: (cycle, step, lane, first).
        promised: dict[tuple[int, int], int] = {}
        while not finished:
            await cycle(
                bench, start=int(age == 0), neurons=self.neurons, steps=self.steps - 1,
                pixels=int(self.pixels), sums=self._sums(), align=self.align,
            )
            entering = value(bench, "valid")
            assert entering == (reading >= 0)
            if entering:
                number = len(self.entered)
                lane, first = number % self.neurons, number // self.neurons * parallel
                assert reading == value(bench, "entering") == lane
                assert value(bench, "first") == first
                assert value(bench, "first_pass") == (first == 0)
                exists = sum((first + i < self.steps) << i for i in range(parallel))
                assert value(bench, "exists") == exists
                if self.pixels:
                    total = sum(self.acc[lane][b] << b for b in range(config.window))
                    current = _signed(value(bench, "current"), width + config.window)
                    assert current == total
                else:
                    for i in range(parallel):
                        if first + i < self.steps:
                            promised[age + span * i, i] = self.acc[lane][first + i]
                if first:
                    # The state of the previous pass was written in the cycle in which the neuron
                    # left.
                    assert age - 1 > self.entered[number - self.neurons] + wait
                self.entered.append(age)
            for i in range(parallel):
                if (age, i) in promised:
                    taken = value(bench, "taken") >> i * width
                    assert _signed(taken, width) == promised.pop((age, i)), (i, self.at)
            reading = value(bench, "lane") if value(bench, "read") else -1
            self.fills += value(bench, "fill")
            self.readable += [age] if value(bench, "readable") else []
            finished = self._finishes()
            if followed and value(bench, "ready") and age > 1:
                self.due, finished = EARLY, True
            shift = value(bench, "shift")
            self.at = [at + (shift >> t & 1) for t, at in enumerate(self.at)]
            age += 1
        assert len(self.entered) == self.passes * self.neurons
        assert not promised
        ended = drain_cycles(config, self.neurons, self.passes, aligned=False)
        assert self.readable == [ended - membranes_ahead(config, self.neurons)]
        assert self.fills == (config.lanes - self.neurons) * self.align
        return age - 1


@cocotb.test()
async def empties_groups_of_every_size(dut):
    """All neurons and all steps of the window, with spikes and pixels; duration as documented."""
    config = array_config()
    bench = await start(dut)
    random = bench.random
    sizes = [(n, s) for n in range(1, config.lanes + 1) for s in range(1, config.window + 1)]
    for neurons, steps in [*sizes[:: max(1, len(sizes) // 60)], (config.lanes, config.window)]:
        for pixels in (False, True):
            group = Group(bench, config, neurons, steps, pixels)
            took = await group.run()
            expected = drain_cycles(config, neurons, group.passes, aligned=bool(group.align))
            assert took == expected, (neurons, steps, took, expected)
            for _ in range(random.choice([0, 0, 3])):
                await group.idle()


@cocotb.test()
async def a_group_enters_while_the_one_before_leaves(dut):
    """Full groups, each followed by another one as soon as the drain is ready, or a little later;
    the first one of a row of groups finishes in its cycle, while the next one enters."""
    config = array_config()
    bench = await start(dut)
    random = bench.random
    for _ in range(12):
        steps, pixels = random.randint(1, config.window), bool(random.getrandbits(1))
        group = None
        for _ in range(4):
            group = Group(bench, config, config.lanes, steps, pixels, behind=group)
            took = await group.run(followed=True)
            # From the swap, in a cycle with ``ready``, to the group's last neuron.
            expected = drain_cycles(config, config.lanes, group.passes, aligned=True) - EARLY
            assert took == expected
            for _ in range(random.choice([0, 0, 1, 2, 5])):
                await group.idle()
        neurons = random.randint(1, config.lanes)
        last = Group(bench, config, neurons, steps, pixels, behind=group)
        took = await last.run()
        assert took == drain_cycles(config, neurons, last.passes, aligned=bool(last.align))
