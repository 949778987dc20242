"""Sequencer: walks a core's task list, window after window, and gives the scanner its fields."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec import ArrayConfig, bits_for, task_layout

from ..lib.layouts import struct
from .address_generator import FieldWalker
from .scanner import field_layout

__all__ = ["Sequencer"]


class Sequencer(wiring.Component):
    """For every task of the list: wait for the other cores where it says so, then hand out one
    field per group, with convolution those of a ``FieldWalker``.

    Rows of inner maps are counted as they arrive (``received``). A task may read all of its map
    the cycle after ``wait`` rows have come, and row ``r`` of one in order when ``r + 1`` have; they
    are taken off the count when the task has read its map. A task without groups only waits and
    counts off.

    Between two tasks the finder stands still for the words of a scan task + 3 cycles, with
    convolution ``FieldWalker``'s latency more, while the issuer works off its queue. The first task
    is read before its window is there, and again when the list was written.

    Members
    -------
    waiting, base, take : a window is there, with its first input row; taken when its list starts.
    first : with recurrence: it is the first of its sample.
    written : the task memory was.
    load, task, loaded, scan : the task reader.
    fields, walked, available : the scanner.
    row_received : an inner map's row came over the bus.
    quiet : all that was handed out has been issued.
    arrived, go : at a ``sync``: this core is there; all are.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "waiting": In(1),
                "base": In(unsigned(bits_for(config.spike_rows - 1))),
                "take": Out(1),
                **({"first": In(1)} if config.recurrence else {}),
                "written": In(1),
                "load": Out(1),
                "task": Out(unsigned(bits_for(config.tasks - 1))),
                "loaded": In(1),
                "scan": In(struct(*task_layout(config).scan)),
                "fields": Out(stream.Signature(field_layout(config))),
                "walked": In(1),
                "available": Out(unsigned(bits_for(config.spike_rows))),
                "row_received": In(1),
                "quiet": In(1),
                "arrived": Out(1),
                "go": In(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        scan = self.scan
        base = Signal.like(self.base, reset_less=True)
        received = Signal.like(scan.wait)
        read = Signal()
        complete = Signal()
        # A register: the comparison is slow, and of a map in order no row waits for it.
        m.d.sync += complete.eq(received >= scan.wait)
        with m.If(complete):
            m.d.comb += self.available.eq(self.config.spike_rows)
        with m.Elif(scan.ordered):
            m.d.comb += self.available.eq(received)
        with m.If(read):
            m.d.sync += received.eq(received + self.row_received - scan.wait)
        with m.Else():
            m.d.sync += received.eq(received + self.row_received)

        over = Const(1)  # all fields of the task have been handed out
        if self.config.convolution:
            m.submodules.walker = walker = FieldWalker(self.config)
            connect(m, walker.fields, flipped(self.fields))
            m.d.comb += [walker.scan.eq(scan), walker.base.eq(base)]
            if self.config.recurrence:
                odd, fresh = Signal(init=1), Signal()
                m.d.comb += [walker.odd.eq(odd), walker.fresh.eq(fresh)]
                with m.If(self.take):
                    m.d.sync += [odd.eq(~odd), fresh.eq(self.first)]
            over = ~walker.busy
        else:
            task_ends = self._group_fields(m, base)

        first, stale = Signal(), Signal(init=1)
        m.d.comb += first.eq(self.task == 0)
        with m.If(self.load):
            m.d.sync += stale.eq(0)
        with m.If(self.written):
            m.d.sync += stale.eq(1)

        with m.FSM():
            with m.State("LOAD"):
                with m.If(first & stale):
                    m.d.comb += self.load.eq(1)
                with m.Elif(self.loaded & (self.waiting | ~first)):
                    m.d.comb += self.take.eq(first)
                    m.next = "WALK"
                    with m.If(scan.sync):
                        m.next = "WAIT FOR CORES"
            with m.State("WAIT FOR CORES"):
                m.d.comb += self.arrived.eq(self.quiet)
                with m.If(self.go):
                    m.next = "WALK"
            with m.State("WALK"):
                if self.config.convolution:
                    m.d.comb += walker.start.eq(1)
                    m.next = "READ"
                else:
                    m.d.comb += self.fields.valid.eq(1)
                    with m.If(task_ends):
                        m.next = "READ"
            with m.State("READ"), m.If(over & self.walked & complete):
                m.d.comb += [read.eq(1), self.load.eq(1)]
                m.d.sync += self.task.eq(Mux(scan.last, 0, self.task + 1))
                m.next = "LOAD"
        with m.If(self.take):
            m.d.sync += base.eq(self.base)
        return m

    def _group_fields(self, m: Module, base: Value) -> Value:
        """The whole map, once for every group; returns whether the task's last is handed out."""
        scan, field = self.scan, self.fields.payload
        group = Signal.like(scan.groups)
        weight = Signal.like(scan.weights, reset_less=True)
        m.d.comb += [
            field.row.eq(scan.source),
            field.rows.eq(scan.rows),
            field.weight.eq(weight),
            field.mark.group.eq(1),
            field.mark.task.eq(group + 1 >= scan.groups),
            field.mark.window.eq(field.mark.task & scan.last),
            field.mark.empty.eq(scan.groups == 0),
        ]
        with m.If(scan.external):
            m.d.comb += field.row.eq(scan.source + base)
        with m.If(self.fields.valid & self.fields.ready):
            m.d.sync += [group.eq(group + 1), weight.eq(weight + scan.rows)]
        with m.Elif(~self.fields.valid):
            m.d.sync += [group.eq(0), weight.eq(scan.weights)]
        return self.fields.ready & field.mark.task
