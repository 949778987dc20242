"""Output of a group with convolution: sends pooled rows to the bus and reports to the host."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec import ArrayConfig, bits_for
from stablespike.spec.report import ReportKind

from ..lib.ports import reports_signature, rows_signature
from .packetizer import WORD_BITS, Packetizer, output_group
from .pool import pool_signature

__all__ = ["ConvolutionOutput"]


class ConvolutionOutput(wiring.Component):
    """Pools and sends the rows of a finished group, and its reports, while the next one comes in.

    Each row that the task sends or reports has ``row_beats`` parts, which take a cycle each, or as
    long as the bus takes. At the last position of a complete pool the parts go to the bus, at other
    positions into the pool. The packets follow; a packet of n words takes n + 3 cycles.

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
    odd : In(1)
        With recurrence: the number of the window is odd. Held as long as ``group``.
    pool : Out(pool_signature(config))
        The group's rows, and the OR over the pool's earlier positions.
    hold : In(1)
        Lanes of the group are still on their way; ``done`` waits for them.
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
            **({"odd": In(1)} if config.recurrence else {}),
            "pool": Out(pool_signature(config)),
            "hold": In(1),
            "rows": Out(rows_signature(config)), "reports": Out(reports_signature()),
            "settles": Out(1), "done": Out(1),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        config, mark, settings = self.config, self.group.mark, self.group.settings
        pool = self.pool
        m.submodules.packetizer = packetizer = self.packetizer
        connect(m, flipped(self.group), packetizer.group)
        connect(m, packetizer.reports, flipped(self.reports))

        position = Signal(unsigned(bits_for(config.spike_rows - 1)))  # the pooled position's row
        pool_empty = Signal(init=1)  # the pool is empty
        beat = Signal(range(config.row_beats))
        skeleton, sending, moves, last = Signal(), Signal(), Signal(), Signal()
        ping_pong = Mux(self.odd, settings.ping_pong_spikes, 0) if config.recurrence else 0
        m.d.comb += [
            self.rows.valid.eq(
                sending & mark.emit & Mux(skeleton, settings.send_skeleton, settings.send_spikes)
            ),
            self.rows.payload.beat.eq(beat),
            self.rows.payload.words.eq(pool.words),
            self.rows.payload.row.eq(
                Mux(skeleton, settings.skeleton_row, settings.spikes_row + ping_pong) + position
            ),
            pool.store.eq(sending),
            moves.eq(sending & (~self.rows.valid | self.rows.ready)),
            last.eq(moves & (beat == config.row_beats - 1)),
        ]
        m.d.sync += beat.eq(beat + moves)
        # This changes with ``done``, not with the last part, because ``mark`` belongs to this group
        # until then.
        with m.If(self.done):
            m.d.sync += pool_empty.eq(mark.last_position | mark.task)
            with m.If(mark.emit):
                # The gap skips the rows that other cores send for the same position.
                m.d.sync += position.eq(position + 1 + Mux(mark.short, settings.gap, 0))
            with m.If(mark.task):
                m.d.sync += position.eq(0)

        # Parts of a row go to the bus, 16-bit words of them into packets.
        word_bits = max(1, len(pool.words) // WORD_BITS).bit_length() - 1
        index = packetizer.index
        of_pool = packetizer.kind == ReportKind.WORDS
        m.d.comb += [
            packetizer.row_complete.eq(mark.emit),
            packetizer.skeleton_ready.eq(1),
            packetizer.row_word.eq(
                pool.words.word_select(index[:word_bits], min(WORD_BITS, len(pool.words)))
            ),
            self.settles.eq(packetizer.settles),
        ]
        # A row that is sent is the OR of the pool and the group's row. A trace is of the group's
        # row alone. A row reported as words has been stored in the pool by then.
        with m.If(sending):
            m.d.comb += [
                pool.select_skeleton.eq(skeleton), pool.beat.eq(beat),
                pool.show_row.eq(1), pool.show_kept.eq(~pool_empty),
            ]
        with m.Else():
            m.d.comb += [
                pool.select_skeleton.eq(
                    Mux(of_pool, settings.report_skeleton,
                        packetizer.kind == ReportKind.TRACE_SKELETON)
                ),
                pool.beat.eq(index[word_bits:]),
                pool.show_row.eq(~of_pool), pool.show_kept.eq(of_pool),
            ]

        of_spikes = ~mark.empty & (settings.send_spikes | settings.report_spikes)
        of_skeleton = ~mark.empty & (settings.send_skeleton | settings.report_skeleton)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += packetizer.load.eq(1)
                with m.If(self.group.start):
                    m.next = "REPORT"
                    with m.If(of_skeleton):
                        m.next = "SKELETON"
                    with m.If(of_spikes):
                        m.next = "SPIKES"
            with m.State("SPIKES"):
                m.d.comb += sending.eq(1)
                with m.If(last):
                    m.next = "REPORT"
                    with m.If(of_skeleton):
                        m.next = "SKELETON"
            with m.State("SKELETON"):
                m.d.comb += [sending.eq(1), skeleton.eq(1)]
                with m.If(last):
                    m.next = "REPORT"
            with m.State("REPORT"):
                m.d.comb += [
                    packetizer.choose.eq(1),
                    self.done.eq(packetizer.between & ~packetizer.pending.any() & ~self.hold),
                ]
                with m.If(self.done):
                    m.next = "IDLE"
        return m
