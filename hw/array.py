"""The array: cores on a spike bus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.hdl import (
    Cat,
    ClockDomain,
    ClockSignal,
    DomainRenamer,
    Elaboratable,
    Module,
    ResetSignal,
    Signal,
)
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec import ArrayConfig
from stablespike.spec.link import ReportFlags
from stablespike.spec.report import BUSY_BITS

from .core.core import Core
from .interconnect.report_merger import ReportMerger
from .interconnect.spike_bus import SpikeBus
from .interconnect.trace_fork import TraceFork, traces_signature
from .lib import ports
from .lib.registers import pipeline
from .lib.stream_registers import SkidBuffer, StreamRegister
from .vendor.multiplier import Count
from .vendor.replicated import replicated

__all__ = ["CoreArray"]


class CoreArray(wiring.Component):
    """Cores that run their task lists over the same windows.

        host's rows -> spike bus -> every core        core's rows -> spike bus
        windows     -> every core at once             core's reports -> merger -> reports

    In a pipelined array, every signal that crosses the device goes from register to register, and
    every core has its own reset and its own registers:

        register          cost
        on_bus            one more cycle from the bus to a spike memory
        rows              a part of a row comes to the bus a cycle later, but is asked for before
        window, sent      a window reaches the cores a cycle later
        arrived, go       two more cycles at a ``sync``
        reports           one more cycle on the way to the host

    Parameters
    ----------
    config : ArrayConfig
        The array.
    trace_ports : bool
        Packets of traces can leave beside the others, for simulation.
    make_core : callable
        Makes a core of the array and its number, for simulation.

    Members
    -------
    writes : In(writes_signature(config))
        Writes to the cores' memories, while no window is under way.
    rows : In(rows_signature(config))
        Rows of input maps.
    windows : In(windows_signature(config))
        The windows they belong to. A window goes to all cores at once.
    report_flags : In(REPORT_FLAG_BITS)
        ``ReportFlags``; constant while a window is under way.
    reports : Out(reports_signature())
        Packets of ``spec.report``, from one core after another.
    busy : Out(1)
        A window is under way in some core.
    traces_apart : In(1)
        With ``trace_ports``: those of traces go to ``traces`` instead. It may change only while no
        window is under way.
    traces : Out(traces_signature()), one for each core
        With ``trace_ports``.
    """

    def __init__(
        self, config: ArrayConfig, trace_ports: bool = False,
        make_core: Callable[[ArrayConfig, int], Core] = Core,
    ) -> None:
        self.config, self.trace_ports, self.make_core = config, trace_ports, make_core
        beside = {"traces_apart": In(1), "traces": Out(traces_signature()).array(config.cores)}
        super().__init__({
            **(beside if trace_ports else {}),
            "writes": In(ports.writes_signature(config)),
            "rows": In(ports.rows_signature(config)),
            "windows": In(ports.windows_signature(config)),
            "report_flags": In(ports.REPORT_FLAG_BITS),
            "reports": Out(ports.reports_signature()),
            "busy": Out(1),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        m.submodules.bus = bus = SpikeBus(config)
        m.submodules.merger = merger = ReportMerger(config.cores)
        m.submodules.time = time = Count()
        assert len(time.o) == BUSY_BITS
        connect(m, flipped(self.rows), bus.host)
        packets = merger.o
        if config.pipelined:
            m.submodules.reports = reports = SkidBuffer(packets.payload.shape())
            connect(m, packets, reports.i)
            packets = reports.o
        connect(m, packets, flipped(self.reports))

        # These are registers if the array is pipelined, because its cores are spread over the
        # device.
        cores = [self.make_core(config, index) for index in range(config.cores)]
        room = Cat(core.windows.room for core in cores).all()
        write, sent = Signal(), Signal()
        writes = Signal.like(self.writes.payload, reset_less=True)
        arrived, go = Signal(config.cores), Signal()
        if config.pipelined:
            # The cores' ``room`` is out of date until a window has reached them.
            room &= ~self.windows.valid & ~sent
        domain = pipeline(m, config)
        domain += [
            self.windows.room.eq(room),
            sent.eq(self.windows.valid),
            write.eq(self.writes.valid),
            writes.eq(self.writes.payload),
            self.busy.eq(Cat(core.busy for core in cores).any()),
            arrived.eq(Cat(core.arrived for core in cores)),
            go.eq(arrived.all()),
        ]
        times = self.report_flags[ReportFlags.TIMES.bit_length() - 1]
        m.d.comb += time.up.eq(self.busy & times)
        for index, core in enumerate(cores):
            place, rows, packets, asks = core, core.rows, core.reports, core.rows.valid
            window, written = self.windows.payload.as_value(), Cat(write, writes)
            on_bus = Cat(bus.bus.valid, bus.bus.inner, bus.bus.row)
            if config.pipelined:
                window = replicated(m, platform, f"window{index}", window)
            if config.pipelined and config.cores > 1:
                # Each core has its own register: a shared one would have a net across the device.
                place, rows, packets = self._apart(m, platform, core)
                # A part is in its register a cycle after the core has it.
                asks |= rows.valid
                written = replicated(m, platform, f"written{index}", written)
                on_bus = replicated(m, platform, f"on_bus{index}", on_bus)
            m.submodules[f"core{index}"] = place
            if self.trace_ports:
                m.submodules[f"traces{index}"] = fork = TraceFork()
                m.d.comb += fork.apart.eq(self.traces_apart)
                connect(m, packets, fork.i)
                connect(m, fork.traces, flipped(self.traces[index]))
                packets = fork.reports
            connect(m, rows, bus.cores[index])
            if config.cores > 1:
                m.d.comb += bus.asks[index].eq(asks)
            connect(m, packets, merger.i[index])
            m.d.comb += [
                Cat(core.writes.valid, core.writes.payload).eq(written),
                core.windows.valid.eq(sent),
                core.windows.payload.as_value().eq(window),
                Cat(core.bus.valid, core.bus.inner, core.bus.row).eq(on_bus),
                core.report_flags.eq(self.report_flags),
                core.time.eq(time.o),
                core.go.eq(go),
            ]
        return m

    def _apart(self, m: Module, platform, core: Core) -> tuple[Elaboratable, Any, Any]:
        """Put a core behind registers, with its own reset; returns it, its rows and its packets."""
        # A domain of its own, because one reset net to all cores would be too slow.
        name = f"core{core.index}"
        m.domains += ClockDomain(name, local=True)
        reset = replicated(m, platform, f"reset{core.index}", ResetSignal())
        m.d.comb += [ClockSignal(name).eq(ClockSignal()), ResetSignal(name).eq(reset)]
        # ``spaced``, so that the bus's grant goes no further than this register.
        rows = StreamRegister(core.rows.payload.shape(), spaced=True)
        packets = SkidBuffer(core.reports.payload.shape())
        m.submodules[f"rows{core.index}"] = DomainRenamer(name)(rows)
        m.submodules[f"reports{core.index}"] = DomainRenamer(name)(packets)
        connect(m, core.rows, rows.i)
        connect(m, core.reports, packets.i)
        return DomainRenamer(name)(core), rows.o, packets.o
