"""Pool unit: a group's row of spikes, its skeleton, and the OR of either over a pool's
positions."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig, bits_for
from stablespike.spec.report import fired_most

__all__ = ["PoolUnit", "pool_signature"]


def pool_signature(config: ArrayConfig) -> wiring.Signature:
    """A part of a row in the pool unit, as the output unit sees it.

    Members
    -------
    select_skeleton : Out(1)
        Select the skeleton, not the spikes.
    beat : Out(range(config.row_beats))
        The part of the row.
    show_row : Out(1)
        The row that was taken is part of ``words``.
    show_kept : Out(1)
        The OR over the pool's other positions is part of ``words``.
    words : In(config.row_bits // config.row_beats)
        The part, in the same cycle, with the word of its first lane lowest.
    store : Out(1)
        Keep ``words`` for the pool.
    """
    return wiring.Signature({
        "select_skeleton": Out(1), "beat": Out(range(config.row_beats)),
        "show_row": Out(1), "show_kept": Out(1), "store": Out(1),
        "words": In(config.row_bits // config.row_beats),
    })


class PoolUnit(wiring.Component):
    """The AND unit of arrays with convolution: one row is sent while the next one comes in.

    All L neurons of a group are written in order, lane 0 first, ``neuron_steps`` steps at a time.
    ``take`` copies the complete row. The copy is read in parts, in the cycle in which one is
    selected:

        skeleton[l][t] = spikes[l][t] & spikes[l][t - 1], at t = 0: & before[l]
        words = (show_row & (skeleton if select_skeleton else spikes)) | (show_kept & kept)

    and ``store`` replaces that part of ``kept`` by ``words``. So the OR over a pool needs a memory
    of two rows, whatever the pool's size.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    write : In(1)
        Steps of a neuron are written.
    fired : In(config.neuron_steps)
        Its spikes, while ``write``.
    step : In
        The first of the steps, while ``write``.
    before : In(1)
        Its spike of the step before them, while ``write``.
    take : In(1)
        Copy the complete row.
    pool : In(pool_signature(config))
        The output unit.
    clear : In(1)
        Clear the incoming row.
    clear_counts : In(1)
        Clear the counters in the next cycle.
    spike_count : Out
        Spikes of all neurons since the counters were cleared.
    stable_count : Out
        The stable ones among them.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        count = unsigned(bits_for(fired_most(config)))
        super().__init__({
            "write": In(1), "fired": In(config.neuron_steps),
            "step": In(unsigned(bits_for(config.window - 1))),
            "before": In(1), "take": In(1),
            "pool": In(pool_signature(config)),
            "clear": In(1), "clear_counts": In(1),
            "spike_count": Out(count), "stable_count": Out(count),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        config, pool = self.config, self.pool
        lanes, window, steps = config.lanes, config.window, config.neuron_steps

        def chain(name: str, moves: Value, bit: Value) -> Signal:
            """One bit per lane; with ``moves``, all shift down by one lane and ``bit`` enters at
            the top."""
            bits = Signal(lanes, name=name)
            with m.If(moves):
                m.d.sync += bits.eq(Cat(bits[1:], bit))
            with m.If(self.clear):
                m.d.sync += bits.eq(0)
            return bits

        # Neurons come in order, so a row is a shift register per step: it needs no address.
        before = chain("before_window", self.write & (self.step == 0), self.before)
        spikes = [
            chain(f"spikes{t}", self.write & (self.step == t - t % steps), self.fired[t % steps])
            for t in range(window)
        ]
        # Neither row needs a reset, because it is read only after it was taken.
        row, earlier = Signal(config.row_bits, reset_less=True), Signal(lanes, reset_less=True)
        with m.If(self.take):
            m.d.sync += [
                row.eq(Cat(spikes[t][lane] for lane in range(lanes) for t in range(window))),
                earlier.eq(before),
            ]

        width = len(pool.words)
        part, first = Signal(width), Signal(lanes // config.row_beats)
        m.d.comb += [
            part.eq(row.word_select(pool.beat, width)),
            first.eq(earlier.word_select(pool.beat, len(first))),
        ]
        # It is never cleared: at a pool's first position, ``show_kept`` is low.
        m.submodules.kept = kept = Memory(shape=width, depth=2 * config.row_beats, init=[])
        # Read and written in the same cycle, so it is made of LUTs.
        write, read = kept.write_port(), kept.read_port(domain="comb")
        address = Cat(pool.select_skeleton, pool.beat[: config.row_beats.bit_length() - 1])
        m.d.comb += [
            read.addr.eq(address), write.addr.eq(address),
            write.en.eq(pool.store), write.data.eq(pool.words),
        ]
        # One LUT per bit, besides the memory, combines both rows and the pool.
        for bit in range(width):
            lane, t = divmod(bit, window)
            stays = ~pool.select_skeleton | (part[bit - 1] if t else first[lane])
            m.d.comb += pool.words[bit].eq(
                (part[bit] & stays & pool.show_row) | (read.data[bit] & pool.show_kept)
            )

        # All steps of a pass leave together, so each step is next to its predecessor.
        stable = self.fired & Cat(self.before, self.fired[:-1])
        with m.If(self.write):
            m.d.sync += [
                self.spike_count.eq(self.spike_count + sum(self.fired)),
                self.stable_count.eq(self.stable_count + sum(stable)),
            ]
        with m.If(self.clear_counts):
            m.d.sync += [self.spike_count.eq(0), self.stable_count.eq(0)]
        return m
