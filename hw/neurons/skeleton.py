"""AND unit: collects a group's spikes into a row and forms its stable-spike skeleton."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig, bits_for

__all__ = ["SkeletonUnit"]


class SkeletonUnit(wiring.Component):
    """A group's row of spike words, a step of a neuron at a time, and its skeleton.

    ``skeleton[l][t] = spikes[l][t] & spikes[l][t - 1]``, and ``& before[l]`` at ``t = 0``: one AND
    per bit, formed in place by ``thin``, in the cells that keep the row. The row is kept as one
    shift register per step, so neurons come in order from lane 0 on; a group of fewer than L is
    moved to its place by ``fill``, once for every lane it lacks. ``row`` is complete one cycle
    after that.

    Members
    -------
    first, before : a neuron starts the window; its spike of the step before.
    write, fired, stable : a step of a neuron, per step of a pass; ``step`` the first one of the
        pass it belongs to.
    fill : all lanes move on by one, a silent one comes in. rotate : likewise, lane 0 comes in.
    thin : the row becomes its skeleton, from the next cycle on; once for a row.
    clear : forget the row. ``clear_counts`` the counters, with effect after this cycle.
    row : spikes, and skeleton from ``thin`` on; word of lane 0 lowest.
    spike_count, stable_count : of all rows since the counters were cleared.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        steps = config.neuron_steps
        count = unsigned(bits_for(config.neuron_groups * config.lanes * config.window))
        super().__init__({
            "first": In(1), "before": In(1),
            "write": In(steps), "fired": In(steps), "stable": In(steps),
            "step": In(data.ArrayLayout(unsigned(bits_for(config.window - 1)), steps)),
            "fill": In(1), "rotate": In(1), "thin": In(1),
            "clear": In(1), "clear_counts": In(1),
            "row": Out(config.row_bits),
            "spike_count": Out(count), "stable_count": Out(count),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config

        def lanes_of(name: str, move: Value, bit: Value, before: Value) -> Signal:
            """A bit per lane; with ``move`` all go one lane down and ``bit`` comes in on top."""
            bits = Signal(config.lanes, name=name)
            with m.If(move | self.fill | self.rotate | self.thin):
                moved = Cat(bits[1:], Mux(self.rotate, bits[0], bit & ~self.fill))
                m.d.sync += bits.eq(Mux(self.thin, bits & before, moved))
            with m.If(self.clear):
                m.d.sync += bits.eq(0)
            return bits

        before = lanes_of("before_window", self.first, self.before, Const(0, config.lanes))
        for t in range(config.window):
            i = t % config.neuron_steps
            spikes = lanes_of(
                f"spikes{t}", self.write[i] & (self.step[i] == t - i), self.fired[i], before
            )
            for lane in range(config.lanes):
                m.d.comb += self.row[lane * config.window + t].eq(spikes[lane])
            before = spikes

        def total(bits: Value) -> Value:
            return sum((a & b for a, b in zip(self.write, bits, strict=True)), start=0)

        m.d.sync += [
            self.spike_count.eq(self.spike_count + total(self.fired)),
            self.stable_count.eq(self.stable_count + total(self.stable)),
        ]
        with m.If(self.clear_counts):
            m.d.sync += [self.spike_count.eq(0), self.stable_count.eq(0)]
        return m
