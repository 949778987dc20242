"""Scan side of a core: from the spikes of a map to the sums of a group."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec import ArrayConfig, task_layout
from stablespike.spec.link import Space

from ..lib.ports import bus_signature, read_signature, space_shape, tasks_signature, window_layout
from ..lib.registers import pipeline
from ..neurons.group_scheduler import handover_signature
from ..scan.chained_lanes import ChainedLanes
from ..scan.lanes import Lanes
from ..scan.scan_counters import ScanCounters, scan_counts
from ..scan.scanner import Scanner
from ..scan.sequencer import Sequencer
from ..scan.spike_memory import SpikeMemory
from .lane_swap import LaneSwap

__all__ = ["ScanSide"]


class ScanSide(wiring.Component):
    """Walks the task list, finds the spikes of each task's map, and adds their weights.

    An event is added two cycles after the scanner issued it, in pipelined arrays five:

        cycle       0       1            2            3       4          5
        small       event   word, weights, added
        pipelined   event   fetch        word, weights        lanes in   added

    A group leaves the lanes in the cycle after its last event, when the neuron side is free; the
    next group's events follow as soon as the lanes take them.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    bus : In(bus_signature(config))
        The spike bus; all rows on it are kept.
    weights : Out(read_signature(...))
        The weight memory.
    tasks : Out(tasks_signature(config, ...))
        The tasks' scan fields.
    tasks_written : In(1)
        The host writes to the task memory in this cycle.
    waiting, window, take : In(1), In(window_layout(config)), Out(1)
        The next window, as ``Windows`` gives it.
    arrived : Out(1)
        This core has come to a ``sync``.
    go : In(1)
        All cores have.
    groups : Out(handover_signature(config))
        Groups that leave the lanes.
    shift : In(config.window)
        Move chain ``t`` of the lanes' shadow on to the next lane.
    sums : Out(ArrayLayout(signed(config.acc_bits), config.window))
        What the chains show.
    counts : Out(scan_counts(config))
        What the scan of the task closed last has counted.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "bus": In(bus_signature(config)),
                "weights": Out(read_signature(*space_shape(config, Space.WEIGHTS))),
                "tasks": Out(tasks_signature(config, task_layout(config).scan)),
                "tasks_written": In(1),
                "waiting": In(1),
                "window": In(window_layout(config)),
                "take": Out(1),
                "arrived": Out(1),
                "go": In(1),
                "groups": Out(handover_signature(config)),
                "shift": In(config.window),
                "sums": Out(data.ArrayLayout(signed(config.acc_bits), config.window)),
                "counts": Out(scan_counts(config)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        m.submodules.spikes = spikes = SpikeMemory(config)
        m.submodules.sequencer = sequencer = Sequencer(config)
        m.submodules.scanner = scanner = Scanner(config)
        m.submodules.lanes = lanes = (ChainedLanes if config.chain > 1 else Lanes)(config)
        m.submodules.swap = swap = LaneSwap(config)
        m.submodules.counters = counters = ScanCounters(config)
        connect(m, sequencer.fields, scanner.fields)
        connect(m, swap.groups, flipped(self.groups))
        under_way = self._add_events(m, scanner, spikes, lanes)
        m.d.comb += [
            spikes.write.eq(self.bus.valid),
            spikes.written.eq(self.bus.row),
            spikes.flags_row.eq(scanner.flags_row),
            scanner.flags.eq(spikes.flags),
            scanner.available.eq(sequencer.available),
            scanner.hold.eq(swap.hold),

            sequencer.waiting.eq(self.waiting),
            sequencer.base.eq(self.window.base),
            self.take.eq(sequencer.take),
            sequencer.row_received.eq(
                self.bus.valid & self.bus.inner & (self.bus.row.beat == config.row_beats - 1)
            ),
            sequencer.written.eq(self.tasks_written),
            self.tasks.start.eq(sequencer.load),
            self.tasks.task.eq(sequencer.task),
            sequencer.loaded.eq(self.tasks.loaded),
            sequencer.scan.eq(self.tasks.fields),
            sequencer.walked.eq(scanner.walked),
            sequencer.quiet.eq(scanner.idle & ~swap.finished & ~under_way),
            self.arrived.eq(sequencer.arrived),
            sequencer.go.eq(self.go),

            swap.finish.eq(scanner.finish),
            swap.mark.eq(scanner.mark),
            swap.adding.eq(lanes.add),
            lanes.swap.eq(swap.swap_lanes),
            lanes.shift.eq(self.shift),
            self.sums.eq(lanes.sums),

            counters.issued.eq(lanes.add),
            counters.word.eq(lanes.word),
            counters.waiting.eq((scanner.blocked | sequencer.arrived) & ~swap.finished),
            counters.draining.eq(swap.draining),
            counters.close.eq(swap.close),
            self.counts.eq(counters.counts),
        ]
        if config.recurrence:
            m.d.comb += sequencer.first.eq(self.window.first)
        return m

    def _add_events(self, m: Module, scanner: Scanner, spikes: SpikeMemory, lanes: Lanes) -> Value:
        """Fetch word and weights of each event, for the lanes; whether events are on their way.

        In pipelined arrays a register comes before the memories and one behind them.
        """
        config = self.config
        fetch, event = Signal(), Signal.like(scanner.event)
        fetched = Signal()
        lane_bits = config.lanes.bit_length() - config.row_beats.bit_length()  # within a beat
        lane = Signal(unsigned(lane_bits))
        domain = pipeline(m, config)
        domain += [
            fetch.eq(scanner.issue),
            event.eq(scanner.event),
            self.weights.enable.eq(fetch),
            self.weights.address.eq(event.weight + (event.lane if config.convolution else 0)),
            lanes.add.eq(fetched),
            lanes.word.eq(spikes.words.word_select(lane, config.window)),
        ]
        m.d.sync += [fetched.eq(fetch), lane.eq(event.lane)]
        m.d.comb += [
            spikes.words_row.eq(event.row),
            spikes.words_beat.eq(event.lane[lane_bits:]),
            lanes.weights.eq(self.weights.data),
        ]
        if config.wide_weights:
            paired = Signal()
            m.d.sync += paired.eq(event.paired)
            domain += lanes.low.eq(paired)
        return fetch | fetched | lanes.add
