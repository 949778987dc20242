"""The accelerator: link and array, on a byte stream or on UART pins."""

from __future__ import annotations

from amaranth.hdl import Module, ResetInserter
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from stablespike.spec import ArrayConfig
from stablespike.spec.link import BAUD_DEFAULT, BUILD_ID_BYTES

from .array import CoreArray
from .link import Link
from .uart import Uart

__all__ = ["Accelerator", "UartAccelerator"]


class Accelerator(wiring.Component):
    """Frames in, frames out; a new session resets all but the memories.

    Parameters
    ----------
    config : of the array.
    build_id, clock_hz : what INFO says.

    Members
    -------
    rx, tx : bytes on the wire, COBS-encoded frames each ended by a zero.
    """

    def __init__(
        self, config: ArrayConfig, build_id: bytes = bytes(BUILD_ID_BYTES), clock_hz: int = 0
    ) -> None:
        self.config, self.build_id, self.clock_hz = config, build_id, clock_hz
        super().__init__({"rx": In(stream.Signature(8)), "tx": Out(stream.Signature(8))})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.link = link = Link(self.config, self.build_id, self.clock_hz)
        array = CoreArray(self.config)
        m.submodules.array = ResetInserter(link.clear)(array)
        connect(m, flipped(self.rx), link.rx)
        connect(m, link.tx, flipped(self.tx))
        connect(m, link.writes, array.writes)
        connect(m, link.rows, array.rows)
        connect(m, link.windows, array.windows)
        connect(m, array.reports, link.reports)
        m.d.comb += array.report_flags.eq(link.report_flags)
        return m
