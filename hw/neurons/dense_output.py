"""Output of a group without convolution: sends its rows to the bus and its reports to the host."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec import ArrayConfig
from stablespike.spec.report import ReportKind

from ..lib.ports import reports_signature, rows_signature
from .packetizer import WORD_BITS, Packetizer, output_group

__all__ = ["DenseOutput"]


class DenseOutput(wiring.Component):
    """Sends the rows of a finished group and its reports; the core's next group waits for that,
    unless only the row of spikes is sent.

    Everything about spikes goes out first. Then ``apply_skeleton`` turns the row into its skeleton,
    everything about the skeleton follows, and then the other reports.

    The row of spikes takes one cycle, and so does the skeleton if it is sent or reported; or
    ``row_beats`` cycles if it is sent and the bus is free. One more cycle is needed if spikes are
    reported before the skeleton is sent or reported. A report packet of n words takes n + 3 cycles.
    If a row has several words, each of them takes ``16 / window`` more cycles, in which the row is
    rotated by as many lanes; this saves a selector as wide as the row. The skeleton takes one more
    cycle in pipelined arrays.

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
        The group.
    row : In(config.row_bits)
        Its row of spikes, with the word of lane 0 lowest; its skeleton from the cycle after
        ``apply_skeleton`` on.
    odd : In(1)
        With recurrence: the number of the window is odd. Held as long as ``group``.
    apply_skeleton : Out(1)
        Replace the row by its skeleton; up for one cycle, at most once per group.
    rotate : Out(1)
        Rotate the row by one lane; lane 0 moves to the top.
    rows : Out(rows_signature(config))
        Rows to the bus.
    reports : Out(reports_signature())
        Packets to the host.
    settles : Out(1)
        For one cycle: the group's rows and results are out.
    done : Out(1)
        For one cycle: its other reports are out too. The next ``start`` may be in the next cycle.
    """

    def __init__(self, config: ArrayConfig, index: int | Value) -> None:
        self.config, self.packetizer = config, Packetizer(config, index)
        super().__init__({
            "group": In(output_group(config)),
            "row": In(config.row_bits), "apply_skeleton": Out(1), "rotate": Out(1),
            **({"odd": In(1)} if config.recurrence else {}),
            "rows": Out(rows_signature(config)), "reports": Out(reports_signature()),
            "settles": Out(1), "done": Out(1),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        config, mark, settings = self.config, self.group.mark, self.group.settings
        m.submodules.packetizer = packetizer = self.packetizer
        connect(m, flipped(self.group), packetizer.group)
        connect(m, packetizer.reports, flipped(self.reports))

        applied = Signal()  # the row is its skeleton
        beat = Signal(range(config.row_beats))
        sent = Signal()  # the row is out, or need not be sent
        spikes_row = settings.spikes_row
        if config.recurrence:
            spikes_row = spikes_row + Mux(self.odd, settings.ping_pong_spikes, 0)
        m.d.comb += [
            sent.eq(~self.rows.valid | (self.rows.ready & (beat == config.row_beats - 1))),
            self.rows.payload.beat.eq(beat),
            self.rows.payload.words.eq(
                self.row.word_select(beat, config.row_bits // config.row_beats)
            ),
            self.rows.payload.row.eq(
                Mux(applied, settings.skeleton_row, spikes_row) + self.group.number
            ),
        ]
        m.d.sync += beat.eq(beat + (self.rows.valid & self.rows.ready))
        with m.If(self.apply_skeleton):
            m.d.sync += applied.eq(1)

        # A row of several words is rotated to the next one in the cycles after each word was taken.
        rotating = Signal()
        if config.row_chunks > 1:
            lanes = WORD_BITS // config.window  # in a word
            rotated = Signal(range(lanes))
            m.d.sync += rotated.eq(rotated + rotating)
            with m.If(packetizer.row_taken):
                m.d.sync += rotating.eq(1)
            with m.Elif(rotated == lanes - 1):
                m.d.sync += rotating.eq(0)

        computed = ~mark.empty
        words = packetizer.pending[ReportKind.WORDS]
        of_spikes = packetizer.pending[ReportKind.TRACE_SPIKES] | (words & settings.report_spikes)
        of_skeleton = (
            packetizer.pending[ReportKind.TRACE_SKELETON] | (words & settings.report_skeleton)
            | (computed & settings.send_skeleton)
        )
        m.d.comb += [
            packetizer.row_complete.eq(1),
            packetizer.skeleton_ready.eq(applied),
            packetizer.row_word.eq(self.row[:WORD_BITS]),
            packetizer.hold.eq(rotating),
            self.rotate.eq(rotating),
            self.settles.eq(packetizer.settles),
        ]

        # This is a register, because the path continues to the bus, the loader and its bytes.
        with m.If(sent):
            m.d.sync += self.rows.valid.eq(0)

        def apply_skeleton() -> None:
            m.d.comb += self.apply_skeleton.eq(1)
            if config.pipelined:
                # The row has a register in front of it, and becomes its skeleton a cycle later.
                m.next = "APPLY SKELETON"
            else:
                m.d.sync += self.rows.valid.eq(computed & settings.send_skeleton)
                m.next = "SEND SKELETON"

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += packetizer.load.eq(1)
                m.d.sync += applied.eq(0)
                with m.If(self.group.start):
                    m.d.sync += self.rows.valid.eq(computed & settings.send_spikes)
                    m.next = "SEND SPIKES"
            # ``sent`` is up at once if there is nothing to send, because the state takes a cycle
            # anyway.
            with m.State("SEND SPIKES"), m.If(sent):
                m.next = "REPORT"
                with m.If(~of_spikes & of_skeleton):
                    apply_skeleton()
            if config.pipelined:
                with m.State("APPLY SKELETON"):
                    m.d.sync += self.rows.valid.eq(computed & settings.send_skeleton)
                    m.next = "SEND SKELETON"
            with m.State("SEND SKELETON"), m.If(sent):
                m.next = "REPORT"
            with m.State("REPORT"), m.If(packetizer.between & ~rotating):
                with m.If(~applied & ~of_spikes & of_skeleton):
                    apply_skeleton()
                with m.Else():
                    m.d.comb += packetizer.choose.eq(1)
                    with m.If(~packetizer.pending.any()):
                        m.d.comb += self.done.eq(1)
                        m.next = "IDLE"
        return m
