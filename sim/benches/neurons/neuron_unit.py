"""Bench of the neuron unit against the plain reference, step by step."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations, product
from random import Random
from typing import Any

import cocotb
from stablespike.hw.neurons.neuron_unit import TAG_BITS, state_layout
from stablespike.hw.scan.lanes import current_bits, sum_bits
from stablespike.network import COMPARES, RESET_TIMINGS, RESETS, Leak, Neuron
from stablespike.spec import ArrayConfig
from stablespike.spec.reference import neuron_step
from stablespike.spec.timing import input_stages, neuron_latency, step_stages

from ...harness.blocks import array_config, cycle, neuron_settings, random_neuron, value, weighted
from ...harness.streams import Bench, start


@dataclass
class Entry:
    """A neuron that enters: ``sums`` per step, or with ``pixels`` one for all of them."""

    theta: int
    bias: int
    v: int
    r: int
    q: int
    sums: list[int]
    steps: int
    pixels: int | None = None
    lane: int = 0
    first: int = 0
    tag: int = 0
    fired: list[int] = field(default_factory=list)
    stable: list[int] = field(default_factory=list)
    after: dict[str, int] = field(default_factory=dict)

    def compute(self, config: ArrayConfig, neuron: Neuron) -> None:
        """The reference's result for the neuron."""
        v, r, q = self.v, self.r, self.q
        self.fired, self.stable = [], []
        for total in self.sums[: self.steps]:
            weight = total if self.pixels is None else self.pixels
            current = self.bias + (weight << config.fraction_bits)
            v, s, q = neuron_step(neuron, self.theta, v, r, q, current, config.state_bits)
            self.fired.append(s)
            self.stable.append(s & r)
            r = s
        self.after = {"v": v, "r": r} | ({"q": q} if config.synaptic_current else {})


def _random_entry(random: Random, config: ArrayConfig, pixels: bool, steps: int) -> Entry:
    top = (1 << (config.state_bits - 1)) - 1
    acc = (1 << (sum_bits(config) - 1)) - 1
    near = random.random() < 0.8  # sums about as large as membranes, rather than any
    reach = min(acc, (top >> config.fraction_bits) + 2) if near else acc
    wide = (acc + 1) << config.window
    entry = Entry(
        theta=weighted(random, 1, top),
        bias=weighted(random, -top - 1, top),
        v=weighted(random, -top - 1, top),
        r=random.getrandbits(1),
        q=weighted(random, -top - 1, top) if config.synaptic_current else 0,
        sums=[weighted(random, -reach - 1, reach) for _ in range(config.neuron_steps)],
        steps=steps,
        pixels=None,
        lane=random.randrange(config.lanes),
        first=random.randrange(config.window),
        tag=random.getrandbits(TAG_BITS),
    )
    if pixels:
        entry.pixels = weighted(random, -reach - 1, reach) if near else weighted(
            random, -wide, wide - 1
        )
    if random.random() < 0.3:
        # Close to the threshold, where compare and reset decide.
        entry.bias = max(-top - 1, min(top, entry.theta - entry.v + random.randint(-2, 2)))
        entry.sums[0] = 0
        entry.pixels = None if entry.pixels is None else 0
    return entry


async def _run(
    bench: Bench, config: ArrayConfig, neuron: Neuron, entries: Iterable[Entry], pixels: bool,
    gaps: float = 0.0,
) -> int:
    """Run all entries through the unit, checked to the cycle; returns the number of steps."""
    width, steps = config.state_bits, config.neuron_steps
    mask, acc_mask = (1 << width) - 1, (1 << sum_bits(config)) - 1
    offsets = {field: state_layout(config)[field].offset for field, _ in state_layout(config)}
    first_bits = max(1, (config.window - 1).bit_length())
    current_mask = (1 << current_bits(config)) - 1
    bench.dut.settings.value = neuron_settings(config, neuron, pixels=int(pixels))
    depth, checked = neuron_latency(config) + 1, 0
    # under_way[k] entered k cycles ago.
    under_way: deque[Entry | None] = deque([None] * (depth + 1), maxlen=depth + 1)
    source: deque[Entry] = deque(entries)
    while source or any(under_way):
        entering = source.popleft() if source and bench.random.random() >= gaps else None
        under_way.appendleft(entering)
        pins: dict[str, Any] = {"valid": int(entering is not None)}
        if entering is not None:
            entering.compute(config, neuron)
            pins |= {
                "lane": entering.lane, "first": entering.first,
                "steps": (1 << entering.steps) - 1,
                "state": (entering.v & mask) << offsets["v"] | entering.r << offsets["r"]
                | ((entering.q & mask) << offsets["q"] if "q" in offsets else 0),
                "bias": entering.bias & mask, "threshold": entering.theta,
                "current": (entering.pixels or 0) & current_mask,
                **({"tag": entering.tag} if config.convolution else {}),
            }
        else:
            pins |= {"steps": bench.random.getrandbits(steps), "bias": bench.random.getrandbits(8)}
        sums = 0
        for i in range(steps):
            taking = under_way[step_stages(config) * i]
            total = (
                bench.random.getrandbits(sum_bits(config)) if taking is None or pixels
                else taking.sums[i]
            )
            sums |= (total & acc_mask) << i * sum_bits(config)
        await cycle(bench, **pins, sums=sums)

        write, fired, stable = (value(bench, name) for name in ("write", "fired", "stable"))
        places = value(bench, "step")
        for i in range(steps):
            giving = under_way[step_stages(config) * (i + 1) - 1 + input_stages(config)]
            exists = giving is not None and i < giving.steps
            assert write >> i & 1 == exists
            if giving is not None and exists:
                got = fired >> i & 1, stable >> i & 1
                assert got == (giving.fired[i], giving.stable[i]), (i, giving, neuron)
                assert places >> i * first_bits & ((1 << first_bits) - 1) == giving.first
                checked += 1
        leaving = under_way[neuron_latency(config)]
        assert value(bench, "done") == (leaving is not None)
        if leaving is not None:
            state = value(bench, "done_state")
            assert value(bench, "done_lane") == leaving.lane
            if config.convolution:
                names = ("tag", "first", "before", "spikes")
                spikes = sum(s << i for i, s in enumerate(leaving.fired))
                left = (leaving.tag, leaving.first, leaving.r, spikes)
                assert tuple(value(bench, f"done_{name}") for name in names) == left, leaving
            if not leaving.steps and steps == 1:
                continue  # no neuron: its state has no meaning
            expected = leaving.after
            for name, offset in offsets.items():
                if name == "q" and neuron.synapse_leak is None:
                    continue  # of no meaning
                got_bits = state >> offset & (1 if name == "r" else mask)
                assert got_bits == expected[name] & mask, (name, leaving, neuron)
    return checked


@cocotb.test()
async def computes_what_the_reference_does(dut):
    """Every reset, timing, compare, pixels or spikes; random leaks, partial windows, gaps."""
    config = array_config()
    bench = await start(dut)
    random = bench.random
    for reset, timing, compare, pixels in product(RESETS, RESET_TIMINGS, COMPARES, (False, True)):
        for _ in range(4):
            neuron = random_neuron(
                random, config, reset=reset, reset_timing=timing, compare=compare,
            )
            # With convolution, lanes without a neuron enter too, without steps.
            fewest = 0 if config.convolution else 1
            steps = [
                config.neuron_steps if random.random() < 0.6
                else random.randint(fewest, config.neuron_steps)
                for _ in range(48)
            ]
            entries = [_random_entry(random, config, pixels, n) for n in steps]
            gaps = random.choice([0, 0, 0.4])
            assert await _run(bench, config, neuron, entries, pixels, gaps) == sum(steps)


_SHIFTS = (None, 0, 1, 2, 3, 4, 7, 15)
_LEAKS = [Leak(a, c) for a, c in product(_SHIFTS, _SHIFTS)]
# An odd number of them, twice: once in the membrane and once in the synapse.
_LEAKS += 2 * [Leak(a, c, add=True) for a, c in combinations(_SHIFTS[1:], 2)]


@cocotb.test()
async def leaks_every_membrane(dut):
    """At 8 bits: every v with pairs of every kind of shift, subtracted and added, in membrane and
    synapse."""
    config = array_config()
    if config.state_bits != 8:
        return
    bench = await start(dut)
    membranes = range(-128, 128)
    blank = [0] * config.neuron_steps
    for number, leak in enumerate(_LEAKS):
        on_synapse = config.synaptic_current and number % 2 == 1
        neuron = Neuron(
            leak=Leak() if on_synapse else leak, fires=False,
            synapse_leak=leak if on_synapse else None,
        )
        step = 1 if leak.add or number % 4 < 2 else 2
        entries = [
            Entry(1, 0, 0 if on_synapse else v, v & 1, v if on_synapse else 0, blank, 1)
            for v in membranes[:: step]
        ]
        await _run(bench, config, neuron, entries, False)


@cocotb.test()
async def fires_and_resets_at_every_membrane(dut):
    """At 8 bits: every u against thresholds around it and at the ends, for every way to reset."""
    config = array_config()
    if config.state_bits != 8:
        return
    bench = await start(dut)
    ways = list(product(RESETS, RESET_TIMINGS, COMPARES, (0, 1)))
    blank = [0] * config.neuron_steps
    for number, (reset, timing, compare, r) in enumerate(ways):
        neuron = Neuron(threshold=1, reset=reset, reset_timing=timing, compare=compare)
        entries = []
        for u in range(-128, 128):
            near = {u, u + 1, (u * 7 + number * 13) % 127 + 1}
            # v sets u where nothing is subtracted from it; elsewhere the bias does.
            entries += [
                Entry(theta, 0, u, r, 0, blank, 1) for theta in near if 1 <= theta <= 127
            ]
        await _run(bench, config, neuron, entries, False)
