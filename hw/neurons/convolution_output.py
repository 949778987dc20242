"""Emission: what leaves a core with convolution: pooled rows on the bus, reports to the host."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig, bits_for, task_layout
from stablespike.spec.report import BUSY_BITS, HEAD, PLACE, ReportKind, counter_words, fired_most

from ..lib.checks import whole
from ..lib.layouts import struct
from ..lib.ports import reports_signature, rows_signature
from ..lib.registers import pipeline
from ..scan.scan_counters import scan_counts
from ..scan.scanner import mark_layout
from ..vendor.multiplier import Held

__all__ = ["Emission"]

WORD_BITS = 16
END_WORDS = BUSY_BITS // WORD_BITS


class Emission(wiring.Component):
    """Pools and sends a finished group's rows, and its reports, while the next one comes in.

    Of each of the two rows that the task sends or reports, ``row_beats`` parts take a cycle each,
    or as long as the bus does; they go out with the last position of a complete pool, and into the
    pool with the others. Then the packets: one of n words takes n + 3 cycles.

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
    settings, run, neurons : the task's, the group's number in it, its neurons.
    final : the window is its sample's last. trace, counters : ``ReportFlags``.
    odd : with recurrence: the window's number is odd.
    select_skeleton, beat, own, pooled, store, words : the pool unit.
    membrane_lane -> membrane : a neuron's v, one cycle later.
    counts, spike_count, stable_count, time : for counter packets.
    rows, reports : to the bus and to the host.
    settles : for one cycle: rows and results are out. done : likewise, the reports too, and
        nothing to ``hold`` for.
    """

    def __init__(self, config: ArrayConfig, index: int) -> None:
        self.config, self.index = config, whole("index", index, 0, config.cores - 1)
        count = unsigned(bits_for(fired_most(config)))
        super().__init__(
            {
                "start": In(1),
                "mark": In(mark_layout(config)),
                "settings": In(struct(*task_layout(config).neuron)),
                "run": In(unsigned(PLACE.fields[0].width)),
                "neurons": In(unsigned(bits_for(config.lanes))),
                "final": In(1),
                **({"odd": In(1)} if config.recurrence else {}),
                "trace": In(1),
                "counters": In(1),
                "select_skeleton": Out(1),
                "beat": Out(range(config.row_beats)),
                "own": Out(1),
                "pooled": Out(1),
                "store": Out(1),
                "words": In(config.row_bits // config.row_beats),
                "membrane_lane": Out(unsigned(bits_for(config.lanes - 1))),
                "membrane": In(signed(config.state_bits)),
                "counts": In(scan_counts(config)),
                "spike_count": In(count),
                "stable_count": In(count),
                "time": In(BUSY_BITS),
                "hold": In(1),
                "rows": Out(rows_signature(config)),
                "reports": Out(reports_signature()),
                "settles": Out(1),
                "done": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        config, settings = self.config, self.settings
        computed = ~self.mark.empty
        # Large arrays' time comes a cycle late.
        m.submodules.end = end = Held(BUSY_BITS)
        domain = pipeline(m, config)
        domain += end.load.eq(self.settles)
        m.d.comb += end.i.eq(self.time)

        # Rows: into the pool, and out of it with its last position.
        place = Signal(unsigned(bits_for(config.spike_rows - 1)))  # of the pooled position's row
        fresh = Signal(init=1)  # the pool is empty
        beat = Signal(range(config.row_beats))
        skeleton, sending, moves, last = Signal(), Signal(), Signal(), Signal()
        flip = Mux(self.odd, settings.flip_spikes, 0) if config.recurrence else 0
        m.d.comb += [
            self.rows.valid.eq(
                sending & self.mark.emit
                & Mux(skeleton, settings.send_skeleton, settings.send_spikes)
            ),
            self.rows.payload.beat.eq(beat),
            self.rows.payload.words.eq(self.words),
            self.rows.payload.row.eq(
                Mux(skeleton, settings.skeleton_row, settings.spikes_row + flip) + place
            ),
            self.store.eq(sending),
            moves.eq(sending & (~self.rows.valid | self.rows.ready)),
            last.eq(moves & (beat == config.row_beats - 1)),
        ]
        m.d.sync += beat.eq(beat + moves)
        with m.If(self.done):
            m.d.sync += fresh.eq(self.mark.turn | self.mark.task)
            with m.If(self.mark.emit):
                m.d.sync += place.eq(place + 1 + Mux(self.mark.short, settings.gap, 0))
            with m.If(self.mark.task):
                m.d.sync += place.eq(0)

        # Packets.
        pending = Signal(len(ReportKind))
        kind = Signal(ReportKind)
        index = Signal(unsigned(HEAD.fields[1].width))
        counts = {
            **{name: self.counts[name] for name, _ in scan_counts(config)},
            "spikes": self.spike_count, "stable": self.stable_count, "end": end.o,
        }
        counters = Array(
            Cat(counts[name], Const(0, WORD_BITS))[WORD_BITS * i : WORD_BITS * (i + 1)]
            for name, words in counter_words(config) for i in range(words)
        )
        head, spot = Signal(struct(HEAD)), Signal(struct(PLACE))
        body = Signal(WORD_BITS)
        all_words, ends = Signal.like(head.length), Signal.like(head.length)
        domain = pipeline(m, config)
        domain += ends.eq(all_words - 1)
        in_part = max(1, len(self.words) // WORD_BITS).bit_length() - 1  # bits of a word's place
        m.d.comb += [
            head.kind.eq(kind), head.length.eq(config.row_chunks), head.layer.eq(settings.layer),
            all_words.eq(head.length),
            spot.group.eq(self.run), spot.core.eq(self.index),
            body.eq(self.words.word_select(index[:in_part], min(WORD_BITS, len(self.words)))),
        ]
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
        with m.If(sending):
            m.d.comb += [
                self.select_skeleton.eq(skeleton), self.beat.eq(beat),
                self.own.eq(1), self.pooled.eq(~fresh),
            ]
        with m.Else():
            m.d.comb += [
                self.select_skeleton.eq(
                    Mux(kind == ReportKind.WORDS, settings.report_skeleton,
                        kind == ReportKind.TRACE_SKELETON)
                ),
                self.beat.eq(index[in_part:]),
                self.pooled.eq(kind == ReportKind.WORDS),
                self.own.eq(~self.pooled),
            ]

        watched = computed & settings.monitor & self.trace
        wanted = {
            ReportKind.TRACE_SPIKES: watched,
            ReportKind.TRACE_SKELETON: watched,
            ReportKind.WORDS: (
                computed & self.mark.emit & (settings.report_spikes | settings.report_skeleton)
            ),
            ReportKind.MEMBRANE: computed & settings.report_membrane & self.final,
            ReportKind.COUNTERS: self.mark.task & settings.monitor & self.counters,
            ReportKind.END: self.mark.window,
        }
        of_spikes = computed & (settings.send_spikes | settings.report_spikes)
        of_skeleton = computed & (settings.send_skeleton | settings.report_skeleton)
        settled = Signal()
        # Words leave through a register, one per cycle.
        room, load, final = Signal(), Signal(), Signal()
        word = Signal(WORD_BITS)
        m.d.comb += [
            room.eq(~self.reports.valid | self.reports.ready),
            final.eq(index == ends),
            self.membrane_lane.eq(index),
        ]
        with m.If(room):
            m.d.sync += [
                self.reports.valid.eq(load),
                self.reports.payload.data.eq(word),
                self.reports.payload.last.eq(0),
            ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [settled.eq(0), pending.eq(Cat(wanted[k] for k in ReportKind))]
                with m.If(self.start):
                    m.next = "CHOOSE"
                    with m.If(of_skeleton):
                        m.next = "SKELETON"
                    with m.If(of_spikes):
                        m.next = "SPIKES"
            with m.State("SPIKES"):
                m.d.comb += sending.eq(1)
                with m.If(last):
                    m.next = "CHOOSE"
                    with m.If(of_skeleton):
                        m.next = "SKELETON"
            with m.State("SKELETON"):
                m.d.comb += [sending.eq(1), skeleton.eq(1)]
                with m.If(last):
                    m.next = "CHOOSE"
            with m.State("CHOOSE"):
                m.d.sync += index.eq(0)
                with m.If(~pending[: ReportKind.END].any()):
                    m.d.sync += index.eq(len(counters) - END_WORDS)
                m.next = "HEAD"
                with m.If(~pending.any()):
                    m.d.comb += self.done.eq(~self.hold)
                    m.next = "CHOOSE"
                    with m.If(self.done):
                        m.next = "IDLE"
                for one in reversed(ReportKind):
                    with m.If(pending[one]):
                        m.d.sync += kind.eq(one)
                # Results are out; what follows only tells of them.
                with m.If(~settled & ~pending[: ReportKind.COUNTERS].any()):
                    m.d.comb += self.settles.eq(1)
                    m.d.sync += settled.eq(1)
            with m.State("HEAD"), m.If(room):
                m.d.comb += [word.eq(head), load.eq(1)]
                m.d.sync += pending.bit_select(kind, 1).eq(0)
                m.next = "PLACE"
            with m.State("PLACE"), m.If(room):
                m.d.comb += [word.eq(spot), load.eq(1)]
                m.next = "BODY"
            with m.State("BODY"), m.If(room):
                m.d.comb += [word.eq(body), load.eq(1), self.membrane_lane.eq(index + 1)]
                m.d.sync += [index.eq(index + 1), self.reports.payload.last.eq(final)]
                with m.If(final):
                    m.next = "CHOOSE"
        return m
