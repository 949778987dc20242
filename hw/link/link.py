"""The link: bytes on the wire on one side, the array on the other.

    rx --> Receiver --commands--> CommandUnit --bytes--> Loader --> rows, windows
               |                       |  `--> writes, report_flags
               | acknowledged, ...     | executed, ...
               v                       v
    tx <-- CobsEncoder <-- Transmitter <-- reports

Back-pressure from the array stalls the loader, then the command unit, then the receiver's queue. A
command that does not fit there is dropped. The wire is never stalled, so acknowledgements overtake
commands that wait. In the other direction, the wire stalls the encoder, the encoder's ``ready``
stalls the next frame, and a full ring in the transmitter stalls the reports.
"""

from __future__ import annotations

from amaranth.hdl import Module, ResetInserter
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
from ..lib.stream_registers import SkidBuffer
from .cobs import CobsEncoder
from .command import CommandUnit
from .input_buffer import InputBuffer
from .loader import Loader
from .receiver import Receiver, command_layout
from .transmitter import Transmitter
from .uart import default_divisor
from .wide.encoder import WideEncoder
from .wide.input_buffer import WideInputBuffer
from .wide.loader import WideLoader
from .wide.receiver import WideReceiver
from .wide.transmitter import WideTransmitter

__all__ = ["Link"]


class Link(wiring.Component):
    """The device's end of ``spec.link``.

    Each cycle it takes one byte from the wire and sends one; with ``link_bytes`` of 2, two of each.

    Parameters
    ----------
    config : ArrayConfig
        The array.
    build_id : bytes
        The build ID in the answer to hello.
    clock_hz : int
        The clock in the answer to hello. If it is not 0, no rate below ``BAUD_DEFAULT`` may be set.

    Members
    -------
    rx : In(stream.Signature(8 * link_bytes))
        Bytes from the wire; two in a transfer are the words of ``link.wide``.
    tx : Out(stream.Signature(8 * link_bytes))
        Bytes to the wire, likewise.
    writes : Out(writes_signature(config))
        Writes to the memories of the array.
    rows : Out(rows_signature(config))
        Rows of input maps, to the array.
    windows : Out(windows_signature(config))
        Windows, to the array.
    report_flags : Out(REPORT_FLAG_BITS)
        What the cores must report.
    reports : In(reports_signature())
        Report packets from the array.
    clear : Out(1)
        A strobe: a new session has begun, so everything but the memories must be reset.
    idle : In(1)
        Nothing is on its way behind ``tx``; 1 where there is no UART.
    baud : Out(16)
        The duration of a bit in BIT_PARTS of a clock, while ``baud_set``.
    baud_set : Out(1)
        A strobe: ``baud`` applies from the next byte on.
    fault : Out(1)
        A command was refused in this session.
    """

    def __init__(
        self, config: ArrayConfig, build_id: bytes = bytes(BUILD_ID_BYTES), clock_hz: int = 0
    ) -> None:
        self.config = config
        self.wide = config.link_bytes > 1
        self.receiver = WideReceiver(config) if self.wide else Receiver(config)
        self.command = CommandUnit(config, default_divisor(clock_hz) if clock_hz else 0xFFFF)
        self.loader = WideLoader(config) if self.wide else Loader(config)
        transmitter = WideTransmitter if self.wide else Transmitter
        self.transmitter = transmitter(config, build_id, clock_hz)
        self.encoder = WideEncoder() if self.wide else CobsEncoder(marked=config.pipelined)
        super().__init__({
            "rx": In(stream.Signature(8 * config.link_bytes)),
            "tx": Out(stream.Signature(8 * config.link_bytes)),
            "writes": Out(writes_signature(config)),
            "rows": Out(rows_signature(config)),
            "windows": Out(windows_signature(config)),
            "report_flags": Out(REPORT_FLAG_BITS),
            "reports": In(reports_signature()),
            "clear": Out(1), "idle": In(1),
            "baud": Out(16),
            "baud_set": Out(1), "fault": Out(1),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        receiver, command, loader = self.receiver, self.command, self.loader
        transmitter, encoder = self.transmitter, self.encoder
        m.submodules.receiver = receiver
        m.submodules.encoder = encoder
        # The encoder is not reset, because it may still be sending a complete frame.
        restarted = ResetInserter(receiver.clear)
        m.submodules.command = restarted(command)
        m.submodules.loader = restarted(loader)
        m.submodules.transmitter = restarted(transmitter)

        wiring.connect(m, wiring.flipped(self.rx), receiver.i)
        if self.config.pipelined or self.wide:
            # At the clock of large arrays, commands cannot come straight from the memory.
            layout = command_layout(self.config.link_bytes)
            m.submodules.commands = commands = restarted(SkidBuffer(layout))
            buffer = WideInputBuffer() if self.wide else InputBuffer()
            m.submodules.inputs = inputs = restarted(buffer)
            wiring.connect(m, receiver.commands, commands.i)
            wiring.connect(m, commands.o, command.commands)
            wiring.connect(m, command.bytes, inputs.i)
            wiring.connect(m, inputs.o, loader.bytes)
            if not self.wide:
                m.d.comb += inputs.last.eq(commands.o.p.last)
            m.d.comb += [
                inputs.refused.eq(loader.no_head),
                command.no_head.eq(inputs.no_head),
            ]
        else:
            wiring.connect(m, receiver.commands, command.commands)
            wiring.connect(m, command.bytes, loader.bytes)
            m.d.comb += command.no_head.eq(loader.no_head)
        wiring.connect(m, command.writes, wiring.flipped(self.writes))
        wiring.connect(m, loader.rows, wiring.flipped(self.rows))
        wiring.connect(m, loader.windows, wiring.flipped(self.windows))
        wiring.connect(m, wiring.flipped(self.reports), transmitter.reports)
        if self.wide:
            m.d.comb += transmitter.nonce.eq(receiver.nonce)
        else:
            wiring.connect(m, receiver.nonce, transmitter.nonce)
        wiring.connect(m, encoder.o, wiring.flipped(self.tx))
        # At the clock of large arrays, signals that come late in the cycle go through a register.
        domain = pipeline(m, self.config)
        domain += [
            transmitter.acknowledged.valid.eq(receiver.acknowledged.valid),
            transmitter.acknowledged.payload.eq(receiver.acknowledged.payload),
            transmitter.missing.eq(receiver.missing),
            transmitter.doubled.eq(receiver.doubled),
            # Behind the register, a byte of this cycle would follow the encoder's ``restart``.
            encoder.i.valid.eq(transmitter.o.valid & ~receiver.clear),
            encoder.i.payload.eq(transmitter.o.payload),
        ]
        m.d.comb += [
            # ``ready`` falls only after a frame's last byte, so no byte may wait at the encoder.
            transmitter.room.eq(encoder.i.ready & ~encoder.i.valid),
            loader.rows_total.eq(command.rows_total),
            loader.input_base.eq(command.input_base),
            loader.moved.eq(command.moved),
            command.idle.eq(loader.idle),
            command.hungry.eq(loader.hungry),
            command.quiet.eq(transmitter.quiet & ~encoder.i.valid & encoder.idle & self.idle),
            transmitter.executed.eq(command.executed),
            transmitter.done.eq(command.done),
            transmitter.fault.eq(command.fault),
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
