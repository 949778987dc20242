"""Sequencer: runs a core's task list once per window and gives the scanner its scan ranges."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec import ArrayConfig, bits_for, task_layout

from ..lib.layouts import struct
from .address_generator import AddressGenerator
from .scanner import range_layout

__all__ = ["Sequencer"]


class Sequencer(wiring.Component):
    """For every task: waits for the other cores if the task says so, then issues its scan ranges.

    There is one range per group, or one for each plane of a group, and one in front of it for the
    own spikes of a recurrent layer; with convolution, an ``AddressGenerator`` makes the ranges.

    Rows of inner maps are counted as they arrive. A task may read all of its map in the cycle after
    ``wait`` rows have come, and row ``r`` of a map that comes in order once ``r + 1`` rows have.
    The rows are subtracted from the count when the task has read its map. A task without groups
    only waits and subtracts.

    Between two tasks, the finder is idle for 3 cycles plus one per word of a scan task, and with
    convolution also for the latency of ``AddressGenerator``. Meanwhile, the issuer empties its
    queue. The first task is read before its window is there, and read again if the list was
    written.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    waiting : In(1)
        A window is there; held until ``take``.
    base : In(unsigned)
        First row of that window's input.
    take : Out(1)
        The window is taken; its task list starts.
    first : In(1)
        With recurrence: that window is the first one of its sample.
    written : In(1)
        The task memory is written in this cycle.
    load : Out(1)
        Read task ``task``, which is valid from the next cycle on.
    task : Out(unsigned)
        Number of the task to read.
    loaded : In(1)
        The task was read; low from the cycle after ``load`` until then.
    scan : In(task_layout(config).scan)
        The task, while ``loaded``.
    ranges : Out(stream.Signature(range_layout(config)))
        Scan ranges, to the scanner.
    walked : In(1)
        The scanner's ``walked``.
    available : Out(unsigned)
        Rows of the map that may be read by now.
    row_received : In(1)
        A row of an inner map arrived over the bus.
    quiet : In(1)
        All events of the ranges so far have been issued.
    arrived : Out(1)
        The task has a ``sync``, and this core has reached it; also while it waits for a window.
    held : Out(1)
        It waits there for other cores.
    go : In(1)
        All cores have reached it.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "waiting": In(1),
                "base": In(unsigned(bits_for(config.spike_rows - 1))),
                "take": Out(1),
                **({"first": In(1)} if config.recurrence else {}),
                "written": In(1), "load": Out(1),
                "task": Out(unsigned(bits_for(config.tasks - 1))),
                "loaded": In(1),
                "scan": In(struct(*task_layout(config).scan)),
                "ranges": Out(stream.Signature(range_layout(config))),
                "walked": In(1),
                "available": Out(unsigned(bits_for(config.spike_rows))),
                "row_received": In(1), "quiet": In(1), "arrived": Out(1), "go": In(1),
                "held": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        scan = self.scan
        base = Signal.like(self.base, reset_less=True)
        received = Signal.like(scan.wait)
        read = Signal()
        complete = Signal()
        # This is a register, since the comparison is slow; rows of a map that comes in order do not
        # wait for it.
        # It is up to date in WALK, because LOAD lasts at least one cycle with the new ``wait``.
        # Among several cores, the row that arrives now counts: it may be read in the next cycle.
        arriving = self.row_received if self.config.cores > 1 else 0
        m.d.sync += complete.eq(received + arriving >= scan.wait)
        # A number of rows above that of any map means all rows.
        with m.If(complete):
            m.d.comb += self.available.eq(self.config.spike_rows)
        with m.Elif(scan.ordered):
            m.d.comb += self.available.eq(received)
        # A row may arrive in the very cycle in which the rows of the map are subtracted from the
        # count.
        with m.If(read):
            m.d.sync += received.eq(received + self.row_received - scan.wait)
        with m.Else():
            m.d.sync += received.eq(received + self.row_received)

        odd, fresh = Signal(init=1), Signal()
        if self.config.recurrence:
            # Toggles as a window is taken, so the first one after a reset is even.
            with m.If(self.take):
                m.d.sync += [odd.eq(~odd), fresh.eq(self.first)]
        over = Const(1)  # all ranges of the task have been issued
        if self.config.convolution:
            m.submodules.generator = generator = AddressGenerator(self.config)
            connect(m, generator.ranges, flipped(self.ranges))
            m.d.comb += [generator.scan.eq(scan), generator.base.eq(base)]
            if self.config.recurrence:
                m.d.comb += [generator.odd.eq(odd), generator.fresh.eq(fresh)]
            over = ~generator.busy
        else:
            task_ends = self._group_ranges(m, base, odd, fresh)

        several = int(self.config.cores > 1)
        # The first task was read ahead; a write by the host makes it stale.
        first, stale = Signal(), Signal(init=1)
        m.d.comb += first.eq(self.task == 0)
        with m.If(self.load):
            m.d.sync += stale.eq(0)
        with m.If(self.written):
            m.d.sync += stale.eq(1)

        with m.FSM():
            with m.State("LOAD"):
                # Only the first task waits for a window: the list runs once for each.
                with m.If(first & stale):
                    m.d.comb += self.load.eq(1)
                with m.Elif(self.loaded):
                    # A window comes to all cores at once. If all of them wait for it, none waits
                    # for the others behind it.
                    m.d.comb += self.arrived.eq(several & scan.sync & self.quiet)
                    with m.If(self.waiting | ~first):
                        m.d.comb += self.take.eq(first)
                        m.next = "WALK"
                        with m.If(scan.sync & ~(several & self.go)):
                            m.next = "WAIT FOR CORES"
            with m.State("WAIT FOR CORES"):
                # Behind the barrier, other cores may overwrite the maps that this core has read.
                m.d.comb += [self.arrived.eq(self.quiet), self.held.eq(self.quiet)]
                with m.If(self.go):
                    m.next = "WALK"
            with m.State("WALK"):
                if self.config.convolution:
                    m.d.comb += generator.start.eq(1)
                    m.next = "READ"
                else:
                    m.d.comb += self.ranges.valid.eq(1)
                    with m.If(task_ends):
                        m.next = "READ"
            # The finder may still walk the last range while its last row is read.
            # With ``ordered``, a map may be read before all rows that are subtracted have come.
            with m.State("READ"), m.If(over & self.walked & complete):
                m.d.comb += [read.eq(1), self.load.eq(1)]
                m.d.sync += self.task.eq(Mux(scan.last, 0, self.task + 1))
                m.next = "LOAD"
        with m.If(self.take):
            m.d.sync += base.eq(self.base)
        return m

    def _group_ranges(self, m: Module, base: Value, odd: Value, fresh: Value) -> Value:
        """Issue the whole map once for every group, plane by plane, or behind the layer's own
        spikes if it is recurrent; returns whether the task's last range is taken."""
        scan, group_range = self.scan, self.ranges.payload
        # The weights of a group follow those of the group before, in a run of L for each row.
        group = Signal.like(scan.groups)
        weight = Signal.like(scan.weights, reset_less=True)
        source, complete = Mux(scan.external, scan.source + base, scan.source), Const(1)
        if self.config.planes > 1:
            # All planes of a map have the same weights.
            plane, below = Signal.like(scan.last_plane), Signal.like(group_range.row)
            complete = plane == scan.last_plane
            source = source + below
            highest = self.config.planes - 1
            m.d.comb += group_range.place.eq(Mux(plane > highest, highest, plane))
            with m.If(~self.ranges.valid | (self.ranges.ready & complete)):
                m.d.sync += [plane.eq(0), below.eq(0)]
            with m.Elif(self.ranges.ready):
                m.d.sync += [plane.eq(plane + 1), below.eq(below + scan.rows)]
        m.d.comb += [
            group_range.row.eq(source),
            group_range.rows.eq(scan.rows),
            group_range.weight.eq(weight),
            group_range.mark.group.eq(complete),
            # This is not ``==``, because a task that only waits has 0 groups.
            group_range.mark.task.eq(complete & (group + 1 >= scan.groups)),
            group_range.mark.window.eq(group_range.mark.task & scan.last),
            group_range.mark.empty.eq(scan.groups == 0),
        ]
        rows, ends = scan.rows, Const(1)
        if self.config.recurrence:
            own = self._own_range(m, base, odd, fresh)
            rows, ends = group_range.rows, ~own
        with m.If(self.ranges.valid & self.ranges.ready & complete):
            m.d.sync += [group.eq(group + ends), weight.eq(weight + rows)]
        with m.Elif(~self.ranges.valid):
            m.d.sync += [group.eq(0), weight.eq(scan.weights)]
        return self.ranges.ready & group_range.mark.task

    def _own_range(self, m: Module, base: Value, odd: Value, fresh: Value) -> Value:
        """Put the own spikes of a recurrent layer in front of each group's map, as a range of their
        own; returns whether that is the range at hand."""
        scan, group_range, own = self.scan, self.ranges.payload, Signal()
        with m.If(self.ranges.ready | ~self.ranges.valid):
            m.d.sync += own.eq((~own | ~self.ranges.valid) & (scan.recurrent_rows != 0))
        # Odd windows write the second copy of a recurrent map. So they read the first one of their
        # own layer, and the second one of the layer in front.
        m.d.comb += group_range.row.eq(Mux(own, scan.recurrent, scan.source) + Mux(
            own, Mux(odd, 0, scan.recurrent_rows),
            Mux(scan.external, base, Mux(odd, scan.ping_pong, 0)),
        ))
        with m.If(own):
            m.d.comb += [
                group_range.rows.eq(scan.recurrent_rows),
                # The spikes in memory are of the sample before, if this one starts here.
                group_range.mark.eq(0), group_range.mark.empty.eq(fresh),
            ]
        return own
