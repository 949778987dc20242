"""Spike bus: rows from the host or a core to every core."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig

from ..lib.bits import lowest
from ..lib.ports import beat_layout, bus_signature, rows_signature

__all__ = ["SpikeBus"]


class SpikeBus(wiring.Component):
    """Takes a part of a row per cycle, of the lowest core first and of the host last.

    It is broadcast in the cycle after; with one core and rows in one part, in the same cycle. With
    several cores it is of the lowest one that asked two cycles before it is taken and was not
    chosen since, and broadcast two cycles after it, by way of a register at each source: what
    crosses the device does so from register to register.

    Cores send a row per group and wait for it to be taken, so the lowest-first order starves
    none for longer than the other cores have a row each.

    Members
    -------
    host, cores : rows to send.
    bus : the part of a row on the bus.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__({
            "host": In(rows_signature(config)),
            "cores": In(rows_signature(config)).array(config.cores),
            "bus": Out(bus_signature(config)),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        chosen = Signal(beat_layout(config))
        sources = [*self.cores, self.host]
        taken = Signal(len(sources))
        m.d.comb += taken.eq(Cat(source.valid & source.ready for source in sources))
        some, inner = taken.any(), taken[:-1].any()
        if config.cores > 1:
            asking = Signal(config.cores)
            turn = Signal(len(sources), init=1 << config.cores)
            others = ~turn[:-1]
            m.d.sync += [
                asking.eq(Cat(core.valid for core in self.cores) & others),
                turn.eq(lowest(Cat(asking & others, Const(1)), Const(1))),
            ]
            m.d.comb += Cat(source.ready for source in sources).eq(turn)
            parts = [Signal(chosen.as_value().shape(), reset_less=True) for _ in sources]
            for part, source, here in zip(parts, sources, turn, strict=True):
                m.d.sync += part.eq(Mux(here, source.payload.as_value(), 0))
            ahead = Signal(2)
            m.d.sync += ahead.eq(Cat(some, inner))
            m.d.comb += chosen.as_value().eq(reduce(or_, parts))
            some, inner = ahead
        else:
            core = self.cores[0]
            m.d.comb += [
                chosen.eq(Mux(core.valid, core.payload.as_value(), self.host.payload.as_value())),
                core.ready.eq(1), self.host.ready.eq(~core.valid),
            ]
        # A lone core is near enough to go without the register.
        domain = m.d.comb if config.cores == config.row_beats == 1 else m.d.sync
        domain += [self.bus.valid.eq(some), self.bus.inner.eq(inner), self.bus.row.eq(chosen)]
        return m
