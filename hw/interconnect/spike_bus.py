"""Spike bus: carries rows from the host or a core to every core."""

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
    """Takes a part of a row per cycle and broadcasts it. Lower-numbered cores go first, the host
    last.

    With one core, a part is broadcast in the cycle after it was taken, or in the same cycle if rows
    have only one part. With several cores, every signal that crosses the device goes from register
    to register. The grant goes to the lowest core that asked for the bus two cycles earlier and has
    had no grant since. The part passes one register at its source and one behind the OR of all
    sources:

        cycle    0      1       2      3      4
        asks     core   core    core
        valid           core    core
        asking          core
        grant                   core
        part                           core
        bus                                   core

    A core sends one row per group and waits until it is taken. So the lowest-first order delays a
    core by at most one row of each other core.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    host : In(rows_signature(config))
        Rows of input maps.
    cores : In(rows_signature(config)), one for each core
        Rows of inner maps.
    asks : In(config.cores)
        With several cores: a core has a part, at the latest in the next cycle, until it is taken.
    bus : Out(bus_signature(config))
        The part of a row on the bus.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__({
            "host": In(rows_signature(config)),
            "cores": In(rows_signature(config)).array(config.cores),
            "bus": Out(bus_signature(config)),
            **({"asks": In(config.cores)} if config.cores > 1 else {}),
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
            # The host has the grant whenever no core does: it needs no request.
            asking = Signal(config.cores)
            grant = Signal(len(sources), init=1 << config.cores)
            # In a grant's cycle, what its core asked for is the part that is being taken.
            not_granted = ~grant[:-1]
            m.d.sync += [
                asking.eq(self.asks & not_granted),
                grant.eq(lowest(Cat(asking & not_granted, Const(1)), Const(1))),
            ]
            m.d.comb += Cat(source.ready for source in sources).eq(grant)
            # All but the granted part are 0, so an OR selects it: no index crosses the device.
            # The parts need no reset, because ``taken_before`` says whether one counts.
            parts = [Signal(chosen.as_value().shape(), reset_less=True) for _ in sources]
            for part, source, here in zip(parts, sources, grant, strict=True):
                m.d.sync += part.eq(Mux(here, source.payload.as_value(), 0))
            taken_before = Signal(2)
            m.d.sync += taken_before.eq(Cat(some, inner))
            m.d.comb += chosen.as_value().eq(reduce(or_, parts))
            some, inner = taken_before
        else:
            core = self.cores[0]
            m.d.comb += [
                chosen.eq(Mux(core.valid, core.payload.as_value(), self.host.payload.as_value())),
                core.ready.eq(1), self.host.ready.eq(~core.valid),
            ]
        # With a single core, the path is short enough to need no register.
        domain = m.d.comb if config.cores == config.row_beats == 1 else m.d.sync
        domain += [self.bus.valid.eq(some), self.bus.inner.eq(inner), self.bus.row.eq(chosen)]
        return m
