"""The figures of ``spec.timing``, measured on a simulated core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from amaranth.hdl import Elaboratable
from amaranth.sim import Simulator
from stablespike.hw.core.core import Core
from stablespike.hw.core.task_reader import TaskReader
from stablespike.hw.neurons.drain import Drain
from stablespike.hw.neurons.group_scheduler import GroupScheduler
from stablespike.hw.neurons.neuron_unit import NeuronUnit
from stablespike.hw.neurons.pipelined_group_scheduler import PipelinedGroupScheduler
from stablespike.hw.scan.scanner import Scanner
from stablespike.spec import timing

SMALL = ss.ArrayConfig(
    lanes=4, window=4, weight_rows=64, spike_rows=16, neuron_groups=8, state_groups=16, tasks=4,
    row_queue=4, synaptic_current=False,
)
CONFIGS = {
    "R1": SMALL,
    "R2, synapse": replace(SMALL, neuron_steps=2, synaptic_current=True),
    "R4, chains of 4": replace(SMALL, neuron_steps=4, chain=4),
    "R1, convolution": replace(SMALL, convolution=True),
    "R4, synapse, convolution": replace(
        SMALL, neuron_steps=4, synaptic_current=True, convolution=True
    ),
    "R2, chains of 2, convolution": replace(SMALL, neuron_steps=2, chain=2, convolution=True),
}
STEPS = 4
CYCLES = 160  # enough for the first layer, and for the second one to begin


def parts_of(component: Elaboratable, *kinds: type) -> tuple[Simulator, dict[type, list[Any]]]:
    """A simulator of a component, and the parts of these kinds that it is made of."""
    found: dict[type, list[Any]] = {kind: [] for kind in kinds}

    def noted(kind: type, elaborate: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def note(self: Any, platform: Any) -> Any:
            found[kind].append(self)
            return elaborate(self, platform)

        return note

    with pytest.MonkeyPatch.context() as patch:
        for kind in kinds:
            patch.setattr(kind, "elaborate", noted(kind, kind.elaborate))
        return Simulator(component), found


class Run:
    """One window of a network of two layers with one event, the first one of four groups.

    Attributes
    ----------
    up : dict of str to list of int
        The cycles in which each signal was up.
    """

    def __init__(self, config: ss.ArrayConfig) -> None:
        self.core = Core(config, 0)
        neuron = ss.Neuron(threshold=1)
        layers = [ss.Dense(np.zeros(shape), neuron=neuron) for shape in ((16, 4), (3, 16))]
        self.program = ss.compile(ss.Network(ss.SpikeInput((4,)), layers), config, STEPS)
        schedulers = PipelinedGroupScheduler if config.convolution else GroupScheduler
        simulator, parts = parts_of(
            self.core, Scanner, TaskReader, schedulers, Drain, NeuronUnit
        )
        (scanner,), (drain,), (unit,) = parts[Scanner], parts[Drain], parts[NeuronUnit]
        (scheduler,) = parts[schedulers]
        (scan_task,) = [reader for reader in parts[TaskReader] if reader.first == 0]
        self.signals = {
            "range": scanner.ranges.valid & scanner.ranges.ready,
            "issue": scanner.issue,
            "scan task": scan_task.tasks.start,
            "free": scheduler.groups.free,
            "swap": scheduler.groups.swap,
            "start": drain.start,
            "finished": drain.finished,
            "enters": unit.valid,
            "leaves": unit.done,
            "emitted": scheduler.output_done,
        }
        self.up: dict[str, list[int]] = {name: [] for name in self.signals}
        simulator.add_clock(1e-6)
        simulator.add_testbench(self._run)
        simulator.run()

    async def _run(self, ctx: Any) -> None:
        core = self.core
        ctx.set(core.writes.valid, 1)
        for number, space, first, rows in self.program.writes():
            for row, chunks in enumerate(rows.tolist(), first):
                for chunk, data in enumerate(chunks):
                    ctx.set(core.writes.payload, {
                        "core": number, "space": int(space), "row": row, "chunk": chunk,
                        "data": data,
                    })
                    await ctx.tick()
        ctx.set(core.writes.valid, 0)
        ctx.set(core.rows.ready, 1)
        ctx.set(core.bus.row, {"row": 0, "beat": 0, "words": 1})
        ctx.set(core.bus.valid, 1)
        await ctx.tick()
        ctx.set(core.bus.valid, 0)
        ctx.set(core.windows.payload, {"steps": STEPS - 1, "first": 1, "last": 1, "base": 0})
        ctx.set(core.windows.valid, 1)
        for now in range(CYCLES):
            for name, signal in self.signals.items():
                if ctx.get(signal):
                    self.up[name].append(now)
            await ctx.tick()
            ctx.set(core.windows.valid, 0)


@pytest.fixture(scope="module", params=CONFIGS)
def run(request: pytest.FixtureRequest) -> Run:
    return Run(CONFIGS[request.param])


def test_the_first_event_of_a_range(run: Run) -> None:
    # The finder reads the first row of flags in the cycle after the transfer.
    assert run.up["issue"][0] == run.up["range"][0] + 1 + timing.found_to_issued(run.core.config)


def test_from_a_swap_to_the_drain_and_through_the_neuron_unit(run: Run) -> None:
    config, up = run.core.config, run.up
    assert up["start"][0] == up["swap"][0] + timing.swap_to_start(config)
    # A neuron is read in the cycle after the start, and enters in the next one.
    assert up["enters"][0] == up["start"][0] + 2
    assert up["leaves"][0] == up["enters"][0] + timing.neuron_latency(config)


def test_passes_over_a_group(run: Run) -> None:
    config, up = run.core.config, run.up
    lanes, passes = config.lanes, config.passes
    length = timing.sequential_pass(config, lanes)
    if config.convolution:
        length = timing.pass_length(config)
    else:
        took = timing.drain_cycles(config, lanes, passes, aligned=True)
        assert [end - start for start, end in zip(up["start"], up["finished"], strict=False)] == (
            [took] * len(up["finished"])
        )
    entered = up["enters"][: lanes * passes]
    first = entered[::lanes]
    assert [later - earlier for earlier, later in pairwise(first)] == [length] * (passes - 1)
    # With chained lanes a group follows the one before; without, the swap takes a cycle more.
    if config.convolution:
        apart = passes * length + (config.chain == 1)
        assert up["start"][1] == up["start"][0] + apart


def test_a_group_behind_another_one(run: Run) -> None:
    config, up = run.core.config, run.up
    if config.convolution:
        return  # as in the test before
    free = next(at for at in up["free"] if at > up["swap"][0])
    if timing.groups_overlap(config):
        assert free == up["finished"][0] - timing.EARLY
    else:
        assert free == up["finished"][0] + 1 + timing.WRITTEN_BACK
    # The lanes have waited for it.
    assert up["swap"][1] == free


def test_between_two_tasks(run: Run) -> None:
    config, up = run.core.config, run.up
    reads = up["scan task"][0]
    latency = timing.ADDRESS_LATENCY if config.convolution else 0
    following = next(at for at in up["range"] if at > reads)
    assert following == reads + timing.scan_task_cycles(config) + latency
    last = up["emitted"][3]
    free = next(at for at in up["free"] if at > last)
    assert free == last + 1 + timing.neuron_task_cycles(config)
