"""The array: cores on a spike bus."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec import ArrayConfig
from stablespike.spec.report import BUSY_BITS

from .bus import SpikeBus
from .core import Core
from .multiplier import Count
from .ports import (
    REPORT_FLAG_BITS,
    reports_signature,
    rows_signature,
    windows_signature,
    writes_signature,
)
from .reports import ReportMerger

__all__ = ["CoreArray"]


class CoreArray(wiring.Component):
    """P cores that run their task lists over the same windows.

    Members
    -------
    writes : into the cores' memories, while no window is under way.
    rows, windows : input maps, and the windows they belong to; a window goes to all cores at once.
    report_flags : ``ReportFlags``. reports : packets of ``spec.report``.
    busy : a window is under way.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "writes": In(writes_signature(config)),
                "rows": In(rows_signature(config)),
                "windows": In(windows_signature(config)),
                "report_flags": In(REPORT_FLAG_BITS),
                "reports": Out(reports_signature()),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        cores = [Core(self.config, index) for index in range(self.config.cores)]
        m.submodules.bus = bus = SpikeBus(self.config)
        m.submodules.reports = reports = ReportMerger(self.config.cores)
        m.submodules.time = time = Count()
        assert len(time.o) == BUSY_BITS
        m.d.comb += self.busy.eq(Cat(core.busy for core in cores).any())
        m.d.comb += time.up.eq(self.busy)
        connect(m, flipped(self.rows), bus.host)
        connect(m, reports.o, flipped(self.reports))
        ready, go = Signal(), Signal()
        m.d.comb += [
            ready.eq(Cat(core.windows.ready for core in cores).all()),
            self.windows.ready.eq(ready),
        ]
        # Large arrays: what crosses the whole device does so between registers.
        writes = Signal.like(self.writes.payload, reset_less=True)
        write = Signal()
        domain = m.d.sync if self.config.chain > 1 else m.d.comb
        domain += [
            go.eq(Cat(core.arrived for core in cores).all()),
            write.eq(self.writes.valid),
            writes.eq(self.writes.payload),
        ]
        for index, core in enumerate(cores):
            m.submodules[f"core{index}"] = core
            connect(m, core.rows, bus.cores[index])
            connect(m, core.reports, reports.i[index])
            m.d.comb += [
                core.writes.valid.eq(write),
                core.writes.payload.eq(writes),
                core.windows.valid.eq(self.windows.valid & ready),
                core.windows.payload.eq(self.windows.payload),
                core.bus_valid.eq(bus.valid),
                core.bus_inner.eq(bus.inner),
                core.bus.eq(bus.row),
                core.report_flags.eq(self.report_flags),
                core.time.eq(time.o),
                core.go.eq(go),
            ]
        return m
