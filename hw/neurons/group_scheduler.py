"""Group scheduler: decides which group is computed and sent; tasks never overlap."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig, bits_for, task_layout
from stablespike.spec.timing import groups_overlap

from ..lib.ports import tasks_signature
from ..scan.scanner import mark_layout
from .packetizer import number_bits

__all__ = ["GroupScheduler", "handover_signature", "scheduler_signature"]


def handover_signature(config: ArrayConfig) -> wiring.Signature:
    r"""A finished group leaves the lanes, as the scan side sees it.

        free      ___/-----\____
        swap      ________/-\___      in the last cycle of ``free``
        arrives   ___________/-\      one cycle later, in pipelined arrays SWAP_STAGES more

    Members
    -------
    free : In(1)
        A group may leave the lanes.
    swap : Out(1)
        A group leaves the lanes in this cycle; only while ``free``.
    mark : Out(mark_layout(config))
        Its marks, while ``swap``.
    arrives : Out(1)
        A group that is not empty is in the shadow of the lanes from the next cycle on.
    arrived : Out(mark_layout(config))
        Its marks, while ``arrives``.
    """
    return wiring.Signature({
        "free": In(1), "swap": Out(1),
        "mark": Out(mark_layout(config)),
        "arrives": Out(1), "arrived": Out(mark_layout(config)),
    })


def scheduler_signature(config: ArrayConfig) -> wiring.Signature:
    """The signature of both group schedulers.

    Members
    -------
    window_held : In(1)
        There is a window for the neuron side.
    tasks : Out(tasks_signature(config, ...))
        The tasks' neuron fields.
    groups : In(handover_signature(config))
        Groups that leave the lanes.
    drain_ready : In(1)
        The drain's ``ready``: it may be started, or soon.
    drain_late : In(1)
        With convolution: sums of a group that has entered are still in the shadow.
    alone : In(1)
        Without convolution: the row or the membranes of a group are needed after the row is on the
        bus, so the next group must wait. Constant during a task.
    start : Out(1)
        Start the drain; up for one cycle.
    entering_mark : Out(mark_layout(config))
        The group that enters the neuron unit, from the cycle after ``start`` on: its marks.
    parameters, state : Out
        The addresses of that group's parameters and of its state in their memories.
    tag : Out(1)
        Distinguishes that group from the one before. It travels with the neurons.
    leaving_tag : In(1)
        The tag of the neuron that leaves the neuron unit.
    leaving_state : Out
        The address of its group's state, in the same cycle.
    complete : In(1)
        The row of the group that leaves is complete in the next cycle. Without convolution, if only
        its membranes are reported: the output unit may start on them.
    complete_tag : In(1)
        The tag of that group.
    take : Out(1)
        With convolution: the complete row is taken, and may be overwritten from the next cycle on.
    output_start : Out(1)
        The output unit starts on a group; up for one cycle.
    output_mark : Out(mark_layout(config))
        That group's marks, from ``output_start`` to ``output_done``.
    output_number : Out(number_bits(config))
        The number of that group, for as long.
    output_done : In(1)
        The output unit has finished the group.
    """
    state = unsigned(bits_for(config.state_groups - 1))
    return wiring.Signature({
        "window_held": In(1),
        "tasks": Out(tasks_signature(config, task_layout(config).neuron)),
        "groups": In(handover_signature(config)),
        "drain_ready": In(1), "drain_late": In(1), "alone": In(1), "start": Out(1),
        "entering_mark": Out(mark_layout(config)),
        "parameters": Out(unsigned(bits_for(config.neuron_groups - 1))),
        "state": Out(state), "tag": Out(1),
        "leaving_tag": In(1), "leaving_state": Out(state),
        "complete": In(1), "complete_tag": In(1), "take": Out(1),
        "output_start": Out(1), "output_mark": Out(mark_layout(config)),
        "output_number": Out(number_bits(config)), "output_done": In(1),
    })


class GroupScheduler(wiring.Component):
    """Takes a group from the lanes, has it computed and sent, and then takes the next one.

        lanes          | group 1    | group 2 .............| group 3
        neuron unit                 | group 1 |            | group 2
        output unit                           | group 1 |

    If ``groups_overlap``, the next group of the same task is taken up to ``EARLY`` cycles before
    the last neuron leaves, unless groups must be ``alone``:

        lanes          | group 1    | group 2 .....| group 3
        neuron unit                 | group 1 |    | group 2 |
        output unit                           | group 1 |

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    Those of ``scheduler_signature``. ``tag`` and ``take`` stay low.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__(scheduler_signature(config))

    def elaborate(self, platform) -> Module:
        m = Module()
        mark, tasks, groups, number = self.entering_mark, self.tasks, self.groups, Signal.like(
            self.output_number, name="number"
        )
        # The group that enters is the one behind that which leaves, or is sent.
        ahead = Signal()
        m.d.comb += [
            self.start.eq(groups.arrives),
            self.parameters.eq(tasks.fields.parameters + number + ahead),
            self.state.eq(tasks.fields.state + number + ahead),
            self.output_number.eq(number),
            # A group that another one follows early is neither empty nor the last one.
            self.output_mark.eq(mark),
        ]
        with m.If(ahead):
            m.d.comb += self.output_mark.eq(0)
        if groups_overlap(self.config):
            # A group's first neuron leaves later than the last one of the group before.
            started = Signal()
            m.d.sync += started.eq(self.start)
            with m.If(started):
                m.d.sync += self.leaving_state.eq(self.state)
        else:
            m.d.comb += self.leaving_state.eq(self.state)
        early = Signal()  # another group may be taken before this one is sent
        if groups_overlap(self.config):
            m.d.comb += early.eq(~ahead & ~mark.task & ~self.alone)
        with m.If(groups.swap):
            m.d.sync += mark.eq(groups.mark)
        with m.FSM():
            # The settings of a task hold until its last group is sent; then the next may load.
            with m.State("NO TASK"), m.If(self.window_held):
                m.d.comb += tasks.start.eq(1)
                m.next = "LOAD"
            with m.State("LOAD"), m.If(tasks.loaded):
                m.next = "WAIT"
            with m.State("WAIT"):
                m.d.comb += groups.free.eq(1)
                with m.If(groups.swap):
                    m.next = "COMPUTE"
            # A task may have no groups in this core, but its reports and its end mark are still
            # sent.
            with m.State("COMPUTE"):
                m.d.comb += groups.free.eq(early & self.drain_ready)
                m.d.sync += ahead.eq(ahead | groups.swap)
                with m.If(self.complete | self.output_mark.empty):
                    m.d.comb += self.output_start.eq(1)
                    m.next = "OUTPUT"
            with m.State("OUTPUT"):
                m.d.comb += groups.free.eq(early)
                m.d.sync += ahead.eq(ahead | groups.swap)
                with m.If(self.output_done):
                    m.d.sync += [number.eq(number + 1), ahead.eq(0)]
                    m.next = "WAIT"
                    with m.If(ahead | groups.swap):
                        m.next = "COMPUTE"
                    with m.If(self.output_mark.task):
                        m.d.sync += [number.eq(0), tasks.task.eq(tasks.task + 1)]
                        m.next = "NO TASK"
                    # The next window starts the list again.
                    with m.If(self.output_mark.window):
                        m.d.sync += tasks.task.eq(0)
        return m
