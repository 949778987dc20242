"""Trace fork: parts a core's packets of traces from its other packets."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec.report import HEAD, ReportKind

from ..lib.ports import report_layout, reports_signature

__all__ = ["TraceFork", "traces_signature"]

_TRACES = (ReportKind.TRACE_SPIKES, ReportKind.TRACE_SKELETON)


def traces_signature() -> stream.Signature:
    """A stream of packets of traces, which are taken at once."""
    return stream.Signature(report_layout(), always_ready=True)


class TraceFork(wiring.Component):
    """Packets of traces go to ``traces`` while ``apart``, all others to ``reports``.

    Nothing is delayed. A word of a trace is never stalled.

    Members
    -------
    apart : In(1)
        Part them. It may change only while no window is under way.
    i : In(reports_signature())
        The packets.
    reports : Out(reports_signature())
        Those that remain.
    traces : Out(traces_signature())
        The others.
    """

    def __init__(self) -> None:
        super().__init__({
            "apart": In(1), "i": In(reports_signature()), "reports": Out(reports_signature()),
            "traces": Out(traces_signature()),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        kind = self.i.payload.data[: HEAD.fields[0].width]
        trace, inside, of_trace = Signal(), Signal(), Signal()  # of this word, of its packet
        head = self.apart & ((kind == _TRACES[0]) | (kind == _TRACES[1]))
        m.d.comb += [
            trace.eq(Mux(inside, of_trace, head)),
            self.traces.valid.eq(self.i.valid & trace),
            self.traces.payload.eq(self.i.payload),
            self.reports.valid.eq(self.i.valid & ~trace),
            self.reports.payload.eq(self.i.payload),
            self.i.ready.eq(trace | self.reports.ready),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [inside.eq(~self.i.payload.last), of_trace.eq(trace)]
        return m
