"""Turns: which group is computed, without convolution: one at a time."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig, bits_for, task_layout

from ..lib.layouts import struct
from ..scan.scanner import mark_layout

__all__ = ["Turns", "groups_signature"]


def groups_signature(config: ArrayConfig) -> wiring.Signature:
    """Of ``Turns``, and of what can take its place."""
    return wiring.Signature(
        {
            "held": In(1),
            "load": Out(1),
            "loaded": In(1),
            "settings": In(struct(*task_layout(config).neuron)),
            "task": Out(unsigned(bits_for(config.tasks - 1))),
            "free": Out(1),
            "swap": In(1),
            "mark": In(mark_layout(config)),
            "arrives": In(1),
            "start": Out(1),
            "mark_entering": Out(mark_layout(config)),
            "parameters": Out(unsigned(bits_for(config.neuron_groups - 1))),
            "state": Out(unsigned(bits_for(config.state_groups - 1))),
            "state_done": Out(unsigned(bits_for(config.state_groups - 1))),
            "emit": Out(1),
            "mark_emitted": Out(mark_layout(config)),
            "emitted": In(1),
        }
    )


class Turns(wiring.Component):
    """The neuron side takes a group from the lanes, computes it, and writes it back; then the next.

    Members
    -------
    held : windows wait for the neuron side. load, loaded, settings : the task reader.
    task : its number.
    free : a group may leave the lanes. swap, mark : one does, in this cycle.
    arrives : it is in their shadow, in the next cycle.
    start : of the drain. mark_entering, parameters, state : of the group that enters the neuron
        unit: its mark, the groups of its parameters and of its state.
    state_done : of a neuron that leaves.
    computed : the last neuron of the group has left.
    emit : its row is to be written back, by ``mark_emitted``, until ``emitted``.
    group : its number in the task.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__(
            {
                **groups_signature(config).members,
                "computed": In(1),
                "group": Out(unsigned(bits_for(config.neuron_groups - 1))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        mark = Signal.like(self.mark)
        m.d.comb += [
            self.start.eq(self.arrives),
            self.mark_entering.eq(mark),
            self.mark_emitted.eq(mark),
            self.parameters.eq(self.settings.parameters + self.group),
            self.state.eq(self.settings.state + self.group),
            self.state_done.eq(self.state),
        ]
        with m.FSM():
            with m.State("NO TASK"), m.If(self.held):
                m.d.comb += self.load.eq(1)
                m.next = "LOAD"
            with m.State("LOAD"), m.If(self.loaded):
                m.next = "WAIT"
            with m.State("WAIT"):
                m.d.comb += self.free.eq(1)
                with m.If(self.swap):
                    m.d.sync += mark.eq(self.mark)
                    m.next = "COMPUTE"
                    with m.If(self.mark.empty):
                        m.next = "NOTHING"
            with m.State("COMPUTE"), m.If(self.computed):
                m.d.comb += self.emit.eq(1)
                m.next = "WRITE BACK"
            with m.State("NOTHING"):
                m.d.comb += self.emit.eq(1)
                m.next = "WRITE BACK"
            with m.State("WRITE BACK"), m.If(self.emitted):
                m.d.sync += self.group.eq(self.group + 1)
                m.next = "WAIT"
                with m.If(mark.task):
                    m.d.sync += [self.group.eq(0), self.task.eq(self.task + 1)]
                    m.next = "NO TASK"
                with m.If(mark.window):
                    m.d.sync += self.task.eq(0)
        return m
