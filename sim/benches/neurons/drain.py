"""Bench of the drain between a model of the lanes' shadow and a model of the neuron unit."""

from __future__ import annotations

import cocotb
from stablespike.spec import ArrayConfig
from stablespike.spec.timing import drain_cycles, neuron_latency, step_stages

from ...harness.blocks import array_config, cycle, value, weighted
from ...harness.streams import Bench, start


def _signed(bits: int, width: int) -> int:
    bits &= (1 << width) - 1
    return bits - (1 << width) if bits >> (width - 1) else bits


class Group:
    """One group through the drain; checks what enters the neuron unit, and when."""

    def __init__(self, bench: Bench, config: ArrayConfig, neurons: int, steps: int, pixels: bool):
        self.bench, self.config = bench, config
        self.align = bench.random.getrandbits(1)
        self.neurons, self.steps, self.pixels = neurons, steps, pixels
        low = -(1 << (config.acc_bits - 1))
        self.acc = [
            [weighted(bench.random, low, -low - 1) for _ in range(config.window)]
            for _ in range(config.lanes)
        ]
        self.passes = -(-steps // config.neuron_steps)
        self.at = [0] * config.window
        self.entered: list[int] = []
        self.fills = 0

    def _sums(self) -> int:
        width = self.config.acc_bits
        last = self.config.lanes - 1
        return sum(
            (self.acc[min(at, last)][t] & ((1 << width) - 1)) << t * width
            for t, at in enumerate(self.at)
        )

    async def run(self) -> int:
        """Cycles from the one with ``start`` to the one with ``finished``."""
        bench, config = self.bench, self.config
        width, parallel = config.acc_bits, config.neuron_steps
        wait, span = neuron_latency(config), step_stages(config)
        reading, age, finished = -1, 0, False
        # The sums that steps take later: (cycle, step, lane, first).
        promised: dict[tuple[int, int], int] = {}
        while not finished:
            under_way = any(age - entry <= wait for entry in self.entered)
            await cycle(
                bench, start=int(age == 0), neurons=self.neurons, steps=self.steps - 1,
                pixels=int(self.pixels), sums=self._sums(), under_way=int(under_way),
                align=self.align,
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
                # The neuron is under way in this cycle too.
                bench.dut.under_way.value = 1
            for i in range(parallel):
                if (age, i) in promised:
                    taken = value(bench, "taken") >> i * width
                    assert _signed(taken, width) == promised.pop((age, i)), (i, self.at)
            reading = value(bench, "lane") if value(bench, "read") else -1
            self.fills += value(bench, "fill")
            finished = bool(value(bench, "finished"))
            shift = value(bench, "shift")
            self.at = [at + (shift >> t & 1) for t, at in enumerate(self.at)]
            age += 1
        assert len(self.entered) == self.passes * self.neurons
        assert not promised
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
                await cycle(bench, start=0, under_way=0)
                assert not value(bench, "read")
