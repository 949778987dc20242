"""Packetizer: the report packets of a finished group, word by word."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig, bits_for, task_layout
from stablespike.spec.report import BUSY_BITS, HEAD, PLACE, ReportKind, counter_words, fired_most

from ..lib.checks import check_index
from ..lib.layouts import struct
from ..lib.ports import reports_signature
from ..lib.registers import pipeline
from ..scan.scan_counters import scan_counts
from ..scan.scanner import mark_layout
from ..vendor.multiplier import EnableRegister

__all__ = ["WORD_BITS", "Packetizer", "number_bits", "output_group"]

WORD_BITS = 16
_END_WORDS = BUSY_BITS // WORD_BITS


def number_bits(config: ArrayConfig) -> int:
    """Bits of a group's number in its task, counted over all positions with convolution."""
    return PLACE.fields[0].width if config.convolution else bits_for(config.neuron_groups - 1)


def output_group(config: ArrayConfig) -> wiring.Signature:
    """A finished group, given to an output unit.

    All signals are held from ``start`` until the unit is ``done``.

    Members
    -------
    start : Out(1)
        A group is finished; up for one cycle.
    mark : Out(mark_layout(config))
        The marks of the group.
    settings : Out(struct)
        The neuron fields of its task.
    number : Out(number_bits(config))
        Its number in the task.
    neurons : Out
        Its neurons, 1 to L.
    last_window : Out(1)
        The window is the last one of its sample.
    trace, counters, times : Out(1)
        ``ReportFlags``.
    membrane_lane : In
        The lane whose membrane is wanted.
    membrane : Out(signed(config.state_bits))
        The membrane of that lane, one cycle later.
    counts : Out(scan_counts(config))
        The counts of the task's scan.
    spike_count, stable_count : Out
        The numbers of spikes and of stable spikes of the task so far.
    time : Out(BUSY_BITS)
        The array's busy time.
    """
    count = unsigned(bits_for(fired_most(config)))
    return wiring.Signature({
        "start": Out(1), "mark": Out(mark_layout(config)),
        "settings": Out(struct(*task_layout(config).neuron)),
        "number": Out(number_bits(config)), "neurons": Out(unsigned(bits_for(config.lanes))),
        "last_window": Out(1), "trace": Out(1), "counters": Out(1), "times": Out(1),
        "membrane_lane": In(unsigned(bits_for(config.lanes - 1))),
        "membrane": Out(signed(config.state_bits)),
        "counts": Out(scan_counts(config)),
        "spike_count": Out(count), "stable_count": Out(count), "time": Out(BUSY_BITS),
    })


class Packetizer(wiring.Component):
    """Makes the packets of one group, in the order of ``ReportKind``.

    A packet of n words after its two header words takes n + 3 cycles: one to choose it, then one
    word per cycle, unless ``reports`` or ``hold`` stalls it. Words leave through a register.

        state     CHOOSE  HEAD  PLACE  BODY  BODY  CHOOSE
        index     -       0     0      0     1     -
        reports   -       -     head   place word0 word1

    Parameters
    ----------
    config : ArrayConfig
        The array.
    index : int or Value
        The core's number.

    Raises
    ------
    TypeError, ValueError
        If the array has no core of that number.

    Members
    -------
    group : In(output_group(config))
        The group; its ``membrane_lane`` is driven here.
    load : In(1)
        The packets that the group needs become ``pending`` in the next cycle.
    row_complete : In(1)
        A row of the group must be reported in a WORDS packet, if its task reports one.
    skeleton_ready : In(1)
        Words of the skeleton may be requested from ``row_word``.
    choose : In(1)
        The next packet may begin. Ignored unless ``between``.
    between : Out(1)
        No packet is being made.
    pending : Out(len(ReportKind))
        The packets that remain to be made, one bit for each ``ReportKind``.
    kind : Out(ReportKind)
        The kind of the packet, from the cycle after it was chosen.
    index : Out
        The index of the body word that is being made.
    row_word : In(WORD_BITS)
        That word of the row, in the same cycle.
    row_taken : Out(1)
        ``row_word`` has been taken in this cycle.
    hold : In(1)
        No word of a body in this cycle.
    reports : Out(reports_signature())
        The packets.
    settles : Out(1)
        The group's results are out, and only packets of counters and the end mark follow. Up for
        one cycle, in which a packet could have been chosen.
    """

    def __init__(self, config: ArrayConfig, index: int | Value) -> None:
        self.config, self.core = config, check_index(config, index)
        super().__init__({
            "group": In(output_group(config)),
            "load": In(1),
            "row_complete": In(1),
            "skeleton_ready": In(1),
            "choose": In(1),
            "between": Out(1),
            "pending": Out(len(ReportKind)), "kind": Out(ReportKind),
            "index": Out(unsigned(HEAD.fields[1].width)),
            "row_word": In(WORD_BITS), "row_taken": Out(1), "hold": In(1),
            "reports": Out(reports_signature()), "settles": Out(1),
        })

    def wanted(self) -> dict[ReportKind, Value]:
        """Which packets the group needs."""
        group, settings = self.group, self.group.settings
        computed = ~group.mark.empty
        watched = computed & settings.monitor & group.trace
        reported = settings.report_spikes | settings.report_skeleton
        return {
            ReportKind.TRACE_SPIKES: watched,
            ReportKind.TRACE_SKELETON: watched,
            ReportKind.WORDS: computed & self.row_complete & reported,
            ReportKind.MEMBRANE: computed & settings.report_membrane & group.last_window,
            ReportKind.COUNTERS: group.mark.task & settings.monitor & group.counters,
            ReportKind.END: group.mark.window & group.times,
        }

    def elaborate(self, platform) -> Module:
        m = Module()
        config, group, pending, index = self.config, self.group, self.pending, self.index
        m.submodules.end = end = EnableRegister(BUSY_BITS)
        # In pipelined arrays, the busy time comes one cycle late.
        domain = pipeline(m, config)
        domain += end.load.eq(self.settles)
        m.d.comb += end.i.eq(group.time)
        counts = {
            **{name: group.counts[name] for name, _ in scan_counts(config)},
            "spikes": group.spike_count, "stable": group.stable_count, "end": end.o,
        }
        counters = Array(
            Cat(counts[name], Const(0, WORD_BITS)).word_select(i, WORD_BITS)
            for name, words in counter_words(config) for i in range(words)
        )

        head, place, body = Signal(struct(HEAD)), Signal(struct(PLACE)), Signal(WORD_BITS)
        stop, of_row, final = Signal.like(head.length), Signal(), Signal()
        m.d.comb += [
            head.kind.eq(self.kind), head.length.eq(config.row_chunks), stop.eq(head.length),
            head.layer.eq(group.settings.layer),
            place.group.eq(group.number), place.core.eq(self.core),
        ]
        with m.Switch(self.kind):
            with m.Case(ReportKind.MEMBRANE):
                m.d.comb += [head.length.eq(group.neurons), body.eq(group.membrane)]
            with m.Case(ReportKind.COUNTERS, ReportKind.END):
                # The busy time is the last of the counters, and the only content of END.
                m.d.comb += [
                    head.length.eq(Mux(self.kind == ReportKind.END, _END_WORDS, len(counters))),
                    stop.eq(len(counters)),
                    body.eq(counters[index[: bits_for(len(counters) - 1)]]),
                ]
            with m.Default():
                m.d.comb += [of_row.eq(1), body.eq(self.row_word)]
        if config.pipelined:
            # The kind is known two cycles before the body, which leaves time to subtract.
            last = Signal.like(stop)
            m.d.sync += last.eq(stop - 1)
            m.d.comb += final.eq(index == last)
        else:
            # ``index + 1`` exists already, whereas a difference would need extra cells.
            m.d.comb += final.eq(index + 1 == stop)

        room, load, word = Signal(), Signal(), Signal(WORD_BITS)
        settled = Signal()
        m.d.comb += [
            # While a word is stalled, its own lane is read again.
            room.eq(~self.reports.valid | self.reports.ready), group.membrane_lane.eq(index),
        ]
        # A register follows the selection of the word, because the path to the host is long.
        with m.If(room):
            m.d.sync += [
                self.reports.valid.eq(load),
                self.reports.payload.data.eq(word),
                self.reports.payload.last.eq(0),
            ]
        with m.If(self.load):
            wanted = self.wanted()
            m.d.sync += [settled.eq(0), pending.eq(Cat(wanted[kind] for kind in ReportKind))]
        with m.FSM():
            with m.State("CHOOSE"):
                m.d.comb += self.between.eq(1)
                m.d.sync += index.eq(0)
                # END is the tail of the counters.
                with m.If(~pending[: ReportKind.END].any()):
                    m.d.sync += index.eq(len(counters) - _END_WORDS)
                # The lowest kind is assigned last, so it takes precedence.
                for kind in reversed(ReportKind):
                    ready = self.skeleton_ready if kind == ReportKind.TRACE_SKELETON else 1
                    with m.If(pending[kind] & ready):
                        m.d.sync += self.kind.eq(kind)
                with m.If(self.choose & pending.any()):
                    m.next = "HEAD"
                with m.If(self.choose & ~settled & ~pending[: ReportKind.COUNTERS].any()):
                    m.d.comb += self.settles.eq(1)
                    m.d.sync += settled.eq(1)
            for state, value, following in (("HEAD", head, "PLACE"), ("PLACE", place, "BODY")):
                with m.State(state), m.If(room):
                    m.d.comb += [word.eq(value), load.eq(1)]
                    m.d.sync += pending.bit_select(self.kind, 1).eq(0)
                    m.next = following
            with m.State("BODY"), m.If(room & ~self.hold):
                # The membrane of the next word is requested a cycle ahead.
                m.d.comb += [
                    word.eq(body), load.eq(1), self.row_taken.eq(of_row),
                    group.membrane_lane.eq(index + 1),
                ]
                m.d.sync += [index.eq(index + 1), self.reports.payload.last.eq(final)]
                with m.If(final):
                    m.next = "CHOOSE"
        return m
