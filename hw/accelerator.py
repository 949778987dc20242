"""The accelerator: link and array, on a byte stream or at the pins of a wire."""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import (
    Cat,
    ClockDomain,
    ClockSignal,
    DomainRenamer,
    Module,
    ResetInserter,
    ResetSignal,
    Signal,
)
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec import ArrayConfig
from stablespike.spec.link import BUILD_ID_BYTES

from .array import CoreArray
from .core.core import Core
from .interconnect.trace_fork import traces_signature
from .link.crossing import Crossing
from .link.link import Link
from .link.uart import Uart, default_divisor
from .link.wide.words import Words
from .link.wire import wire_signature

__all__ = ["Accelerator", "UartAccelerator", "WiredAccelerator"]


# The reset of a pipelined array lasts this many cycles longer, until everything in registers
# without a reset has come out.
_CLEARING = 6


class Accelerator(wiring.Component):
    """Frames in, frames out; a new session resets all but the memories.

    Parameters
    ----------
    config : ArrayConfig
        The array.
    build_id : bytes
        The build ID that INFO reports.
    clock_hz : int
        The clock that INFO reports.
    trace_ports, make_core
        For simulation, as ``CoreArray`` takes them.

    Members
    -------
    rx : In(stream.Signature(8 * link_bytes))
        Bytes from the wire: COBS-encoded frames, each ended by a zero. With ``link_bytes`` of 2,
        the words that ``link.wide.words`` makes of them.
    tx : Out(stream.Signature(8 * link_bytes))
        Bytes to the wire, likewise.
    idle : In(1)
        Nothing is on its way behind ``tx``; 1 where there is no UART.
    baud : Out(16)
        Clocks per bit, while ``baud_set``.
    baud_set : Out(1)
        ``baud`` applies from the next byte on; up for one cycle.
    busy : Out(1)
        A window is under way.
    error : Out(1)
        A command was refused in this session.
    traces_apart, traces
        With ``trace_ports``: as ``CoreArray`` has them.
    """

    def __init__(
        self, config: ArrayConfig, build_id: bytes = bytes(BUILD_ID_BYTES), clock_hz: int = 0,
        trace_ports: bool = False, make_core: Callable[[ArrayConfig, int], Core] = Core,
    ) -> None:
        self.config, self.build_id, self.clock_hz = config, build_id, clock_hz
        self.trace_ports, self.make_core = trace_ports, make_core
        beside = {"traces_apart": In(1), "traces": Out(traces_signature()).array(config.cores)}
        super().__init__({
            **(beside if trace_ports else {}),
            "rx": In(stream.Signature(8 * config.link_bytes)),
            "tx": Out(stream.Signature(8 * config.link_bytes)),
            "idle": In(1, init=1), "baud": Out(16), "baud_set": Out(1),
            "busy": Out(1), "error": Out(1),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.link = link = Link(self.config, self.build_id, self.clock_hz)
        array = CoreArray(self.config, self.trace_ports, self.make_core)
        # The domain of a pipelined array has no other reset, so a reset of the device sets this.
        clear = Signal(init=int(self.config.pipelined))
        if self.config.pipelined:
            # The reset comes from a register, since it goes all over the device. Until it has
            # lasted long enough to clear everything in flight, the array's reports belong to the
            # previous session.
            m.domains.array = ClockDomain(local=True)
            lasts = Signal(_CLEARING)
            m.d.sync += [lasts.eq(Cat(link.clear, lasts)), clear.eq(link.clear | lasts.any())]
            m.d.comb += [ClockSignal("array").eq(ClockSignal()), ResetSignal("array").eq(clear)]
            m.submodules.array = DomainRenamer("array")(array)
        else:
            m.d.comb += clear.eq(link.clear)
            # A small array is cleared in the cycle in which the session begins.
            m.submodules.array = ResetInserter(clear)(array)
        connect(m, flipped(self.rx), link.rx)
        connect(m, link.tx, flipped(self.tx))
        connect(m, link.writes, array.writes)
        connect(m, link.rows, array.rows)
        connect(m, link.windows, array.windows)
        m.d.comb += [
            link.reports.valid.eq(array.reports.valid & ~clear),
            link.reports.payload.eq(array.reports.payload),
            array.reports.ready.eq(link.reports.ready),
            array.report_flags.eq(link.report_flags),
            link.idle.eq(self.idle),
            self.baud.eq(link.baud),
            self.baud_set.eq(link.baud_set),
            self.busy.eq(array.busy),
            self.error.eq(link.fault),
        ]
        if self.trace_ports:
            m.d.comb += array.traces_apart.eq(self.traces_apart)
            for own, of_array in zip(self.traces, array.traces, strict=True):
                m.d.comb += [
                    own.valid.eq(of_array.valid & ~clear), own.payload.eq(of_array.payload)
                ]
        return m


class WiredAccelerator(wiring.Component):
    """The accelerator at the pins of a wire.

    Parameters
    ----------
    config : ArrayConfig
        The array.
    wire : wiring.Component
        A component with ``wire_signature()``; all its other members but the rate are its pins. Its
        rate can change if it has ``baud`` and ``baud_set``.
    build_id : bytes
        The build ID that INFO reports.
    clock_hz : int
        The clock that INFO reports.
    domain : str
        The clock domain of the wire's bytes.

    Members
    -------
    ... : as the wire has them
        The pins of the wire.
    busy : Out(1)
        A window is under way.
    error : Out(1)
        A command was refused in this session.
    """

    def __init__(
        self,
        config: ArrayConfig,
        wire: wiring.Component,
        build_id: bytes = bytes(BUILD_ID_BYTES),
        *,
        clock_hz: int,
        domain: str = "sync",
    ) -> None:
        self.accelerator = Accelerator(config, build_id, clock_hz)
        self.wire, self.domain = wire, domain
        inner = {*wire_signature().members, "baud", "baud_set"}
        self.pins = {
            name: member for name, member in wire.signature.members.items() if name not in inner
        }
        super().__init__({**self.pins, "busy": Out(1), "error": Out(1)})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.accelerator = accelerator = self.accelerator
        wire = self.wire
        # A wire with a clock of its own is named after it: boards synthesize it by itself.
        name = type(wire).__name__.lower() if self.domain == "sync" else self.domain
        m.submodules[name] = wire
        for name, member in self.pins.items():
            if member.is_signature:
                connect(m, getattr(wire, name), flipped(getattr(self, name)))
            elif member.flow is In:
                m.d.comb += getattr(wire, name).eq(getattr(self, name))
            else:
                m.d.comb += getattr(self, name).eq(getattr(wire, name))
        link_bytes = accelerator.config.link_bytes
        if hasattr(wire, "baud") and self.domain == "sync":
            m.d.comb += [
                wire.baud.eq(accelerator.baud), wire.baud_set.eq(accelerator.baud_set)
            ]
        if link_bytes > 1:
            words = Words()
            m.submodules.words = DomainRenamer(self.domain)(words)
            connect(m, wire.o, words.wire.o)
            connect(m, words.wire.i, wire.i)
            m.d.comb += words.wire.idle.eq(wire.idle)
            wire = words.words
        if self.domain != "sync":
            m.submodules.crossing = crossing = Crossing(self.domain, link_bytes=link_bytes)
            connect(m, wire.o, crossing.wire.o)
            connect(m, crossing.wire.i, wire.i)
            wire = crossing.bytes
        connect(m, wire.o, accelerator.rx)
        connect(m, accelerator.tx, wire.i)
        m.d.comb += [
            accelerator.idle.eq(wire.idle),
            self.busy.eq(accelerator.busy),
            self.error.eq(accelerator.error),
        ]
        return m


class UartAccelerator(WiredAccelerator):
    """The accelerator at the pins of a UART, 8N1, at ``BAUD_DEFAULT`` until told otherwise.

    Parameters
    ----------
    config : ArrayConfig
        The array.
    build_id : bytes
        The build ID that INFO reports.
    clock_hz : int
        The clock that INFO reports; it also sets the first divisor.
    """

    def __init__(
        self, config: ArrayConfig, build_id: bytes = bytes(BUILD_ID_BYTES), *, clock_hz: int
    ) -> None:
        super().__init__(config, Uart(default_divisor(clock_hz)), build_id, clock_hz=clock_hz)
