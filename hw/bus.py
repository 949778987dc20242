"""Spike bus: rows from the host or a core to every core."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig

from .ports import beat_layout, rows_signature

__all__ = ["SpikeBus"]


class SpikeBus(wiring.Component):
    """Takes a part of a row per cycle, of the lowest core first and of the host last.

    It is broadcast in the cycle after; with one core and rows in one part, in the same cycle.

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
        chosen = Signal(beat_layout(config))
        sources = [*self.cores, self.host]
        taken = Signal(len(sources))
        m.d.comb += chosen.eq(self.host.payload)
        for i in reversed(range(len(self.cores))):
            with m.If(self.cores[i].valid):
                m.d.comb += chosen.eq(self.cores[i].payload)
        for i, source in enumerate(sources):
            m.d.comb += [source.ready.eq(~taken[:i].any()), taken[i].eq(source.valid)]
        # A lone core is near enough to go without the register.
        domain = m.d.comb if config.cores == config.row_beats == 1 else m.d.sync
        domain += [
            self.valid.eq(taken.any()),
            self.inner.eq(taken[:-1].any()),
            self.row.eq(chosen),
        ]
        return m
