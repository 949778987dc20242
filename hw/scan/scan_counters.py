"""Counters of a task: the events of its scan, and the cycles it waited."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig, Layout
from stablespike.spec.report import counter_fields

from ..lib.layouts import struct
from ..vendor.multiplier import EnableRegister

__all__ = ["ScanCounters", "scan_counts"]


_SCANNED = ("issued", "popcount", "wait", "drain")


def scan_counts(config: ArrayConfig) -> data.StructLayout:
    """The counts of one task that come from its scan."""
    fields = tuple(field for field in counter_fields(config) if field.name in _SCANNED)
    return struct(Layout("scan counts", fields))


class ScanCounters(wiring.Component):
    """Counts until ``close``; then ``counts`` holds the task's counts, and counting starts anew.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    issued : In(config.banks)
        An event is added, of each bank.
    word : In(config.banks * config.window)
        Its spike word; that of bank 0 is lowest.
    waiting : In(1)
        The lanes are idle in this cycle, waiting for rows or for other cores.
    draining : In(1)
        The lanes are idle, because the neuron side is busy.
    close : In(1)
        The task's last group is complete; this cycle counts for no task.
    counts : Out(scan_counts(config))
        The counts of the task closed last, from the cycle after ``close`` on.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "issued": In(config.banks),
                "word": In(config.banks * config.window),
                "waiting": In(1), "draining": In(1), "close": In(1),
                "counts": Out(scan_counts(config)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        now = Signal(scan_counts(self.config))
        window, issued, words = self.config.window, Const(1), [self.word]
        if self.config.banks > 1:
            issued = sum(self.issued)
            words = [
                Mux(up, self.word.word_select(bank, window), 0)
                for bank, up in enumerate(self.issued)
            ]
        with m.If(self.issued.any()):
            m.d.sync += [
                now.issued.eq(now.issued + issued),
                now.popcount.eq(now.popcount + sum(Cat(words))),
            ]
        # Waiting has no bound, so these two counters saturate.
        for count, up in ((now.wait, self.waiting), (now.drain, self.draining)):
            with m.If(up & ~count.all()):
                m.d.sync += count.eq(count + 1)
        with m.If(self.close):
            m.d.sync += now.eq(0)
        # The lanes count for the next task before the counts of this one are reported.
        m.submodules.held = held = EnableRegister(len(now.as_value()))
        m.d.comb += [
            held.i.eq(now), held.load.eq(self.close), self.counts.as_value().eq(held.o),
        ]
        return m
