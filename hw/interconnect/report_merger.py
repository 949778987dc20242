"""Report merger: packets of several cores into one stream, packet by packet."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..lib.checks import check_int
from ..lib.ports import reports_signature

__all__ = ["ReportMerger"]


class ReportMerger(wiring.Component):
    """Round robin over ``cores`` inputs, one packet from each in turn; a packet is never cut.

    One cycle lost per input without a packet looked at, none between two packets;
    combinational from the chosen input to ``o``.

    Parameters
    ----------
    cores : number of inputs.

    Raises
    ------
    TypeError, ValueError
        If ``cores`` is not a whole number of at least 1.
    """

    def __init__(self, cores: int) -> None:
        self.cores = check_int("cores", cores, 1)
        super().__init__(
            {"i": In(reports_signature()).array(cores), "o": Out(reports_signature())}
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        if self.cores == 1:
            connect(m, flipped(self.i[0]), flipped(self.o))
            return m
        turn = Signal(range(self.cores))
        inside = Signal()
        moves = Signal()
        with m.Switch(turn):
            for core in range(self.cores):
                with m.Case(core):
                    m.d.comb += [
                        self.o.valid.eq(self.i[core].valid),
                        self.o.payload.eq(self.i[core].payload),
                        self.i[core].ready.eq(self.o.ready),
                    ]
        m.d.comb += moves.eq(~self.o.valid & ~inside)
        with m.If(self.o.valid & self.o.ready):
            m.d.comb += moves.eq(self.o.payload.last)
            m.d.sync += inside.eq(~self.o.payload.last)
        with m.If(moves):
            m.d.sync += turn.eq(turn + 1)
            with m.If(turn == self.cores - 1):
                m.d.sync += turn.eq(0)
        return m
