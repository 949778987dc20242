"""Report merger: joins the packets of several cores into one stream, packet by packet."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..lib.checks import check_int
from ..lib.ports import reports_signature

__all__ = ["ReportMerger"]


class ReportMerger(wiring.Component):
    """Round robin over ``cores`` inputs, one packet from each at a time; a packet is never cut.

    No cycle is lost between two packets, but one is lost for each input that is skipped because it
    has no packet. The granted input goes to ``o`` in the same cycle.

    Parameters
    ----------
    cores : int
        The number of inputs.

    Members
    -------
    i : In(reports_signature()), one for each core
        Packets of the cores.
    o : Out(reports_signature())
        The packets, one after another.

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
        # A single core's packets pass without a register or a grant.
        if self.cores == 1:
            connect(m, flipped(self.i[0]), flipped(self.o))
            return m
        grant = Signal(range(self.cores))
        # After its first word, a packet keeps the grant until its last word, even if a word is
        # late.
        in_packet = Signal()
        moves_on = Signal()
        with m.Switch(grant):
            for core in range(self.cores):
                with m.Case(core):
                    m.d.comb += [
                        self.o.valid.eq(self.i[core].valid),
                        self.o.payload.eq(self.i[core].payload),
                        self.i[core].ready.eq(self.o.ready),
                    ]
        # Move on from an input without a packet, or after the last word of one.
        m.d.comb += moves_on.eq(~self.o.valid & ~in_packet)
        with m.If(self.o.valid & self.o.ready):
            m.d.comb += moves_on.eq(self.o.payload.last)
            m.d.sync += in_packet.eq(~self.o.payload.last)
        with m.If(moves_on):
            m.d.sync += grant.eq(grant + 1)
            # The number of cores need not be a power of two.
            with m.If(grant == self.cores - 1):
                m.d.sync += grant.eq(0)
        return m
