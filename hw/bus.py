"""Spike bus: rows from the host or a core to every core."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig

from .ports import beat_layout, row_layout, rows_signature

__all__ = ["SpikeBus"]


class SpikeBus(wiring.Component):
    """Takes a row every ``row_beats`` cycles, the lowest core first and the host last.

    It is broadcast from the cycle after on, a part per cycle; with one core and a single beat, in
    the same cycle.

    Cores send a row per group and wait for it to be taken, so the lowest-first order starves
    none for longer than the other cores have a row each.

    Members
    -------
    host, cores : rows to send.
    valid, inner, row : the part of a row on the bus; ``inner`` if a core sent it. Every core
        takes it.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "host": In(rows_signature(config)),
                "cores": In(rows_signature(config)).array(config.cores),
                "valid": Out(1),
                "inner": Out(1),
                "row": Out(beat_layout(config)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        chosen = Signal(row_layout(config))
        free = Signal(init=1)  # a row may be taken
        sources = [*self.cores, self.host]
        taken = Signal(len(sources))
        m.d.comb += chosen.eq(self.host.payload)
        for i in reversed(range(len(self.cores))):
            with m.If(self.cores[i].valid):
                m.d.comb += chosen.eq(self.cores[i].payload)
        for i, source in enumerate(sources):
            m.d.comb += [
                source.ready.eq(free & ~taken[:i].any()),
                taken[i].eq(source.valid),
            ]
        if config.row_beats > 1:
            words = Signal.like(chosen.words, reset_less=True)
            last = Signal()
            m.d.comb += [
                last.eq(self.row.beat == config.row_beats - 1),
                free.eq(~self.valid | last),
                self.row.words.eq(words),
            ]
            m.d.sync += [
                words.eq(words >> len(self.row.words)),
                self.row.beat.eq(self.row.beat + self.valid),
            ]
            with m.If(free):
                m.d.sync += [
                    self.valid.eq(taken.any()),
                    self.inner.eq(taken[:-1].any()),
                    self.row.row.eq(chosen.row),
                    words.eq(chosen.words),
                ]
            return m
        # A lone core is near enough to go without the register.
        m.d.comb += free.eq(1)
        domain = m.d.comb if len(self.cores) == 1 else m.d.sync
        domain += [
            self.valid.eq(taken.any()),
            self.inner.eq(taken[:-1].any()),
            self.row.row.eq(chosen.row),
            self.row.words.eq(chosen.words),
        ]
        return m
