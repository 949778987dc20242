"""The array: cores on a spike bus."""

from __future__ import annotations

from amaranth.hdl import Cat, ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec import ArrayConfig
from stablespike.spec.report import BUSY_BITS

from .core.core import Core
from .interconnect.report_merger import ReportMerger
from .interconnect.spike_bus import SpikeBus
from .lib.ports import (
    REPORT_FLAG_BITS,
    reports_signature,
    rows_signature,
    windows_signature,
    writes_signature,
)
from .lib.stream_registers import StreamBuffer, StreamRegister
from .vendor.multiplier import Count
from .vendor.replicated import own

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
        if self.config.pipelined:
            return self.large(platform)
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
        m.d.comb += go.eq(Cat(core.arrived for core in cores).all())
        for index, core in enumerate(cores):
            m.submodules[f"core{index}"] = core
            connect(m, core.rows, bus.cores[index])
            connect(m, core.reports, reports.i[index])
            m.d.comb += [
                core.writes.valid.eq(self.writes.valid),
                core.writes.payload.eq(self.writes.payload),
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

    def large(self, platform) -> Module:
        """Of chained lanes: what crosses the device does so from register to register."""
        m = Module()
        config = self.config
        several = config.cores > 1
        cores = [Core(config, index) for index in range(config.cores)]
        m.submodules.bus = bus = SpikeBus(config)
        m.submodules.merger = merger = ReportMerger(config.cores)
        m.submodules.reports = reports = StreamBuffer(self.reports.payload.shape())
        m.submodules.time = time = Count()
        connect(m, flipped(self.rows), bus.host)
        connect(m, merger.o, reports.i)
        connect(m, reports.o, flipped(self.reports))

        # A window is taken by all cores in the cycle after; what they say of their room is old by
        # then.
        room, taken = Signal(), Signal()
        m.d.comb += self.windows.ready.eq(room)
        m.d.sync += [
            taken.eq(self.windows.valid & room),
            room.eq(
                Cat(core.windows.ready for core in cores).all()
                & ~(self.windows.valid & room) & ~taken
            ),
        ]
        arrived, go = Signal(config.cores), Signal()
        write = Signal()
        writes = Signal.like(self.writes.payload, reset_less=True)
        m.d.sync += [
            self.busy.eq(Cat(core.busy for core in cores).any()),
            arrived.eq(Cat(core.arrived for core in cores)),
            go.eq(arrived.all()),
            write.eq(self.writes.valid),
            writes.eq(self.writes.payload),
        ]
        m.d.comb += time.up.eq(self.busy)
        for index, core in enumerate(cores):
            rows, packets, written, on_bus = core.rows, core.reports, Cat(write, writes), Cat(
                bus.valid, bus.inner, bus.row
            )
            given = own(m, platform, f"given{index}", self.windows.payload.as_value())
            place = core
            if several:
                # Its own reset, and registers of its own for all that goes to every core.
                name = f"core{index}"
                m.domains += ClockDomain(name, local=True)
                reset = own(m, platform, f"reset{index}", ResetSignal())
                m.d.comb += [ClockSignal(name).eq(ClockSignal()), ResetSignal(name).eq(reset)]
                place = DomainRenamer(name)(core)
                ahead = StreamRegister(rows.payload.shape(), spaced=True)
                behind = StreamBuffer(packets.payload.shape())
                m.submodules[f"rows{index}"] = DomainRenamer(name)(ahead)
                m.submodules[f"reports{index}"] = DomainRenamer(name)(behind)
                connect(m, rows, ahead.i)
                connect(m, packets, behind.i)
                rows, packets = ahead.o, behind.o
                written = own(m, platform, f"written{index}", written)
                on_bus = own(m, platform, f"on_bus{index}", on_bus)
            m.submodules[f"core{index}"] = place
            connect(m, rows, bus.cores[index])
            connect(m, packets, merger.i[index])
            m.d.comb += [
                Cat(core.writes.valid, core.writes.payload).eq(written),
                core.windows.valid.eq(taken),
                core.windows.payload.as_value().eq(given),
                Cat(core.bus_valid, core.bus_inner, core.bus).eq(on_bus),
                core.report_flags.eq(self.report_flags),
                core.time.eq(time.o),
                core.go.eq(go),
            ]
        return m
