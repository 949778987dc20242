"""Scan side of a core: from the spikes of a map to the sums of a group."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect
from stablespike.spec import ArrayConfig, task_layout
from stablespike.spec.link import Space
from stablespike.spec.timing import SWAP_STAGES

from ..lib.ports import bus_signature, read_signature, space_shape, tasks_signature
from ..lib.registers import pipeline
from ..neurons.group_scheduler import handover_signature
from ..scan.chained_lanes import ChainedLanes
from ..scan.lanes import Lanes
from ..scan.scan_counters import ScanCounters, scan_counts
from ..scan.scanner import Scanner, mark_layout
from ..scan.sequencer import Sequencer
from ..scan.spike_memory import SpikeMemory
from .windows import scanned_signature

__all__ = ["ScanSide"]


class ScanSide(wiring.Component):
    """Walks the task list, finds the spikes of each task's map, and adds their weights.

    An event is in the sums two cycles after the scanner issued it (five in pipelined arrays):

        cycle       0       1              2        3              4      5
        small       issued  word, weights  in sums
        pipelined   issued  fetch          word     word, weights  added  in sums

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
    weights : Out(read_signature(...)), one for each bank
        The weight memory.
    tasks : Out(tasks_signature(config, ...))
        The tasks' scan fields.
    tasks_written : In(1)
        The host writes to the task memory in this cycle.
    windows : In(scanned_signature(config))
        The next window.
    arrived : Out(1)
        This core has reached a ``sync``.
    go : In(1)
        All cores have reached it.
    groups : Out(handover_signature(config))
        Groups that leave the lanes.
    shift : In(config.window)
        Move chain ``t`` of the lanes' shadow on to the next lane.
    sums : Out(ArrayLayout(signed(config.acc_bits), config.window))
        The outputs of the chains.
    counts : Out(scan_counts(config))
        The counts of the scan of the task that was closed last.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        _, weight_bits = space_shape(config, Space.WEIGHTS)
        super().__init__({
            "bus": In(bus_signature(config)),
            "weights": Out(
                read_signature(config.bank_rows, weight_bits)
            ).array(config.banks),
            "tasks": Out(tasks_signature(config, task_layout(config).scan)),
            "tasks_written": In(1),
            "windows": In(scanned_signature(config)),
            "arrived": Out(1), "go": In(1),
            "groups": Out(handover_signature(config)),
            "shift": In(config.window),
            "sums": Out(data.ArrayLayout(signed(config.acc_bits), config.window)),
            "counts": Out(scan_counts(config)),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        config, bus, tasks, windows = self.config, self.bus, self.tasks, self.windows
        m.submodules.spikes = spikes = SpikeMemory(config)
        m.submodules.sequencer = sequencer = Sequencer(config)
        m.submodules.scanner = scanner = Scanner(config)
        m.submodules.lanes = lanes = (ChainedLanes if config.chain > 1 else Lanes)(config)
        m.submodules.counters = counters = ScanCounters(config)
        connect(m, sequencer.ranges, scanner.ranges)
        under_way = self._add_events(m, scanner, spikes, lanes)
        finished = self._swap(m, scanner, lanes, counters)
        m.d.comb += [
            spikes.write.eq(bus.valid),
            spikes.written.eq(bus.row),
            spikes.flags_row.eq(scanner.flags_row),
            scanner.flags.eq(spikes.flags),
            scanner.available.eq(sequencer.available),

            sequencer.waiting.eq(windows.waiting),
            sequencer.base.eq(windows.window.base),
            windows.take.eq(sequencer.take),
            # Rows of inner maps are counted as they arrive; the host's rows are complete
            # beforehand.
            sequencer.row_received.eq(
                bus.valid & bus.inner & (bus.row.beat == config.row_beats - 1)
            ),
            sequencer.written.eq(self.tasks_written),
            tasks.start.eq(sequencer.load),
            tasks.task.eq(sequencer.task),
            sequencer.loaded.eq(tasks.loaded),
            sequencer.scan.eq(tasks.fields),
            sequencer.walked.eq(scanner.walked),
            sequencer.quiet.eq(scanner.idle & ~finished & ~under_way),
            self.arrived.eq(sequencer.arrived),
            sequencer.go.eq(self.go),

            lanes.shift.eq(self.shift),
            self.sums.eq(lanes.sums),
            counters.issued.eq(lanes.add),
            counters.word.eq(lanes.word),
            counters.waiting.eq((scanner.blocked | sequencer.held) & ~finished),
            self.counts.eq(counters.counts),
        ]
        if config.recurrence:
            m.d.comb += sequencer.first.eq(windows.window.first)
        return m

    def _add_events(self, m: Module, scanner: Scanner, spikes: SpikeMemory, lanes: Lanes) -> Value:
        """Fetch word and weights of each event for the lanes; returns whether events are in flight.

        Pipelined arrays have one register in front of the memories and one behind them.
        """
        config, window = self.config, self.config.window
        row_bits = config.lanes * config.weight_bits
        # Finding the lowest flag takes a whole cycle, which ends in these registers.
        fetch, events = Signal(config.banks), Signal.like(scanner.event)
        fetched = Signal(config.banks)
        event = events[0]  # those of the other banks are of the same row
        lane_bits = config.lanes.bit_length() - config.row_beats.bit_length()  # within a beat
        domain = pipeline(m, config)
        domain += [fetch.eq(scanner.issue), events.eq(scanner.event), lanes.add.eq(fetched)]
        m.d.sync += fetched.eq(fetch)
        m.d.comb += [
            spikes.words_row.eq(event.row), spikes.words_beat.eq(event.lane[lane_bits:]),
        ]
        for bank, weights in enumerate(self.weights):
            lane = Signal(unsigned(lane_bits), name=f"lane{bank}")
            # The weight rows of a convolution may start anywhere, so the lane is added.
            above = events[bank].lane if config.convolution else 0
            domain += [
                # A small array reads in every cycle: an event is known too late in it, and a row
                # that was read for none is not used.
                weights.enable.eq(fetch[bank] if config.pipelined else 1),
                weights.address.eq(events[bank].weight + above),
                # The memory selects the part of the row; the word in that part is selected here.
                lanes.word.word_select(bank, window).eq(spikes.words.word_select(lane, window)),
            ]
            m.d.sync += lane.eq(events[bank].lane)
            m.d.comb += lanes.weights.word_select(bank, row_bits).eq(weights.data)
        if config.wide_weights:
            wide = Signal()
            m.d.sync += wide.eq(event.wide)
            domain += lanes.low.eq(wide)
        if config.planes > 1:
            place = Signal.like(event.place)
            m.d.sync += place.eq(event.place)
            domain += lanes.place.eq(place)
        return (fetch | fetched | lanes.add).any()

    def _swap(
        self, m: Module, scanner: Scanner, lanes: Lanes, counters: ScanCounters
    ) -> Signal:
        """Let a group leave when its last event is in and the neuron side is free.

        Returns whether a group is to leave. In a small array, a swap waits for the last event:

            cycle      0           1           2           3
            scanner    last event              next event
            lanes                  last event  swap        next event

        In a pipelined array, a swap takes the place of an event and passes as many registers on the
        way to the lanes, so it follows the last event without waiting. The lanes take ``chain``
        cycles to empty, here 2:

            cycle      0           1           2           3           4         5     6
            scanner    last event                          next event
            swap                   *
            lanes                                          last event  swap            next event
        """
        config, groups = self.config, self.groups
        mark, swap = groups.mark, groups.swap
        finished = Signal()
        # Without registers in front of the lanes, a swap must wait for the event.
        ready = finished if config.pipelined else finished & ~lanes.add.any()
        m.d.comb += [swap.eq(ready & groups.free), counters.draining.eq(ready & ~groups.free)]
        with m.If(scanner.finish):
            m.d.sync += [finished.eq(1), mark.eq(scanner.mark)]
        with m.Elif(swap):
            m.d.sync += finished.eq(0)

        if config.chain > 1:
            at, moving = Signal(range(config.chain)), Signal()
            # The lanes are empty when the next event arrives, ``chain`` cycles after the swap.
            m.d.comb += scanner.hold.eq(finished | moving)
            m.d.sync += at.eq(at + moving)
            with m.If(swap):
                # ``finished`` holds the scanner in the first cycle, that of the swap.
                m.d.sync += [at.eq(1), moving.eq(1)]
            with m.Elif(at == config.chain - 1):
                m.d.sync += moving.eq(0)
        else:
            # An event issued during the swap reaches the lanes in the cycle after it.
            m.d.comb += scanner.hold.eq(finished & ~swap)

        # This is decided in front of the registers, so that a register drives the many lanes.
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
            # With convolution, a swap switches to the other half of the lanes' memory, so it is
            # done only for groups that are not empty.
            lanes.swap.eq(leaving.filled if config.convolution else leaving.swap),
            # Behind the registers, the task's last event has been counted.
            counters.close.eq(leaving.task),
        ]
        m.d.sync += [groups.arrives.eq(leaving.filled), groups.arrived.eq(leaving.mark)]
        return finished
