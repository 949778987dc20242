"""Neuron side of a core: from the sums of a group to its spikes, rows and reports."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec import ArrayConfig, task_layout
from stablespike.spec.link import Space
from stablespike.spec.report import BUSY_BITS

from ..lib import ports
from ..lib.registers import pipeline
from ..neurons.convolution_output import ConvolutionOutput
from ..neurons.dense_output import DenseOutput
from ..neurons.drain import Drain
from ..neurons.group_scheduler import GroupScheduler, handover_signature
from ..neurons.neuron_unit import NeuronUnit, state_layout
from ..neurons.pipelined_group_scheduler import PipelinedGroupScheduler
from ..neurons.pool import PoolUnit
from ..neurons.skeleton import SkeletonUnit
from ..scan.scan_counters import scan_counts
from ..vendor.memory import collision_free_memory
from .windows import drained_signature

__all__ = ["ConvolutionNeuronSide", "DenseNeuronSide", "NeuronSide"]


class NeuronSide(wiring.Component):
    """The common part of both kinds of neuron side.

    A group that leaves the lanes is drained into the neuron unit, where its parameters and state
    come from memories. Its spikes are collected as a row, which the output unit sends and reports.

        lanes -> drain -> neuron unit -> row (AND unit or pool) -> output unit -> bus, host
                            |    ^
                            v    |
                            state

    Parameters
    ----------
    config : ArrayConfig
        The array.
    scheduler : GroupScheduler or PipelinedGroupScheduler
        Says which group is where.
    row : SkeletonUnit or PoolUnit
        Collects the spikes.
    output : DenseOutput or ConvolutionOutput
        Sends and reports them.

    Members
    -------
    biases, thresholds : Out(read_signature(...))
        The parameter memories.
    tasks : Out(tasks_signature(config, ...))
        The tasks' neuron fields.
    windows : In(drained_signature(config))
        The window that is drained.
    groups : In(handover_signature(config))
        Groups that leave the lanes.
    sums : In(ArrayLayout(signed(config.acc_bits), config.window))
        The lanes' shadow.
    shift : Out(config.window)
        Move its chain ``t`` on to the next lane.
    counts : In(scan_counts(config))
        The counts of the scan of the task that was closed last.
    report_flags : In(REPORT_FLAG_BITS)
        ``ReportFlags``; a task has those with which it starts.
    time : In(BUSY_BITS)
        The array's busy time.
    rows : Out(rows_signature(config))
        Rows to the bus.
    reports : Out(reports_signature())
        Packets to the host.
    """

    def __init__(
        self, config: ArrayConfig, scheduler: GroupScheduler | PipelinedGroupScheduler,
        row: SkeletonUnit | PoolUnit, output: DenseOutput | ConvolutionOutput,
    ) -> None:
        self.config, self.scheduler, self.row, self.output = config, scheduler, row, output
        self.drain, self.neuron = Drain(config), NeuronUnit(config)
        super().__init__({
            "biases": Out(ports.read_signature(*ports.space_shape(config, Space.BIASES))),
            "thresholds": Out(ports.read_signature(*ports.space_shape(config, Space.THRESHOLDS))),
            "tasks": Out(ports.tasks_signature(config, task_layout(config).neuron)),
            "windows": In(drained_signature(config)),
            "groups": In(handover_signature(config)),
            "sums": In(data.ArrayLayout(signed(config.acc_bits), config.window)),
            "shift": Out(config.window),
            "counts": In(scan_counts(config)),
            "report_flags": In(ports.REPORT_FLAG_BITS), "time": In(BUSY_BITS),
            "rows": Out(ports.rows_signature(config)), "reports": Out(ports.reports_signature()),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.groups, m.submodules.drain = self.scheduler, self.drain
        m.submodules.neuron, m.submodules.row = self.neuron, self.row
        m.submodules.output = self.output
        self._feed(m)
        self._keep_state(m)
        self._send(m)
        self._kind(m)
        return m

    def _kind(self, m: Module) -> None:
        """Connect the parts that differ between the kinds."""
        raise NotImplementedError

    def _is_row_read(self) -> Value:
        """Whether a group's row is used at all."""
        settings = self.tasks.fields
        return (
            settings.send_spikes | settings.send_skeleton | settings.report_spikes
            | settings.report_skeleton | (settings.monitor & self.output.group.trace)
        )

    def _neurons(self, m: Module, mark: data.View, neurons: Signal) -> None:
        """Set the number of neurons of a group: a core's last group may have fewer."""
        short = mark.short if self.config.convolution else mark.task
        # Comparing it with counters is slow, so it comes from a register in a pipelined array.
        domain = pipeline(m, self.config)
        domain += neurons.eq(Mux(short, self.tasks.fields.lanes_last, self.config.lanes))

    def _feed(self, m: Module) -> None:
        """Connect the lanes to the drain, and the drain to the neuron unit."""
        config, scheduler, drain, neuron = self.config, self.scheduler, self.drain, self.neuron
        settings = self.tasks.fields
        connect(m, scheduler.tasks, flipped(self.tasks))
        connect(m, flipped(self.groups), scheduler.groups)
        self._neurons(m, scheduler.entering_mark, drain.neurons)
        m.d.comb += [
            scheduler.window_held.eq(self.windows.held),
            scheduler.drain_ready.eq(drain.ready),
            drain.start.eq(scheduler.start),
            drain.steps.eq(self.windows.window.steps),
            drain.pixels.eq(settings.pixels),
            drain.sums.eq(self.sums),
            self.shift.eq(drain.shift),
            neuron.settings.eq(settings),
            neuron.valid.eq(drain.valid),
            neuron.lane.eq(drain.entering),
            neuron.steps.eq(drain.exists),
            neuron.first.eq(drain.first),
            neuron.current.eq(drain.current),
            neuron.sums.eq(drain.taken),
        ]
        if config.wide_weights:
            m.d.comb += drain.split_weights.eq(settings.split_weights)

    def _keep_state(self, m: Module) -> None:
        """Read the parameters and state of the neuron that enters; write the state of the one that
        leaves."""
        config, scheduler, drain, neuron = self.config, self.scheduler, self.drain, self.neuron
        # If no state is kept between windows, it is kept only from pass to pass, for one group.
        depth = config.state_groups * config.lanes if config.state else config.lanes
        # Passes are long enough (``spec.timing``) that a state is written before it is read again.
        m.submodules.state = state = collision_free_memory(state_layout(config), depth)
        read, write = state.read_port(), state.write_port()
        # The output unit reads membranes while no neuron enters.
        lane = Mux(drain.occupied, drain.lane, self.output.group.membrane_lane)
        for memory in (self.biases, self.thresholds):
            m.d.comb += [
                memory.enable.eq(1), memory.address.eq(Cat(drain.lane, scheduler.parameters))
            ]
        m.d.comb += [
            read.addr.eq(Cat(lane[: config.lanes.bit_length() - 1], scheduler.state)),
            write.addr.eq(Cat(neuron.done_lane, scheduler.leaving_state)),
            write.en.eq(neuron.done),
            write.data.eq(neuron.done_state),
            neuron.bias.eq(self.biases.data),
            neuron.threshold.eq(self.thresholds.data),
            neuron.state.eq(read.data),
            self.output.group.membrane.eq(read.data.v),
        ]
        # This replaces a reset: the first window of a sample ignores what is stored.
        with m.If(self.windows.window.first & drain.first_pass):
            m.d.comb += [neuron.state.eq(0), neuron.state.v.eq(self.tasks.fields.v_init)]

    def _send(self, m: Module) -> None:
        """Connect the finished group to the output unit, and the output unit to the ports."""
        scheduler, row, output = self.scheduler, self.row, self.output
        group, mark = output.group, scheduler.output_mark
        self._neurons(m, mark, group.neurons)
        # The clear signal reaches the whole row, so it comes from a register in a pipelined array.
        domain = pipeline(m, self.config)
        domain += row.clear_counts.eq(output.done & mark.task)
        connect(m, output.rows, flipped(self.rows))
        connect(m, output.reports, flipped(self.reports))
        if self.config.recurrence:
            m.d.comb += output.odd.eq(self.windows.odd)
        # The host may write the flags at any time. What is reported decides when the next group
        # enters, so it must not change within a task.
        flags = Signal.like(self.report_flags)
        with m.If(self.tasks.start):
            m.d.sync += flags.eq(self.report_flags)
        m.d.comb += [
            group.start.eq(scheduler.output_start),
            group.mark.eq(mark),
            group.settings.eq(self.tasks.fields),
            group.number.eq(scheduler.output_number),
            group.last_window.eq(self.windows.window.last),
            Cat(group.trace, group.counters, group.times).eq(flags),
            group.counts.eq(self.counts),
            group.spike_count.eq(row.spike_count),
            group.stable_count.eq(row.stable_count),
            group.time.eq(self.time),
            scheduler.output_done.eq(output.done),
            self.windows.settled.eq(output.settles & mark.window),
            self.windows.ended.eq(output.done & mark.window),
        ]


class DenseNeuronSide(NeuronSide):
    """The neuron side without convolution: one group at a time, or with ``groups_overlap`` one that
    enters while the one before leaves. The bus must then take rows at once.

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
    Those of ``NeuronSide``.
    """

    def __init__(self, config: ArrayConfig, index: int | Value) -> None:
        super().__init__(
            config, GroupScheduler(config), SkeletonUnit(config), DenseOutput(config, index)
        )

    def _kind(self, m: Module) -> None:
        drain, neuron, row, output = self.drain, self.neuron, self.row, self.output
        settings, membranes = self.tasks.fields, Signal()
        m.d.comb += [
            # The output of membranes alone, which takes a while to begin, need not wait for them.
            membranes.eq(
                settings.report_membrane & self.windows.window.last & ~self._is_row_read()
            ),
            self.scheduler.complete.eq(Mux(membranes, drain.readable, drain.finished)),
            drain.align.eq(self._is_row_read()),
            row.rotate.eq(output.rotate),
            output.row.eq(row.row),
        ]
        # These signals reach the whole row, so they come from registers in a pipelined array.
        domain = pipeline(m, self.config)
        domain += [
            row.first.eq(drain.valid & drain.first_pass),
            row.before.eq(neuron.state.r),
            row.write.eq(neuron.write),
            row.fired.eq(neuron.fired),
            row.stable.eq(neuron.stable),
            row.step.eq(neuron.step),
            row.fill.eq(drain.fill),
            row.apply_skeleton.eq(output.apply_skeleton),
            # A group replaces all lanes of its steps; the steps change only between tasks.
            row.clear.eq(output.done & self.scheduler.output_mark.task),
        ]
        # This is a register, because the path goes on to the lanes; it is in time for any swap.
        m.d.sync += self.scheduler.alone.eq(
            settings.send_skeleton | settings.report_spikes | settings.report_skeleton
            | settings.report_membrane | (settings.monitor & output.group.trace)
        )


class ConvolutionNeuronSide(NeuronSide):
    """The neuron side with convolution: groups follow each other, and rows are pooled.

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
    Those of ``NeuronSide``.
    """

    def __init__(self, config: ArrayConfig, index: int | Value) -> None:
        super().__init__(
            config, PipelinedGroupScheduler(config), PoolUnit(config),
            ConvolutionOutput(config, index),
        )

    def _kind(self, m: Module) -> None:
        config, scheduler = self.config, self.scheduler
        drain, neuron, row, output = self.drain, self.neuron, self.row, self.output
        connect(m, output.pool, row.pool)
        tag = Signal()  # of the neuron that enters, which was read a cycle ago
        m.d.sync += tag.eq(scheduler.tag)
        m.d.comb += [
            scheduler.drain_late.eq(drain.late),
            # A group may be cut short only if it is sent before the next one starts.
            drain.align.eq(self._is_row_read() | ~self.tasks.fields.report_membrane),
            neuron.tag.eq(Cat(tag, drain.last)),
            scheduler.leaving_tag.eq(neuron.done_tag[0]),
            row.take.eq(scheduler.take),
            output.hold.eq(drain.tail),
        ]
        # These signals reach the whole row, so they come from registers in a pipelined array.
        domain = pipeline(m, config)
        domain += [
            row.write.eq(neuron.done),
            row.fired.eq(neuron.done_spikes),
            row.step.eq(neuron.done_first),
            row.before.eq(neuron.done_before),
            # A group replaces all lanes of its steps; the steps change only between tasks.
            row.clear.eq(output.done & scheduler.output_mark.task),
            scheduler.complete.eq(neuron.done & neuron.done_tag[1]),
            scheduler.complete_tag.eq(neuron.done_tag[0]),
        ]
