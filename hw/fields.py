"""Field walker: a convolution's receptive fields as runs of words, position by position."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec import ArrayConfig, bits_for, task_layout
from stablespike.spec.task import PLACE_BITS, STEP_BITS

from .layouts import struct
from .scanner import field_layout, mark_layout
from .stage import StreamBuffer

__all__ = ["FieldWalker"]

LATENCY = 5


class FieldWalker(wiring.Component):
    """Of a task, one field for every kernel row that lies on the map, clipped to it.

    The order is that of ``spec.report``: pooled positions, groups, positions in the pool, kernel
    rows. A kernel row is looked at per cycle, on the map or not; the first field comes ``LATENCY``
    cycles after ``start``. The last field of a position has the mark of its group.

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

        # Where the walk is: the corner of the pool, the position in it, the kernel row.
        walking = Signal()
        column_x, x = (Signal(along, name=n, reset_less=True) for n in ("column_x", "x"))
        top_y, y, row_y = (Signal(down, name=n, reset_less=True) for n in ("top_y", "y", "row_y"))
        top_line, line, row_line = (
            Signal(place, name=n, reset_less=True) for n in ("top_line", "line", "row_line")
        )
        group_weight, weight, after = (
            Signal(scan.shape()["weights"].shape, name=n, reset_less=True)
            for n in ("group_weight", "weight", "after")
        )
        kernel_row, down_pool, along_pool = (
            Signal(STEP_BITS, name=n, reset_less=True)
            for n in ("kernel_row", "down_pool", "along_pool")
        )
        group = Signal.like(scan.groups, reset_less=True)
        columns, lines = (
            Signal(PLACE_BITS, name=n, reset_less=True) for n in ("columns", "lines")
        )
        origin = Signal.like(self.base, reset_less=True)

        # The layer's own spikes come in front of the map, which is a single kernel row then.
        own, recurrent, old = Signal(), Signal(), Signal()
        own_origin, own_span = Signal.like(origin, reset_less=True), Signal(place)
        lane = config.lanes.bit_length() - 1
        if config.recurrence:
            m.d.comb += [
                recurrent.eq(scan.own_rows != 0), old.eq(~self.fresh),
                own_span.eq(scan.own_rows << lane),
            ]
            m.d.sync += own_origin.eq(scan.own + Mux(self.odd, 0, scan.own_rows))

        exists, on_map = Signal(), Signal()
        row_last, along_last, down_last, group_last, column_last, line_last = (
            Signal(name=n) for n in (
                "row_last", "along_last", "down_last", "group_last", "column_last", "line_last"
            )
        )
        turn, whole = Signal(), Signal()
        m.d.comb += [
            exists.eq((along_pool < columns) & (down_pool < lines)),
            on_map.eq(exists & (row_y >= 0) & (row_y < scan.height)),
            row_last.eq((kernel_row + 1 == scan.kernel_rows) | ~exists),
            along_last.eq(along_pool + 1 == scan.pool),
            down_last.eq(down_pool + 1 == scan.pool),
            group_last.eq(group + 1 >= scan.groups),
            column_last.eq(columns <= scan.pool),
            line_last.eq(lines <= scan.pool),
            # The last position in the pool that there is, and whether the pool is complete.
            turn.eq(
                (along_last | (along_pool + 1 == columns))
                & (down_last | (down_pool + 1 == lines))
            ),
            whole.eq((columns >= scan.pool) & (lines >= scan.pool)),
        ]
        next_weight = Signal.like(weight)
        next_x, next_y, next_line = Signal.like(x), Signal.like(y), Signal.like(line)
        m.d.comb += [
            next_weight.eq(Mux(exists, weight + scan.span, after)),
            next_x.eq(x + scan.step_x),
            next_y.eq(y + scan.step_y),
            next_line.eq(line + scan.step_line),
        ]
        shift = Mux(scan.external, self.base, 0)
        if config.recurrence:
            shift = Mux(scan.external, self.base, Mux(self.odd, scan.flip, 0))
        with m.If(self.start):
            m.d.sync += [
                walking.eq(1), own.eq(recurrent),
                column_x.eq(scan.first_x), x.eq(scan.first_x),
                top_y.eq(scan.first_y), y.eq(scan.first_y), row_y.eq(scan.first_y),
                top_line.eq(scan.first_line), line.eq(scan.first_line),
                row_line.eq(scan.first_line),
                group_weight.eq(scan.weights), weight.eq(scan.weights),
                kernel_row.eq(0), down_pool.eq(0), along_pool.eq(0), group.eq(0),
                columns.eq(scan.columns), lines.eq(scan.lines),
                origin.eq(scan.source + shift),
            ]
        with m.Elif(walking & advance & own):
            m.d.sync += [own.eq(0), weight.eq(weight + own_span)]
        with m.Elif(walking & advance):
            m.d.sync += [
                kernel_row.eq(kernel_row + 1), row_y.eq(row_y + 1),
                row_line.eq(row_line + scan.line), weight.eq(weight + scan.span),
            ]
            with m.If(row_last):
                m.d.sync += [
                    own.eq(recurrent), kernel_row.eq(0), after.eq(next_weight),
                    weight.eq(group_weight),
                    along_pool.eq(along_pool + 1), x.eq(next_x),
                    row_y.eq(y), row_line.eq(line),
                ]
                with m.If(along_last):
                    m.d.sync += [
                        along_pool.eq(0), x.eq(column_x), down_pool.eq(down_pool + 1),
                        y.eq(next_y), row_y.eq(next_y), line.eq(next_line), row_line.eq(next_line),
                    ]
                with m.If(along_last & down_last):
                    m.d.sync += [
                        down_pool.eq(0), group.eq(group + 1),
                        y.eq(top_y), row_y.eq(top_y), line.eq(top_line), row_line.eq(top_line),
                        group_weight.eq(next_weight), weight.eq(next_weight),
                    ]
                with m.If(along_last & down_last & group_last):
                    m.d.sync += [
                        group.eq(0), group_weight.eq(scan.weights), weight.eq(scan.weights),
                        column_x.eq(next_x), x.eq(next_x), columns.eq(columns - scan.pool),
                    ]
                    with m.If(column_last):
                        m.d.sync += [
                            columns.eq(scan.columns), lines.eq(lines - scan.pool),
                            column_x.eq(scan.first_x), x.eq(scan.first_x),
                            top_y.eq(next_y), y.eq(next_y), row_y.eq(next_y),
                            top_line.eq(next_line), line.eq(next_line), row_line.eq(next_line),
                        ]
                        with m.If(line_last):
                            m.d.sync += walking.eq(0)

        mark = Signal(mark_layout(config))
        with m.If(~own & (row_last | (row_y + 1 == scan.height))):
            m.d.comb += [
                mark.group.eq(1),
                mark.empty.eq(scan.groups == 0),
                mark.short.eq(group_last),
                mark.turn.eq(turn),
                mark.emit.eq(turn & whole),
                mark.task.eq(turn & group_last & column_last & line_last),
                mark.window.eq(mark.task & scan.last),
            ]

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
                looked.there.eq(walking & Mux(own, old, on_map)), looked.own.eq(own),
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
        m.submodules.buffer = buffer = StreamBuffer(self.fields.payload.shape())
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
