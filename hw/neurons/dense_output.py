"""Write-back: what leaves the core when a group is done: rows on the bus, reports to the host."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig, bits_for, task_layout
from stablespike.spec.report import BUSY_BITS, HEAD, PLACE, ReportKind, counter_words

from ..lib.checks import whole
from ..lib.layouts import struct
from ..lib.ports import reports_signature, rows_signature
from ..lib.registers import pipeline
from ..scan.scan_counters import scan_counts
from ..scan.scanner import mark_layout
from ..vendor.multiplier import Held

__all__ = ["Writeback"]

END_WORDS = BUSY_BITS // 16


class Writeback(wiring.Component):
    """Sends a finished group's rows and its reports; the core's next group waits for that.

    First all that is of spikes, then, once ``thin`` has made them that, all that is of the
    skeleton, then the rest.

    Each of the two rows takes one cycle, or ``row_beats`` if it is sent and the bus is free; one
    more if spikes are reported before the skeleton is sent or reported, one less if they are and
    the skeleton is neither. A report packet of n words takes n + 3 cycles. Words of a row of
    several take ``16 / window`` cycles more each, in which the row is rotated by as many lanes:
    that spares a selector as wide as the row. The skeleton takes a cycle more with chained lanes,
    and none where nothing is of it.

    Parameters
    ----------
    config : of the array. index : this core's number.

    Raises
    ------
    TypeError, ValueError
        If the array has no core of that number.

    Members
    -------
    start : a group is done, with ``mark``; all else holds from here until ``done``.
    settings, group, neurons : the task's, the group's number in it, its neurons.
    final : the window is its sample's last. trace, counters : ``ReportFlags``.
    row, thin : the row of spikes, and their skeleton from the cycle after ``thin`` on.
    membrane_lane -> membrane : a neuron's v, one cycle later.
    counts, spike_count, stable_count, time : for counter packets.
    rows, reports : to the bus and to the host.
    rotate : the rows are to move on by a lane, lane 0 to the top.
    settles : for one cycle: rows and results are out. done : likewise, the reports too.
    """

    def __init__(self, config: ArrayConfig, index: int) -> None:
        self.config, self.index = config, whole("index", index, 0, config.cores - 1)
        count = unsigned(bits_for(config.neuron_groups * config.lanes * config.window))
        super().__init__(
            {
                "start": In(1),
                "mark": In(mark_layout(config)),
                "settings": In(struct(*task_layout(config).neuron)),
                "group": In(unsigned(bits_for(config.neuron_groups - 1))),
                "neurons": In(unsigned(bits_for(config.lanes))),
                "final": In(1),
                "trace": In(1),
                "counters": In(1),
                "row": In(config.row_bits),
                "thin": Out(1),
                "membrane_lane": Out(unsigned(bits_for(config.lanes - 1))),
                "membrane": In(signed(config.state_bits)),
                "counts": In(scan_counts(config)),
                "spike_count": In(count),
                "stable_count": In(count),
                "time": In(BUSY_BITS),
                "rows": Out(rows_signature(config)),
                "reports": Out(reports_signature()),
                "rotate": Out(1),
                "settles": Out(1),
                "done": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        config, settings = self.config, self.settings
        pending = Signal(len(ReportKind))
        kind = Signal(ReportKind)
        index = Signal(unsigned(HEAD.fields[1].width))
        m.submodules.end = end = Held(BUSY_BITS)
        # The time of chained arrays comes a cycle late.
        domain = pipeline(m, config)
        domain += end.load.eq(self.settles)
        m.d.comb += end.i.eq(self.time)
        settled = Signal()
        thinned = Signal()
        beat = Signal(range(config.row_beats))
        sent = Signal()  # the row is out, or there is none to send
        m.d.comb += [
            sent.eq(~self.rows.valid | (self.rows.ready & (beat == config.row_beats - 1))),
            self.rows.payload.beat.eq(beat),
            self.rows.payload.words.eq(
                self.row.word_select(beat, config.row_bits // config.row_beats)
            ),
            self.rows.payload.row.eq(
                Mux(thinned, settings.skeleton_row, settings.spikes_row) + self.group
            ),
        ]
        m.d.sync += beat.eq(beat + (self.rows.valid & self.rows.ready))
        with m.If(self.thin):
            m.d.sync += thinned.eq(1)

        counts = {
            **{name: self.counts[name] for name, _ in scan_counts(config)},
            "spikes": self.spike_count, "stable": self.stable_count, "end": end.o,
        }
        counters = Array(
            Cat(counts[name], Const(0, 16))[16 * i : 16 * i + 16]
            for name, words in counter_words(config) for i in range(words)
        )
        head, place = Signal(struct(HEAD)), Signal(struct(PLACE))
        m.d.comb += [
            head.kind.eq(kind), head.length.eq(config.row_chunks), head.layer.eq(settings.layer),
            place.group.eq(self.group), place.core.eq(self.index),
        ]
        body = Signal(16)
        stop, all_words = Signal.like(head.length), Signal.like(head.length)
        of_row = Signal()
        chained = config.chain > 1
        domain = m.d.sync if chained else m.d.comb
        domain += stop.eq(all_words)
        lanes = 16 // config.window  # in a word of a row
        turn = Signal(range(lanes))
        m.d.comb += all_words.eq(head.length)
        with m.Switch(kind):
            with m.Case(ReportKind.MEMBRANE):
                m.d.comb += [head.length.eq(self.neurons), body.eq(self.membrane)]
            with m.Case(ReportKind.COUNTERS, ReportKind.END):
                # The busy time is the last of the counters, and all that END says.
                m.d.comb += [
                    head.length.eq(Mux(kind == ReportKind.END, END_WORDS, len(counters))),
                    all_words.eq(len(counters)),
                    body.eq(counters[index[: bits_for(len(counters) - 1)]]),
                ]
            with m.Default():
                m.d.comb += [of_row.eq(1), body.eq(self.row[:16])]

        computed = ~self.mark.empty
        watched = computed & settings.monitor & self.trace
        wanted = {
            ReportKind.TRACE_SPIKES: watched,
            ReportKind.TRACE_SKELETON: watched,
            ReportKind.WORDS: computed & (settings.report_spikes | settings.report_skeleton),
            ReportKind.MEMBRANE: computed & settings.report_membrane & self.final,
            ReportKind.COUNTERS: self.mark.task & settings.monitor & self.counters,
            ReportKind.END: self.mark.window,
        }
        # Reports of the row's spikes, which go before its skeleton, and of that.
        words = pending[ReportKind.WORDS]
        early = pending[ReportKind.TRACE_SPIKES] | (words & settings.report_spikes)
        late = (
            pending[ReportKind.TRACE_SKELETON] | (words & settings.report_skeleton)
            | (computed & settings.send_skeleton)
        )
        # Words leave through a register, one per cycle.
        room, load, final = Signal(), Signal(), Signal()
        word = Signal(16)
        m.d.comb += [
            room.eq(~self.reports.valid | self.reports.ready),
            self.membrane_lane.eq(index),
        ]
        if chained:
            ends = Signal.like(stop)
            m.d.sync += ends.eq(all_words - 1)
            m.d.comb += final.eq(index == ends)
        else:
            m.d.comb += final.eq(index + 1 == stop)
        with m.If(room):
            m.d.sync += [
                self.reports.valid.eq(load),
                self.reports.payload.data.eq(word),
                self.reports.payload.last.eq(0),
            ]
        turning = Signal()
        thinning = "THIN" if chained else "SEND SKELETON"
        if chained:
            m.d.sync += turning.eq(0)
            m.d.comb += self.rotate.eq(turning)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [settled.eq(0), thinned.eq(0)]
                m.d.sync += pending.eq(Cat(wanted[k] for k in ReportKind))
                with m.If(self.start):
                    m.next = "SEND SPIKES"
            with m.State("SEND SPIKES"):
                m.d.comb += self.rows.valid.eq(computed & settings.send_spikes)
                with m.If(sent):
                    m.next = "CHOOSE"
                    with m.If(~early & late if chained else ~early):
                        m.d.comb += self.thin.eq(1)
                        m.next = thinning
            if chained:
                with m.State("THIN"):
                    m.next = "SEND SKELETON"
            with m.State("SEND SKELETON"):
                m.d.comb += self.rows.valid.eq(computed & settings.send_skeleton)
                with m.If(sent):
                    m.next = "CHOOSE"
            with m.State("CHOOSE"):
                m.d.sync += index.eq(0)
                with m.If(~pending[: ReportKind.END].any()):
                    m.d.sync += index.eq(len(counters) - END_WORDS)
                m.next = "HEAD"
                with m.If(~pending.any()):
                    m.d.comb += self.done.eq(1)
                    m.next = "IDLE"
                for one in reversed(ReportKind):
                    with m.If(pending[one]):
                        m.d.sync += kind.eq(one)
                with m.If(~thinned & words & settings.report_spikes):
                    m.d.sync += kind.eq(ReportKind.WORDS)
                with m.If(~thinned & pending[ReportKind.TRACE_SPIKES]):
                    m.d.sync += kind.eq(ReportKind.TRACE_SPIKES)
                # Results are out; what follows only tells of them.
                with m.If(~thinned & ~early & late):
                    m.d.comb += [self.done.eq(0), self.thin.eq(1)]
                    m.next = thinning
                with m.Elif(~settled & ~pending[: ReportKind.COUNTERS].any()):
                    m.d.comb += self.settles.eq(1)
                    m.d.sync += settled.eq(1)
            with m.State("HEAD"), m.If(room):
                m.d.comb += [word.eq(head), load.eq(1)]
                m.d.sync += pending.bit_select(kind, 1).eq(0)
                m.next = "PLACE"
            with m.State("PLACE"), m.If(room):
                m.d.comb += [word.eq(place), load.eq(1)]
                m.next = "BODY"
            with m.State("BODY"), m.If(room):
                m.d.comb += [word.eq(body), load.eq(1), self.membrane_lane.eq(index + 1)]
                m.d.sync += [index.eq(index + 1), self.reports.payload.last.eq(final)]
                with m.If(final):
                    m.next = "CHOOSE"
                if config.row_chunks > 1:
                    with m.If(of_row):
                        m.d.sync += turning.eq(1)
                        m.next = "ROTATE"
            if config.row_chunks > 1:
                with m.State("ROTATE"):
                    if not chained:
                        m.d.comb += self.rotate.eq(1)
                    m.d.sync += [turn.eq(turn + 1), turning.eq(1)]
                    with m.If(turn == lanes - 1):
                        m.d.sync += [turn.eq(0), turning.eq(0)]
                        m.next = "BODY"
                        with m.If(index == stop):
                            m.next = "CHOOSE"
        return m
