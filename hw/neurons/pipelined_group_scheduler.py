"""Pipelined group scheduler: with convolution, groups follow each other without a gap."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from stablespike.spec import ArrayConfig
from stablespike.spec.timing import swap_wait

from ..scan.scanner import mark_layout
from .group_scheduler import scheduler_signature

__all__ = ["PipelinedGroupScheduler"]


class PipelinedGroupScheduler(wiring.Component):
    """Lets groups follow each other: one in the lanes' memory, one entering the neuron unit, one
    leaving it, one in the output unit.

        lanes          | group 1 | group 2 | group 3 | group 4
        entering                 | group 1 | group 2 | group 3
        leaving                     | group 1 | group 2 | group 3
        output unit                           | group 1 | group 2

    A group starts to enter behind the previous one, as soon as that is the only group that has
    neither left nor been sent. A complete row is taken when the row before it has been sent. So
    each group takes ``pass_length`` cycles per pass, unless the output takes longer. Without
    chained lanes, a swap takes one more cycle, and waits for late sums. If a task's membranes are
    reported, a group is sent before the next one starts. Tasks do not overlap.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    Those of ``scheduler_signature``; ``output_start`` is up in the cycle after ``take``.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__(scheduler_signature(config))

    def elaborate(self, platform) -> Module:
        m = Module()
        config, settings = self.config, self.tasks.fields
        groups, task = self.groups, self.tasks.task
        slot = data.StructLayout({
            "mark": mark_layout(config), "number": self.output_number.shape(),
            "state": self.state.shape(),
        })
        # At most two groups are under way in the neuron unit; ``tag`` distinguishes their slots.
        slots = Array(Signal(slot, name=f"slot{i}", reset_less=True) for i in range(2))
        entering, arrived = slots[self.tag], Signal(mark_layout(config), reset_less=True)
        pending, in_shadow = Signal(), Signal()  # a group was swapped; it has arrived
        under_way = Signal(range(3))  # groups that have started and not been taken
        sending, row_waits, row_tag = Signal(), Signal(), Signal()
        parameters, number, state = (
            Signal.like(each, name=name) for each, name in (
                (self.parameters, "next_parameters"), (self.output_number, "next_number"),
                (self.state, "next_state"),
            )
        )
        # Membranes are reported through the read port that entering neurons use.
        alone = Signal()
        m.d.comb += [
            alone.eq((under_way == 0) & ~sending),
            self.start.eq(
                (in_shadow | groups.arrives) & self.drain_ready & (under_way + sending <= 1)
                & (alone | ~settings.report_membrane)
            ),
            self.take.eq(row_waits & ~sending),
            self.entering_mark.eq(entering.mark),
            self.state.eq(entering.state),
            self.leaving_state.eq(slots[self.leaving_tag].state),
        ]
        swappable = self._swappable(m)

        started = Signal(mark_layout(config))
        m.d.comb += started.eq(Mux(in_shadow, arrived, groups.arrived))
        m.d.sync += under_way.eq(under_way + self.start - self.take)
        with m.If(groups.arrives):
            m.d.sync += [in_shadow.eq(1), arrived.eq(groups.arrived)]
        with m.If(self.start):
            m.d.sync += [
                in_shadow.eq(0), pending.eq(0), self.tag.eq(~self.tag),
                self.parameters.eq(settings.parameters + parameters),
                number.eq(number + 1), state.eq(state + ~settings.stateless),
            ]
            with m.If(started.last_position):
                m.d.sync += parameters.eq(Mux(started.short, 0, parameters + 1))
            for i in range(2):
                # ``tag`` changes in the next cycle, so the new group's slot is the other one.
                with m.If(self.tag != i):
                    m.d.sync += slots[i].eq(Cat(started, number, settings.state + state))
        with m.If(groups.swap):
            m.d.sync += pending.eq(1)

        # The row that leaves.
        # A row that is complete in the cycle of ``take`` is the next one, and waits in turn.
        with m.If(self.complete):
            m.d.sync += [row_waits.eq(1), row_tag.eq(self.complete_tag)]
        with m.Elif(self.take):
            m.d.sync += row_waits.eq(0)
        # The copy of the row is valid in the cycle after ``take``.
        m.d.sync += self.output_start.eq(self.take)
        with m.If(self.take):
            m.d.sync += [
                sending.eq(1), self.output_number.eq(slots[row_tag].number),
                self.output_mark.eq(slots[row_tag].mark),
            ]
        with m.If(self.output_done):
            m.d.sync += sending.eq(0)

        with m.FSM():
            with m.State("NO TASK"), m.If(self.window_held):
                m.d.comb += self.tasks.start.eq(1)
                m.next = "LOAD"
            with m.State("LOAD"), m.If(self.tasks.loaded):
                m.d.sync += [parameters.eq(0), number.eq(0), state.eq(0)]
                m.next = "GROUPS"
            with m.State("GROUPS"):
                m.d.comb += groups.free.eq(~pending & swappable)
                with m.If(groups.swap & groups.mark.task):
                    m.next = "LAST GROUP"
                    # A task without groups has no row, but its reports and its end mark are sent.
                    with m.If(groups.mark.empty):
                        m.d.sync += [
                            pending.eq(0), sending.eq(1), self.output_start.eq(1),
                            self.output_mark.eq(groups.mark),
                        ]
                        m.next = "OUTPUT"
            # The next task's settings may not come before the last group is sent.
            with m.State("LAST GROUP"), m.If(~pending & (under_way == 0)):
                m.next = "OUTPUT"
            with m.State("OUTPUT"), m.If(~sending):
                m.d.sync += task.eq(task + 1)
                with m.If(self.output_mark.window):
                    m.d.sync += task.eq(0)
                m.next = "NO TASK"
        return m

    def _swappable(self, m: Module) -> Signal:
        """Whether a swap overwrites only sums that have been read."""
        config, swappable = self.config, Signal()
        if config.chain == 1:
            m.d.comb += swappable.eq(self.drain_ready & ~self.drain_late)
            return swappable
        # The memory of chained lanes holds two groups, but the sums of the last steps, which are
        # read last, must have been read before they are overwritten.
        wait = swap_wait(config)
        waiting = Signal(range(wait + 1))
        m.d.comb += swappable.eq(waiting == 0)
        with m.If(self.start):
            m.d.sync += waiting.eq(wait)
        with m.Elif(waiting != 0):
            m.d.sync += waiting.eq(waiting - 1)
        return swappable
