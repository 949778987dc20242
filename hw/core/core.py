"""A core: sequencer, scanner, lanes, drain, neuron unit, AND unit and its memories."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec import ArrayConfig, bits_for, task_layout
from stablespike.spec.link import Space
from stablespike.spec.report import BUSY_BITS

from ..lib.checks import whole
from ..lib.ports import (
    REPORT_FLAG_BITS,
    beat_layout,
    reports_signature,
    rows_signature,
    space_shape,
    windows_signature,
    writes_signature,
)
from ..neurons.convolution_output import ConvolutionOutput
from ..neurons.dense_output import DenseOutput
from ..neurons.drain import Drain
from ..neurons.group_scheduler import Turns
from ..neurons.neuron_unit import NeuronUnit, state_layout
from ..neurons.pipelined_group_scheduler import Overlap
from ..neurons.pool import PoolUnit
from ..neurons.skeleton import SkeletonUnit
from ..scan.chained_lanes import ChainedLanes
from ..scan.lanes import Lanes
from ..scan.row_queue import NO_COLLISION
from ..scan.scan_counters import ScanCounters
from ..scan.scanner import Scanner, mark_layout
from ..scan.sequencer import Sequencer
from ..scan.spike_memory import SpikeMemory
from .host_memory import HostMemory
from .task_reader import TaskReader

__all__ = ["Core"]


class Core(wiring.Component):
    """Computes its share of every layer, window after window.

    An event is added two cycles after the scanner issued it, in chained lanes five; a group leaves
    the lanes in the cycle after its last event, when the neuron unit is free, and the next group's
    events follow as soon as the lanes take them. One group accumulates while the one before is
    drained and written back.

    Parameters
    ----------
    config : of the array. index : this core's number.

    Raises
    ------
    TypeError, ValueError
        If the array has no core of that number.

    Members
    -------
    writes : the host's writes; those to other cores are ignored.
    windows : windows whose input rows are in the spike memory; two may be under way.
    bus_valid, bus_inner, bus : the part of a row on the spike bus in this cycle; ``inner`` if a
        core sent it.
    rows, reports : what this core sends.
    report_flags : ``ReportFlags``. time : the array's busy time.
    busy : a window is under way.
    arrived, go : of a ``sync`` between cores.
    """

    def __init__(self, config: ArrayConfig, index: int) -> None:
        self.config, self.index = config, whole("index", index, 0, config.cores - 1)
        super().__init__(
            {
                "writes": In(writes_signature(config)),
                "windows": In(windows_signature(config)),
                "bus_valid": In(1),
                "bus_inner": In(1),
                "bus": In(beat_layout(config)),
                "rows": Out(rows_signature(config)),
                "reports": Out(reports_signature()),
                "report_flags": In(REPORT_FLAG_BITS),
                "time": In(BUSY_BITS),
                "busy": Out(1),
                "arrived": Out(1),
                "go": In(1),
            }
        )

    def host_memory(self, m: Module, space: Space) -> HostMemory:
        """The memory of a space, a submodule of ``m``, written by the host's writes to this core.

        Its read side is left to the caller.
        """
        depth, width = space_shape(self.config, space)
        memory = HostMemory(width, depth)
        m.submodules[space.name.lower()] = memory
        write = self.writes.payload
        m.d.comb += [
            memory.write.eq(
                self.writes.valid & (write.core == self.index) & (write.space == space)
            ),
            memory.write_address.eq(write.row),
            memory.write_chunk.eq(write.chunk),
            memory.write_data.eq(write.data),
        ]
        return memory

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        layout = task_layout(config)
        weights, biases, thresholds, tasks = (self.host_memory(m, space) for space in Space)
        m.submodules.spikes = spikes = SpikeMemory(config)
        m.submodules.sequencer = sequencer = Sequencer(config)
        m.submodules.scanner = scanner = Scanner(config)
        m.submodules.lanes = lanes = (
            ChainedLanes(config) if config.chain > 1 else Lanes(config)
        )
        m.submodules.drain = drain = Drain(config)
        m.submodules.neuron = neuron = NeuronUnit(config)
        if config.convolution:
            skeleton, writeback = PoolUnit(config), ConvolutionOutput(config, self.index)
        else:
            skeleton, writeback = SkeletonUnit(config), DenseOutput(config, self.index)
        m.submodules.skeleton, m.submodules.writeback = skeleton, writeback
        m.submodules.counters = counters = ScanCounters(config)
        m.submodules.scan_task = scan_task = TaskReader(config, layout.scan, 0)
        m.submodules.neuron_task = neuron_task = TaskReader(
            config, layout.neuron, len(layout.scan), held=1
        )

        # Windows: two slots, each from the loader's last row to the END of its window.
        slots = [Signal(self.windows.payload.shape(), name=f"window{i}") for i in range(2)]
        load, draining = Signal(), Signal()
        held, unscanned, under_way = (
            Signal(range(3), name=name) for name in ("held", "unscanned", "under_way")
        )
        window = Signal(self.windows.payload.shape())
        current = Signal(mark_layout(config))  # of the group that is emitted
        ended, accepted = Signal(), Signal()
        m.d.comb += [
            self.windows.ready.eq(held != 2),
            self.busy.eq(under_way != 0),
            accepted.eq(self.windows.valid & self.windows.ready),
            sequencer.waiting.eq(unscanned != 0),
            sequencer.base.eq(Mux(load ^ unscanned[0], slots[1].base, slots[0].base)),
            window.eq(Mux(draining, slots[1], slots[0])),
        ]
        m.d.sync += [
            held.eq(held + accepted - ended),
            unscanned.eq(unscanned + accepted - sequencer.take),
            under_way.eq(under_way + sequencer.take - (writeback.settles & current.window)),
            draining.eq(draining ^ ended),
        ]
        with m.If(accepted):
            m.d.sync += load.eq(~load)
            for i, slot in enumerate(slots):
                with m.If(load == i):
                    m.d.sync += slot.eq(self.windows.payload)

        # Task memory: the neuron side goes first, it reads less often.
        m.d.comb += [
            tasks.enable.eq(1),
            tasks.address.eq(
                Mux(neuron_task.request, neuron_task.address, scan_task.address)
            ),
            neuron_task.grant.eq(1),
            scan_task.grant.eq(~neuron_task.request),
            neuron_task.data.eq(tasks.data),
            scan_task.data.eq(tasks.data),
        ]

        # Scan side.
        m.d.comb += [
            spikes.write.eq(self.bus_valid),
            spikes.written.eq(self.bus),
            sequencer.row_received.eq(
                self.bus_valid & self.bus_inner & (self.bus.beat == config.row_beats - 1)
            ),
            sequencer.written.eq(tasks.write),
            sequencer.loaded.eq(scan_task.loaded),
            sequencer.scan.eq(scan_task.fields),
            sequencer.walked.eq(scanner.walked),
            scan_task.start.eq(sequencer.load),
            scan_task.task.eq(sequencer.task),
            scanner.available.eq(sequencer.available),
            scanner.flags.eq(spikes.flags),
            spikes.flags_row.eq(scanner.flags_row),
        ]
        connect(m, sequencer.fields, scanner.fields)
        # From here on chained lanes, of large arrays, have a register more for the sake of the
        # clock; a group that leaves takes the place of an event there.
        chained = config.chain > 1
        fetch, event = Signal(), Signal.like(scanner.event)
        domain = m.d.sync if chained else m.d.comb
        domain += [fetch.eq(scanner.issue), event.eq(scanner.event)]
        if config.wide_weights:
            paired = Signal()
            m.d.sync += paired.eq(event.paired)
            domain += lanes.low.eq(paired)
        issued, chosen = Signal(), Signal()
        beat_bits = config.row_beats.bit_length() - 1
        lane = Signal(unsigned(len(event.lane) - beat_bits))
        m.d.sync += [chosen.eq(fetch), lane.eq(event.lane)]
        domain += [
            issued.eq(chosen),
            weights.enable.eq(fetch),
            weights.address.eq(event.weight + (event.lane if config.convolution else 0)),
            lanes.word.eq(spikes.words.word_select(lane, config.window)),
        ]
        m.d.comb += [
            spikes.words_row.eq(event.row),
            spikes.words_beat.eq(event.lane[len(lane) :]),
            lanes.add.eq(issued),
            lanes.weights.eq(weights.data),
            lanes.shift.eq(drain.shift),
        ]

        # A finished group leaves the lanes when its last event is in and the neuron side is free.
        finished = Signal()
        mark = Signal(mark_layout(config))
        swap, free = Signal(), Signal()
        leaving = Signal(data.StructLayout(
            {"swap": 1, "filled": 1, "task": 1, "mark": mark_layout(config)}
        ))
        m.d.comb += [
            leaving.swap.eq(swap),
            leaving.filled.eq(swap & ~mark.empty),
            leaving.task.eq(swap & mark.task),
            leaving.mark.eq(mark),
            sequencer.quiet.eq(scanner.idle & ~finished & ~fetch & ~chosen & ~issued),
        ]
        if chained:
            at, moving = Signal(range(config.chain)), Signal()
            m.d.comb += [
                swap.eq(finished & free),
                scanner.hold.eq(finished | moving),
                counters.draining.eq(finished & ~free),
            ]
            m.d.sync += at.eq(at + moving)
            with m.If(swap):
                m.d.sync += [at.eq(1), moving.eq(1)]
            with m.Elif(at == config.chain - 1):
                m.d.sync += moving.eq(0)
            for stage in range(3):
                later = Signal(leaving.shape(), name=f"leaving{stage}")
                m.d.sync += later.eq(leaving)
                leaving = later
        else:
            m.d.comb += [
                swap.eq(finished & ~issued & free),
                scanner.hold.eq(finished & ~swap),
                counters.draining.eq(finished & ~issued & ~free),
            ]
        m.d.comb += lanes.swap.eq(leaving.filled if config.convolution else leaving.swap)
        with m.If(scanner.finish):
            m.d.sync += [finished.eq(1), mark.eq(scanner.mark)]
        with m.Elif(swap):
            m.d.sync += finished.eq(0)
        m.d.comb += [
            self.arrived.eq(sequencer.arrived),
            sequencer.go.eq(self.go),
            counters.waiting.eq((scanner.blocked | sequencer.arrived) & ~finished),
        ]
        m.d.comb += [
            counters.issued.eq(issued),
            counters.word.eq(lanes.word),
            counters.close.eq(leaving.task),
        ]

        if config.recurrence:
            m.d.comb += sequencer.first.eq(Mux(load ^ unscanned[0], slots[1].first, slots[0].first))
            m.d.sync += writeback.odd.eq(writeback.odd ^ ended)

        # Neuron side.
        settings = neuron_task.fields
        m.submodules.groups = groups = (Overlap if config.convolution else Turns)(config)
        started = Signal()
        m.d.sync += started.eq(leaving.filled)
        m.d.comb += [
            groups.held.eq(held != 0),
            neuron_task.start.eq(groups.load),
            neuron_task.task.eq(groups.task),
            groups.loaded.eq(neuron_task.loaded),
            groups.settings.eq(settings),
            free.eq(groups.free),
            groups.swap.eq(swap),
            groups.mark.eq(mark),
            groups.arrives.eq(started),
            drain.start.eq(groups.start),
            writeback.group.start.eq(groups.emit),
            groups.emitted.eq(writeback.done),
            current.eq(groups.mark_emitted),
        ]
        row_is_read = (
            settings.send_spikes | settings.send_skeleton | settings.report_spikes
            | settings.report_skeleton | (settings.monitor & writeback.group.trace)
        )
        if config.convolution:
            entering = Signal()
            m.d.sync += [groups.arrived.eq(leaving.mark), entering.eq(groups.odd)]
            m.d.comb += [
                groups.ready.eq(drain.ready),
                groups.late.eq(drain.late),
                # Only groups that are emitted before the next one starts have a tail.
                drain.align.eq(row_is_read | ~settings.report_membrane),
                writeback.hold.eq(drain.tail),
                neuron.tag.eq(Cat(entering, drain.last)),
                groups.odd_done.eq(neuron.done_tag[0]),
                skeleton.take.eq(groups.take),
                writeback.group.number.eq(groups.run),
                skeleton.select_skeleton.eq(writeback.select_skeleton),
                skeleton.beat.eq(writeback.beat),
                skeleton.own.eq(writeback.own),
                skeleton.pooled.eq(writeback.pooled),
                skeleton.store.eq(writeback.store),
                writeback.words.eq(skeleton.words),
            ]
            short, short_emitted = groups.mark_entering.short, current.short
        else:
            m.d.comb += [
                groups.computed.eq(drain.finished),
                drain.under_way.eq(neuron.busy),
                drain.align.eq(row_is_read),
                skeleton.rotate.eq(writeback.rotate),
                writeback.group.number.eq(groups.group),
                writeback.row.eq(skeleton.row),
            ]
            short = short_emitted = current.task
        neurons = Signal(unsigned(bits_for(config.lanes)))
        neurons_emitted = Signal.like(neurons)
        domain = m.d.sync if chained else m.d.comb
        domain += [
            neurons.eq(Mux(short, settings.lanes_last, config.lanes)),
            neurons_emitted.eq(Mux(short_emitted, settings.lanes_last, config.lanes)),
        ]
        m.d.comb += [
            ended.eq(writeback.done & current.window),
            drain.neurons.eq(neurons),
            drain.steps.eq(window.steps),
            drain.pixels.eq(settings.pixels),
            *([drain.halves.eq(settings.halves)] if config.wide_weights else []),
            drain.sums.eq(lanes.sums),
        ]

        # Parameters and state of the neuron that enters.
        depth = config.state_groups * config.lanes if config.state else config.lanes
        m.submodules.state = state = Memory(
            shape=state_layout(config), depth=depth, init=[], attrs=NO_COLLISION
        )
        state_read, state_write = state.read_port(), state.write_port()
        lane_bits = config.lanes.bit_length() - 1
        reads = drain.occupied if config.convolution else drain.read
        read_lane = Mux(reads, drain.lane, writeback.group.membrane_lane)
        for memory in (biases, thresholds):
            m.d.comb += [memory.enable.eq(1), memory.address.eq(Cat(drain.lane, groups.parameters))]
        fresh = Signal()
        m.d.comb += [
            state_read.addr.eq(Cat(read_lane[:lane_bits], groups.state)),
            state_write.addr.eq(Cat(neuron.done_lane, groups.state_done)),
            state_write.en.eq(neuron.done),
            state_write.data.eq(neuron.done_state),
            fresh.eq(window.first & drain.first_pass),
            neuron.settings.eq(settings),
            neuron.valid.eq(drain.valid),
            neuron.lane.eq(drain.entering),
            neuron.steps.eq(drain.exists),
            neuron.first.eq(drain.first),
            neuron.bias.eq(biases.data),
            neuron.threshold.eq(thresholds.data),
            neuron.current.eq(drain.current),
            neuron.sums.eq(drain.taken),
            neuron.state.eq(state_read.data),
        ]
        with m.If(fresh):
            m.d.comb += [neuron.state.eq(0), neuron.state.v.eq(settings.v_init)]

        # AND unit and write-back. What moves the row goes to all of it: from a register.
        domain = m.d.sync if chained else m.d.comb
        if config.convolution:
            domain += [
                skeleton.write.eq(neuron.done),
                skeleton.fired.eq(neuron.done_spikes),
                skeleton.step.eq(neuron.done_first),
                skeleton.before.eq(neuron.done_before),
                skeleton.clear.eq(writeback.done & current.task),
                groups.complete.eq(neuron.done & neuron.done_tag[1]),
                groups.odd_complete.eq(neuron.done_tag[0]),
            ]
        else:
            domain += [
                skeleton.first.eq(drain.valid & drain.first_pass),
                skeleton.fill.eq(drain.fill),
                skeleton.thin.eq(writeback.apply_skeleton),
                skeleton.before.eq(neuron.state.r),
                skeleton.write.eq(neuron.write),
                skeleton.fired.eq(neuron.fired),
                skeleton.stable.eq(neuron.stable),
                skeleton.step.eq(neuron.step),
                skeleton.clear.eq(writeback.done),
            ]
        domain += skeleton.clear_counts.eq(writeback.done & current.task)
        m.d.comb += [
            writeback.group.mark.eq(current),
            writeback.group.settings.eq(settings),
            writeback.group.neurons.eq(neurons_emitted),
            writeback.group.last_window.eq(window.last),
            Cat(writeback.group.trace, writeback.group.counters).eq(self.report_flags),
            writeback.group.membrane.eq(state_read.data.v),
            writeback.group.counts.eq(counters.counts),
            writeback.group.spike_count.eq(skeleton.spike_count),
            writeback.group.stable_count.eq(skeleton.stable_count),
            writeback.group.time.eq(self.time),
        ]
        connect(m, writeback.rows, flipped(self.rows))
        connect(m, writeback.reports, flipped(self.reports))
        return m
