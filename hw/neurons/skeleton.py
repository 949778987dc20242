"""AND unit: collects a group's spikes into a row and forms its stable-spike skeleton."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig, bits_for

__all__ = ["SkeletonUnit"]


class SkeletonUnit(wiring.Component):
    """Collects the spikes of a group as a row of spike words, and turns the row into its skeleton.

    ``skeleton[l][t] = spikes[l][t] & spikes[l][t - 1]``, and ``& before[l]`` at ``t = 0``. This is
    one AND per bit; ``apply_skeleton`` does it in place, in the cells that hold the row.

    The row is one shift register per step, so neurons come in order from lane 0 on. ``fill`` shifts
    the row of a group of fewer than L neurons, once for every missing lane. ``row`` is complete one
    cycle after that.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    first : In(1)
        A neuron starts the window.
    before : In(1)
        Its spike of the step before the window, while ``first``.
    write : In(config.neuron_steps)
        Step ``i`` of a pass is done for a neuron.
    fired : In(config.neuron_steps)
        Its spike, while ``write``.
    stable : In(config.neuron_steps)
        Its skeleton bit, for the counter, while ``write``.
    step : In(ArrayLayout(unsigned, config.neuron_steps))
        The first step of the pass, while ``write``.
    fill : In(1)
        Shift all lanes by one; a silent word enters.
    rotate : In(1)
        Shift all lanes by one; lane 0 enters at the top.
    apply_skeleton : In(1)
        The row becomes its skeleton in the next cycle; up for one cycle, once for a row.
    clear : In(1)
        Clear the row.
    clear_counts : In(1)
        Clear the counters in the next cycle.
    row : Out(config.row_bits)
        The spikes, or their skeleton from ``apply_skeleton`` on, with the word of lane 0 lowest.
    spike_count : Out
        Spikes of all rows since the counters were cleared.
    stable_count : Out
        The stable ones among them.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        steps = config.neuron_steps
        count = unsigned(bits_for(config.neuron_groups * config.lanes * config.window))
        super().__init__({
            "first": In(1), "before": In(1),
            "write": In(steps), "fired": In(steps), "stable": In(steps),
            "step": In(data.ArrayLayout(unsigned(bits_for(config.window - 1)), steps)),
            "fill": In(1), "rotate": In(1), "apply_skeleton": In(1),
            "clear": In(1), "clear_counts": In(1),
            "row": Out(config.row_bits),
            "spike_count": Out(count), "stable_count": Out(count),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config

        def lanes_of(name: str, move: Value, bit: Value, before: Value) -> Signal:
            """One bit per lane; with ``move``, all shift down by one lane and ``bit`` enters at the
            top."""
            bits = Signal(config.lanes, name=name)
            # Everything that shifts or changes the row shares one clock enable per step.
            with m.If(move | self.fill | self.rotate | self.apply_skeleton):
                moved = Cat(bits[1:], Mux(self.rotate, bits[0], bit & ~self.fill))
                # All steps change at once, so ``before`` still has the spikes of the step before.
                m.d.sync += bits.eq(Mux(self.apply_skeleton, bits & before, moved))
            with m.If(self.clear):
                m.d.sync += bits.eq(0)
            return bits

        before = lanes_of("before_window", self.first, self.before, Const(0, config.lanes))
        for t in range(config.window):
            i = t % config.neuron_steps
            spikes = lanes_of(
                f"spikes{t}", self.write[i] & (self.step[i] == t - i), self.fired[i], before
            )
            m.d.comb += self.row[t :: config.window].eq(spikes)
            before = spikes

        # The steps of a pass leave the neuron unit one after another, so several steps, of
        # different neurons, may leave in one cycle.
        def total(bits: Value) -> Value:
            return sum((a & b for a, b in zip(self.write, bits, strict=True)), start=0)

        m.d.sync += [
            self.spike_count.eq(self.spike_count + total(self.fired)),
            self.stable_count.eq(self.stable_count + total(self.stable)),
        ]
        with m.If(self.clear_counts):
            m.d.sync += [self.spike_count.eq(0), self.stable_count.eq(0)]
        return m
