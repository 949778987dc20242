"""Lane swap: a finished group leaves the lanes."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig

from ..neurons.group_scheduler import SWAP_STAGES, handover_signature
from ..scan.scanner import mark_layout

__all__ = ["LaneSwap"]


class LaneSwap(wiring.Component):
    """Lets a group leave the lanes when its last event is in and the neuron side is free.

    In a pipelined array events reach the lanes ``SWAP_STAGES`` cycles later than in others. There
    the group that leaves goes through as many registers, takes the place of an event, and follows
    its own last event by itself:

        scanner   last event, finish | -     | -      | next group's first event
        swap      -                  | swap  | -      | -
        lanes     -                  | -     | -      | -     | last event | swap

    Chained lanes take ``config.chain`` cycles to empty, in which no event may be issued.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    finish : In(1)
        The scanner issues the last event of a group in this cycle, or finds that it has none.
    mark : In(mark_layout(config))
        The group's marks, while ``finish``.
    adding : In(1)
        An event reaches the lanes in this cycle.
    groups : Out(handover_signature(config))
        The neuron side.
    finished : Out(1)
        A group is waiting to leave, or leaves in this cycle.
    hold : Out(1)
        The scanner must not issue an event.
    draining : Out(1)
        The lanes wait for the neuron side.
    swap_lanes : Out(1)
        The lanes' ``swap``.
    close : Out(1)
        The last group of a task is complete; up for one cycle.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "finish": In(1),
                "mark": In(mark_layout(config)),
                "adding": In(1),
                "groups": Out(handover_signature(config)),
                "finished": Out(1),
                "hold": Out(1),
                "draining": Out(1),
                "swap_lanes": Out(1),
                "close": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        config, groups, mark, swap = self.config, self.groups, self.groups.mark, self.groups.swap
        # Without registers on their way to the lanes, events must be waited for.
        ready = self.finished if config.pipelined else self.finished & ~self.adding
        m.d.comb += [swap.eq(ready & groups.free), self.draining.eq(ready & ~groups.free)]
        with m.If(self.finish):
            m.d.sync += [self.finished.eq(1), mark.eq(self.mark)]
        with m.Elif(swap):
            m.d.sync += self.finished.eq(0)

        if config.chain > 1:
            at, moving = Signal(range(config.chain)), Signal()
            m.d.comb += self.hold.eq(self.finished | moving)
            m.d.sync += at.eq(at + moving)
            with m.If(swap):
                m.d.sync += [at.eq(1), moving.eq(1)]
            with m.Elif(at == config.chain - 1):
                m.d.sync += moving.eq(0)
        else:
            m.d.comb += self.hold.eq(self.finished & ~swap)

        leaving = Signal(data.StructLayout(
            {"swap": 1, "filled": 1, "task": 1, "mark": mark_layout(config)}
        ))
        m.d.comb += [
            leaving.swap.eq(swap), leaving.filled.eq(swap & ~mark.empty),
            leaving.task.eq(swap & mark.task), leaving.mark.eq(mark),
        ]
        for stage in range(SWAP_STAGES if config.pipelined else 0):
            later = Signal(leaving.shape(), name=f"leaving{stage}")
            m.d.sync += later.eq(leaving)
            leaving = later
        m.d.comb += [
            # With convolution every swap takes the next half of the lanes' memory: only real ones.
            self.swap_lanes.eq(leaving.filled if config.convolution else leaving.swap),
            self.close.eq(leaving.task),
        ]
        m.d.sync += [groups.arrives.eq(leaving.filled), groups.arrived.eq(leaving.mark)]
        return m
