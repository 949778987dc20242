"""Overlap: which group's neurons enter, and which group's row leaves, with convolution."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig
from stablespike.spec.report import PLACE
from stablespike.spec.timing import swap_wait

from ..scan.scanner import mark_layout
from .group_scheduler import groups_signature

__all__ = ["Overlap"]

class Overlap(wiring.Component):
    """Lets groups follow each other: one in the lanes' memory, one entering the neuron unit, one
    leaving it, one being emitted.

    A group starts to enter behind the one before, once that is the only one that has neither left
    nor been emitted. A row that is complete is taken when the one before it has been emitted. So
    groups follow each other every ``pass_length`` cycles and pass, unless their emission takes
    longer; without chained lanes a swap takes a cycle more, and waits for the sums that are late.
    Of a task whose membranes are reported a group is emitted before the next one starts.
    Tasks do not overlap.

    Members
    -------
    As of ``Turns``, and beside them:

    arrived : the mark of what ``arrives``.
    ready, late : of the drain.
    odd : tells the group that enters from the one before. odd_done : of a neuron that leaves.
    complete, odd_complete : the row of the group that leaves is complete in the next cycle.
    take : it is taken; it is to be emitted from the cycle after.
    run : number of the group that is emitted, over all positions.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__(
            {
                **groups_signature(config).members,
                "arrived": In(mark_layout(config)),
                "ready": In(1),
                "late": In(1),
                "odd": Out(1),
                "odd_done": In(1),
                "complete": In(1),
                "odd_complete": In(1),
                "take": Out(1),
                "run": Out(PLACE.fields[0].width),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        config, settings = self.config, self.settings
        slot = data.StructLayout({
            "mark": mark_layout(config), "run": self.run.shape(), "state": self.state.shape(),
        })
        slots = Array(Signal(slot, name=f"slot{i}", reset_less=True) for i in range(2))
        entering, arrived = slots[self.odd], Signal(mark_layout(config), reset_less=True)
        pending, there, swappable = Signal(), Signal(), Signal()
        inside = Signal(range(3))  # groups that have started and not been taken
        busy, done, done_odd = Signal(), Signal(), Signal()
        parameters, run, state = (
            Signal.like(each, name=name) for each, name in (
                (self.parameters, "next_parameters"), (self.run, "next_run"),
                (self.state, "next_state"),
            )
        )
        alone = Signal()
        m.d.comb += [
            alone.eq((inside == 0) & ~busy),
            self.start.eq(
                (there | self.arrives) & self.ready & (inside + busy <= 1)
                & (alone | ~settings.report_membrane)
            ),
            self.take.eq(done & ~busy),
            self.mark_entering.eq(entering.mark),
            self.state.eq(entering.state),
            self.state_done.eq(slots[self.odd_done].state),
        ]
        # The memory of chained lanes holds two groups, but what is read of one last, of the last
        # steps, must be gone before it is written again.
        if config.chain > 1:
            wait = swap_wait(config)
            waiting = Signal(range(wait + 1))
            m.d.comb += swappable.eq(waiting == 0)
            with m.If(self.start):
                m.d.sync += waiting.eq(wait)
            with m.Elif(waiting != 0):
                m.d.sync += waiting.eq(waiting - 1)
        else:
            m.d.comb += swappable.eq(self.ready & ~self.late)

        mark = Mux(there, arrived, self.arrived)
        m.d.sync += inside.eq(inside + self.start - self.take)
        with m.If(self.arrives):
            m.d.sync += [there.eq(1), arrived.eq(self.arrived)]
        with m.If(self.start):
            started = Signal(mark_layout(config))
            m.d.comb += started.eq(mark)
            m.d.sync += [
                there.eq(0), pending.eq(0), self.odd.eq(~self.odd),
                self.parameters.eq(settings.parameters + parameters),
                run.eq(run + 1), state.eq(state + ~settings.stateless),
            ]
            with m.If(started.last_position):
                m.d.sync += parameters.eq(Mux(started.short, 0, parameters + 1))
            for i in range(2):
                with m.If(self.odd != i):
                    m.d.sync += slots[i].eq(Cat(started, run, settings.state + state))
        with m.If(self.swap):
            m.d.sync += pending.eq(1)

        # The row that leaves.
        with m.If(self.complete):
            m.d.sync += [done.eq(1), done_odd.eq(self.odd_complete)]
        with m.Elif(self.take):
            m.d.sync += done.eq(0)
        m.d.sync += self.emit.eq(self.take)
        with m.If(self.take):
            m.d.sync += [
                busy.eq(1), self.run.eq(slots[done_odd].run),
                self.mark_emitted.eq(slots[done_odd].mark),
            ]
        with m.If(self.emitted):
            m.d.sync += busy.eq(0)

        with m.FSM():
            with m.State("NO TASK"), m.If(self.held):
                m.d.comb += self.load.eq(1)
                m.next = "LOAD"
            with m.State("LOAD"), m.If(self.loaded):
                m.d.sync += [parameters.eq(0), run.eq(0), state.eq(0)]
                m.next = "GROUPS"
            with m.State("GROUPS"):
                m.d.comb += self.free.eq(~pending & swappable)
                with m.If(self.swap & self.mark.task):
                    m.next = "LAST GROUP"
                    with m.If(self.mark.empty):
                        m.d.sync += [
                            pending.eq(0), busy.eq(1), self.emit.eq(1),
                            self.mark_emitted.eq(self.mark),
                        ]
                        m.next = "EMIT"
            with m.State("LAST GROUP"), m.If(~pending & (inside == 0)):
                m.next = "EMIT"
            with m.State("EMIT"), m.If(~busy):
                m.d.sync += self.task.eq(self.task + 1)
                with m.If(self.mark_emitted.window):
                    m.d.sync += self.task.eq(0)
                m.next = "NO TASK"
        return m
