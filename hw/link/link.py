"""The link: bytes on the wire on one side, the array on the other."""

from __future__ import annotations

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec.array import ArrayConfig
from stablespike.spec.link import BUILD_ID_BYTES

from ..lib.ports import (
    REPORT_FLAG_BITS,
    reports_signature,
    rows_signature,
    windows_signature,
    writes_signature,
)
from ..lib.registers import pipeline
from ..lib.stream_registers import StreamBuffer
from .cobs import CobsEncoder
from .command import CommandUnit
from .input_buffer import Handover
from .loader import Loader
from .receiver import Receiver, command_layout
from .transmitter import Transmitter
from .uart import default_divisor

__all__ = ["Link"]


class Link(wiring.Component):
    """The device's end of ``spec.link``.

    Takes a byte per cycle from the wire, and gives one.

    Parameters
    ----------
    config : the array.
    build_id, clock_hz : for the answer to hello; with a clock, no rate below ``BAUD_DEFAULT`` may
        be set.

    Members
    -------
    rx, tx : bytes on the wire.
    writes, rows, windows, reports : the array's (``hw.ports``).
    report_flags : what the cores are to report.
    clear : a strobe: a new session has begun, everything but memories is to be reset.
    idle : nothing is on its way behind ``tx``; 1 where there is no UART.
    baud, baud_set : clocks per bit, valid with the strobe: from the next byte on.
    fault : a command was refused in this session.
    """

    def __init__(
        self, config: ArrayConfig, build_id: bytes = bytes(BUILD_ID_BYTES), clock_hz: int = 0
    ) -> None:
        self.config = config
        self.receiver = Receiver(config)
        self.command = CommandUnit(config, default_divisor(clock_hz) if clock_hz else 0xFFFF)
        self.loader = Loader(config)
        self.transmitter = Transmitter(config, build_id, clock_hz)
        self.encoder = CobsEncoder(marked=config.pipelined)
        super().__init__({
            "rx": In(stream.Signature(8)),
            "tx": Out(stream.Signature(8)),
            "writes": Out(writes_signature(config)),
            "rows": Out(rows_signature(config)),
            "windows": Out(windows_signature(config)),
            "report_flags": Out(REPORT_FLAG_BITS),
            "reports": In(reports_signature()),
            "clear": Out(1),
            "idle": In(1),
            "baud": Out(16),
            "baud_set": Out(1),
            "fault": Out(1),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        receiver, command, loader = self.receiver, self.command, self.loader
        transmitter, encoder = self.transmitter, self.encoder
        m.submodules.receiver = receiver
        m.submodules.encoder = encoder
        restarted = ResetInserter(receiver.clear)
        m.submodules.command = restarted(command)
        m.submodules.loader = restarted(loader)
        m.submodules.transmitter = restarted(transmitter)

        wiring.connect(m, wiring.flipped(self.rx), receiver.i)
        if self.config.pipelined:
            # At their clock commands cannot come straight out of memory, nor frames go into it.
            m.submodules.behind = behind = restarted(StreamBuffer(command_layout()))
            m.submodules.handover = handover = restarted(Handover())
            wiring.connect(m, receiver.commands, behind.i)
            wiring.connect(m, behind.o, command.commands)
            wiring.connect(m, command.bytes, handover.i)
            wiring.connect(m, handover.o, loader.bytes)
            m.d.comb += [
                handover.last.eq(behind.o.p.last),
                handover.refused.eq(loader.no_head),
                command.no_head.eq(handover.no_head),
            ]
        else:
            wiring.connect(m, receiver.commands, command.commands)
            wiring.connect(m, command.bytes, loader.bytes)
            m.d.comb += command.no_head.eq(loader.no_head)
        wiring.connect(m, command.writes, wiring.flipped(self.writes))
        wiring.connect(m, loader.rows, wiring.flipped(self.rows))
        wiring.connect(m, loader.windows, wiring.flipped(self.windows))
        wiring.connect(m, wiring.flipped(self.reports), transmitter.reports)
        acknowledged, missing, doubled = Signal(), Signal(), Signal()
        domain = pipeline(m, self.config)
        domain += [
            acknowledged.eq(receiver.acknowledged.valid),
            transmitter.acknowledged.payload.eq(receiver.acknowledged.payload),
            missing.eq(receiver.missing),
            doubled.eq(receiver.doubled),
        ]
        m.d.comb += transmitter.acknowledged.valid.eq(acknowledged)
        wiring.connect(m, receiver.nonce, transmitter.nonce)
        wiring.connect(m, encoder.o, wiring.flipped(self.tx))
        made = Signal()  # a byte of a frame is on its way to the encoder
        if self.config.pipelined:
            m.d.sync += [
                made.eq(transmitter.o.valid & ~receiver.clear),
                encoder.i.payload.eq(transmitter.o.payload),
            ]
            m.d.comb += [
                encoder.i.valid.eq(made), transmitter.o.ready.eq(encoder.i.ready & ~made)
            ]
        else:
            wiring.connect(m, transmitter.o, encoder.i)
        m.d.comb += [
            loader.rows_total.eq(command.rows_total),
            loader.place.eq(command.place),
            loader.moved.eq(command.moved),
            command.idle.eq(loader.idle),
            command.hungry.eq(loader.hungry),
            command.quiet.eq(transmitter.quiet & ~made & encoder.idle & self.idle),
            transmitter.executed.eq(command.executed),
            transmitter.done.eq(command.done),
            transmitter.fault.eq(command.fault),
            transmitter.missing.eq(missing),
            transmitter.doubled.eq(doubled),
            transmitter.greeted.eq(receiver.greeted),
            encoder.restart.eq(receiver.clear),
            self.report_flags.eq(command.report_flags),
            self.clear.eq(receiver.clear),
            self.fault.eq(command.fault),
            self.baud.eq(command.baud),
            self.baud_set.eq(command.baud_set),
        ]
        if self.config.half_words:
            m.d.comb += loader.half.eq(command.half)
        return m
