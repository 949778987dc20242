"""Field walker: a convolution's receptive fields as runs of words, position by position."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec import ArrayConfig, bits_for, task_layout
from stablespike.spec.task import PLACE_BITS, STEP_BITS

from ..lib.layouts import struct
from ..lib.stream_registers import SkidBuffer
from .scanner import field_layout, mark_layout

__all__ = ["FieldWalker"]

LATENCY = 6


class FieldWalker(wiring.Component):
    """Of a task, one field for every kernel row that lies on the map, clipped to it.

    The order is that of ``spec.report``: pooled positions, groups, positions in the pool, kernel
    rows. A kernel row is looked at per cycle, on the map or not, and a position takes two more; the
    first field comes ``LATENCY`` cycles after ``start``. The last field of a position has the mark
    of its group.

    Members
    -------
    start : walk the task ``scan``; only while not ``busy``.
    scan, base : the task, and the first row of the window's input; they hold while ``busy``.
    odd, fresh : with recurrence: the window's number is odd, it is its sample's first; they hold.
    busy : fields are still to come.
    fields : to the scanner.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "scan": In(struct(*task_layout(config).scan)),
                "base": In(unsigned(bits_for(config.spike_rows - 1))),
                **({"odd": In(1), "fresh": In(1)} if config.recurrence else {}),
                "busy": Out(1),
                "fields": Out(stream.Signature(field_layout(config))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        config, scan = self.config, self.scan
        place = scan.shape()["line"].shape
        along = signed(place.width + 1)
        down = signed(PLACE_BITS + STEP_BITS)
        advance = Signal()

        # Where the walk is: the corner of the pool, the position in it, the kernel row. The parts
        # that move rarely move between two positions, which saves selectors.
        column_x, x = (Signal(along, name=n, reset_less=True) for n in ("column_x", "x"))
        top_y, y, row_y = (Signal(down, name=n, reset_less=True) for n in ("top_y", "y", "row_y"))
        top_line, line, row_line = (
            Signal(place, name=n, reset_less=True) for n in ("top_line", "line", "row_line")
        )
        group_weight, weight = (
            Signal(scan.shape()["weights"].shape, name=n, reset_less=True)
            for n in ("group_weight", "weight")
        )
        rows_left, down_pool, along_pool = (
            Signal(STEP_BITS, name=n, reset_less=True)
            for n in ("rows_left", "down_pool", "along_pool")
        )
        group = Signal.like(scan.groups, reset_less=True)
        columns, lines = (
            Signal(PLACE_BITS, name=n, reset_less=True) for n in ("columns", "lines")
        )
        windows = Signal.like(scan.windows, reset_less=True)
        origin = Signal.like(self.base, reset_less=True)
        # The layer's own spikes come in front of the map, which is a single kernel row then.
        own, recurrent, old = Signal(), Signal(), Signal()
        own_origin, own_span = Signal.like(origin, reset_less=True), Signal(place)
        lane = config.lanes.bit_length() - 1
        shift = Mux(scan.external, self.base, 0)
        if config.recurrence:
            m.d.comb += [
                recurrent.eq(scan.own_rows != 0), old.eq(~self.fresh),
                own_span.eq(scan.own_rows << lane),
            ]
            m.d.sync += own_origin.eq(scan.own + Mux(self.odd, 0, scan.own_rows))
            shift = Mux(scan.external, self.base, Mux(self.odd, scan.flip, 0))

        exists, along_last, down_last, group_last, column_last, window_last = (
            Signal(name=n) for n in (
                "exists", "along_last", "down_last", "group_last", "column_last", "window_last"
            )
        )
        turn = Signal()
        position = Signal(mark_layout(config), reset_less=True)  # that of its last kernel row
        m.d.comb += [
            exists.eq((along_pool < columns) & (down_pool < lines)),
            along_last.eq(along_pool + 1 == scan.pool),
            down_last.eq(down_pool + 1 == scan.pool),
            group_last.eq(group + 1 >= scan.groups),
            column_last.eq(columns <= scan.pool),
            window_last.eq(windows == 1),
            # The last position in the pool that there is.
            turn.eq(
                (along_last | (along_pool + 1 == columns))
                & (down_last | (down_pool + 1 == lines))
            ),
        ]
        next_x, next_y, next_line = Signal.like(x), Signal.like(y), Signal.like(line)
        m.d.comb += [
            next_x.eq(x + scan.step_x), next_y.eq(y + scan.step_y),
            next_line.eq(line + scan.step_line),
        ]
        walking, there = Signal(), Signal()
        with m.FSM() as fsm:
            m.d.comb += walking.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.sync += [
                    down_pool.eq(0), along_pool.eq(0), group.eq(0), group_weight.eq(scan.weights),
                    columns.eq(scan.start_columns), lines.eq(scan.lines), windows.eq(scan.windows),
                    x.eq(scan.start_x), column_x.eq(scan.start_x),
                    y.eq(scan.first_y), top_y.eq(scan.first_y),
                    line.eq(scan.first_line), top_line.eq(scan.first_line),
                    origin.eq(scan.source + shift),
                ]
                with m.If(self.start):
                    m.next = "POSITION"
            with m.State("POSITION"):
                m.d.sync += [
                    own.eq(recurrent), row_y.eq(y), row_line.eq(line),
                    rows_left.eq(scan.kernel_rows),
                    position.group.eq(1), position.empty.eq(scan.groups == 0),
                    position.short.eq(group_last), position.turn.eq(turn),
                    position.emit.eq(turn & (columns >= scan.pool) & (lines >= scan.pool)),
                    position.task.eq(turn & group_last & window_last),
                    position.window.eq(turn & group_last & window_last & scan.last),
                ]
                m.next = "MOVE"
                with m.If(exists):
                    m.d.sync += weight.eq(group_weight)
                    m.next = "ROWS"
            with m.State("ROWS"):
                m.d.comb += there.eq(Mux(own, old, (row_y >= 0) & (row_y < scan.height)))
                with m.If(advance):
                    m.d.sync += [own.eq(0), weight.eq(weight + Mux(own, own_span, scan.span))]
                    with m.If(~own):
                        m.d.sync += [
                            row_y.eq(row_y + 1), row_line.eq(row_line + scan.line),
                            rows_left.eq(rows_left - 1),
                        ]
                        with m.If(rows_left == 1):
                            m.next = "MOVE"
            with m.State("MOVE"):
                m.next = "POSITION"
                m.d.sync += [along_pool.eq(along_pool + 1), x.eq(next_x)]
                with m.If(along_last):
                    m.d.sync += [
                        along_pool.eq(0), x.eq(column_x), down_pool.eq(down_pool + 1),
                        y.eq(next_y), line.eq(next_line),
                    ]
                    with m.If(down_last):
                        m.d.sync += [
                            down_pool.eq(0), group.eq(group + 1), group_weight.eq(weight),
                            y.eq(top_y), line.eq(top_line),
                        ]
                        with m.If(group_last):
                            m.d.sync += [
                                group.eq(0), group_weight.eq(scan.weights),
                                x.eq(next_x), column_x.eq(next_x), columns.eq(columns - scan.pool),
                                windows.eq(windows - 1),
                            ]
                            with m.If(column_last):
                                m.d.sync += [
                                    x.eq(scan.first_x), column_x.eq(scan.first_x),
                                    columns.eq(scan.columns), lines.eq(lines - scan.pool),
                                    y.eq(next_y), top_y.eq(next_y),
                                    line.eq(next_line), top_line.eq(next_line),
                                ]
                            with m.If(window_last):
                                m.next = "IDLE"
        mark = Signal(mark_layout(config))
        with m.If(~own & ((rows_left == 1) | (row_y + 1 == scan.height))):
            m.d.comb += mark.eq(position)

        # A kernel row, clipped; its first and last word; their rows.
        carried = {"there": 1, "own": 1, "mark": mark_layout(config), "weight": weight.shape()}
        looked = Signal(data.StructLayout({**carried, "x": along, "line": place}))
        clipped = Signal(data.StructLayout(
            {**carried, "begin": place, "end": place, "skipped": place, "line": place}
        ))
        found = Signal(data.StructLayout({**carried, "first": place, "last": place}))
        with m.If(advance):
            beyond = Signal(signed(place.width + 2))
            m.d.comb += beyond.eq(looked.x + scan.span)
            m.d.sync += [
                looked.there.eq(there), looked.own.eq(own),
                looked.mark.eq(mark), looked.weight.eq(weight), looked.x.eq(Mux(own, 0, x)),
                looked.line.eq(Mux(own, 0, row_line)),

                clipped.there.eq(looked.there), clipped.own.eq(looked.own),
                clipped.mark.eq(looked.mark),
                clipped.weight.eq(looked.weight), clipped.line.eq(looked.line),
                clipped.begin.eq(Mux(looked.x < 0, 0, looked.x)),
                clipped.skipped.eq(Mux(looked.x < 0, -looked.x, 0)),
                clipped.end.eq(Mux(
                    looked.own, own_span, Mux(beyond > scan.width, scan.width, beyond)
                )),

                found.there.eq(clipped.there), found.own.eq(clipped.own),
                found.mark.eq(clipped.mark),
                found.weight.eq(clipped.weight + clipped.skipped),
                found.first.eq(clipped.line + clipped.begin),
                found.last.eq(clipped.line + clipped.end - 1),
            ]
        m.submodules.buffer = buffer = SkidBuffer(self.fields.payload.shape())
        connect(m, buffer.o, flipped(self.fields))
        field = buffer.i.payload
        head = found.first[:lane]
        m.d.comb += [
            advance.eq(buffer.i.ready),
            buffer.i.valid.eq(found.there),
            field.row.eq(Mux(found.own, own_origin, origin) + found.first[lane:]),
            field.rows.eq(found.last[lane:] - found.first[lane:] + 1),
            field.head.eq(head),
            field.tail.eq(found.last[:lane]),
            field.weight.eq(found.weight - head),
            field.mark.eq(found.mark),
            *([field.paired.eq(scan.paired)] if config.wide_weights else []),
            self.busy.eq(
                walking | looked.there | clipped.there | found.there | buffer.o.valid
            ),
        ]
        return m
