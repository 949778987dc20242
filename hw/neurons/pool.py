"""Pool: a group's row of spikes, its skeleton, and the OR of either over a pool's positions."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig, bits_for
from stablespike.spec.report import fired_most

__all__ = ["PoolUnit"]


class PoolUnit(wiring.Component):
    """The AND unit of arrays with convolution, where one group's row leaves as the next comes in.

    Neurons are written in order, lane 0 first, ``neuron_steps`` steps at a time, all L of a group.
    ``take`` copies the complete row; what is selected of the copy is out in the same cycle, a part
    of ``row_beats``:

        skeleton[l][t] = spikes[l][t] & spikes[l][t - 1], at t = 0: & before[l]
        words = (own & (skeleton if select_skeleton else spikes)) | (pooled & kept)

    and ``store`` puts them in the place of what is ``kept`` of that part of that row.

    Members
    -------
    write, fired, step, before : steps ``step`` on of a neuron, and its spike of the step before.
    take : the row is complete.
    select_skeleton, beat : which row, and which part. own, pooled : what goes into ``words``.
    words : word of the part's first lane lowest. store : keep them.
    clear : forget the row that comes in. ``clear_counts`` the counters, with effect after this
        cycle.
    spike_count, stable_count : of all neurons since the counters were cleared.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        count = unsigned(bits_for(fired_most(config)))
        super().__init__(
            {
                "write": In(1),
                "fired": In(config.neuron_steps),
                "step": In(unsigned(bits_for(config.window - 1))),
                "before": In(1),
                "take": In(1),
                "select_skeleton": In(1),
                "beat": In(range(config.row_beats)),
                "own": In(1),
                "pooled": In(1),
                "words": Out(config.row_bits // config.row_beats),
                "store": In(1),
                "clear": In(1),
                "clear_counts": In(1),
                "spike_count": Out(count),
                "stable_count": Out(count),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        lanes, window, steps = config.lanes, config.window, config.neuron_steps

        def chain(name: str, moves: Value, bit: Value) -> Signal:
            """A bit per lane; with ``moves`` all go one lane down and ``bit`` comes in on top."""
            bits = Signal(lanes, name=name)
            with m.If(moves):
                m.d.sync += bits.eq(Cat(bits[1:], bit))
            with m.If(self.clear):
                m.d.sync += bits.eq(0)
            return bits

        before = chain("before_window", self.write & (self.step == 0), self.before)
        spikes = [
            chain(f"spikes{t}", self.write & (self.step == t - t % steps), self.fired[t % steps])
            for t in range(window)
        ]
        row, earlier = Signal(config.row_bits, reset_less=True), Signal(lanes, reset_less=True)
        with m.If(self.take):
            m.d.sync += [
                row.eq(Cat(spikes[t][lane] for lane in range(lanes) for t in range(window))),
                earlier.eq(before),
            ]

        width = len(self.words)
        part, first = Signal(width), Signal(lanes // config.row_beats)
        m.d.comb += [
            part.eq(row.word_select(self.beat, width)),
            first.eq(earlier.word_select(self.beat, len(first))),
        ]
        m.submodules.kept = kept = Memory(shape=width, depth=2 * config.row_beats, init=[])
        write, read = kept.write_port(), kept.read_port(domain="comb")
        place = Cat(self.select_skeleton, self.beat[: config.row_beats.bit_length() - 1])
        m.d.comb += [
            read.addr.eq(place), write.addr.eq(place),
            write.en.eq(self.store), write.data.eq(self.words),
        ]
        for bit in range(width):
            lane, t = divmod(bit, window)
            stays = ~self.select_skeleton | (part[bit - 1] if t else first[lane])
            m.d.comb += self.words[bit].eq(
                (part[bit] & stays & self.own) | (read.data[bit] & self.pooled)
            )

        stable = self.fired & Cat(self.before, self.fired[:-1])
        with m.If(self.write):
            m.d.sync += [
                self.spike_count.eq(self.spike_count + sum(self.fired)),
                self.stable_count.eq(self.stable_count + sum(stable)),
            ]
        with m.If(self.clear_counts):
            m.d.sync += [self.spike_count.eq(0), self.stable_count.eq(0)]
        return m
