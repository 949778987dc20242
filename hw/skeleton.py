"""AND unit: collects a group's spikes into a row and forms its stable-spike skeleton."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from stablespike.spec import ArrayConfig, bits_for

__all__ = ["SkeletonUnit"]


class SkeletonUnit(wiring.Component):
    """A group's row of spike words, bit by bit as the neuron unit fires, and its skeleton.

    ``skeleton[l][t] = spikes[l][t] & spikes[l][t - 1]``, and ``& before[l]`` at ``t = 0``: one AND
    per bit, combinational. ``spikes`` is complete one cycle after the last write.

    Members
    -------
    first, first_lane, before : the spike of the step before the window, when a neuron starts one.
    write, fired, stable, at : the neuron unit's steps; ``step`` is the first one of its pass,
        per step of a pass (they are under way at different times).
    clear : forget the row. ``clear_counts`` the counters, with effect after this cycle.
    spikes, skeleton : the rows, word of lane 0 lowest.
    spike_count, stable_count : of all rows since the counters were cleared.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        lane, steps = unsigned(bits_for(config.lanes - 1)), config.neuron_steps
        count = unsigned(bits_for(config.neuron_groups * config.lanes * config.window))
        super().__init__(
            {
                "first": In(1),
                "first_lane": In(lane),
                "before": In(1),
                "write": In(steps),
                "fired": In(steps),
                "stable": In(steps),
                "at": In(data.ArrayLayout(lane, steps)),
                "step": In(data.ArrayLayout(unsigned(bits_for(config.window - 1)), steps)),
                "clear": In(1),
                "clear_counts": In(1),
                "spikes": Out(config.row_bits),
                "skeleton": Out(config.row_bits),
                "spike_count": Out(count),
                "stable_count": Out(count),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        before = Signal(config.lanes, reset_less=True)
        for lane in range(config.lanes):
            with m.If(self.first & (self.first_lane == lane)):
                m.d.sync += before[lane].eq(self.before)
            word = self.spikes.word_select(lane, config.window)
            shifted = Cat(before[lane], word)[: config.window]
            m.d.comb += self.skeleton.word_select(lane, config.window).eq(word & shifted)
            for step in range(config.window):
                i = step % config.neuron_steps
                with m.If(self.write[i] & (self.at[i] == lane) & (self.step[i] == step - i)):
                    m.d.sync += word[step].eq(self.fired[i])
        with m.If(self.clear):
            m.d.sync += self.spikes.eq(0)

        def total(bits):
            return sum((a & b for a, b in zip(self.write, bits, strict=True)), start=0)

        m.d.sync += [
            self.spike_count.eq(self.spike_count + total(self.fired)),
            self.stable_count.eq(self.stable_count + total(self.stable)),
        ]
        with m.If(self.clear_counts):
            m.d.sync += [self.spike_count.eq(0), self.stable_count.eq(0)]
        return m
