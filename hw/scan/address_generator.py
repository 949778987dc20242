"""Address generator of a convolution: turns receptive fields into scan ranges, position by
position.

    KernelRowWalker --> row --> clipped --> found --> SkidBuffer --> ranges
          2              3         4          5           6

``row``, ``clipped`` and ``found`` are registers that advance while ``advance`` is up, that is,
while the buffer has room. If a task's ``start`` is in cycle 0, the numbers are the cycles in which
its first kernel row is there.
"""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec import ArrayConfig, bits_for, task_layout
from stablespike.spec.task import PLACE_BITS, STEP_BITS

from ..lib.layouts import struct
from ..lib.stream_registers import SkidBuffer
from .scanner import mark_layout, range_layout

__all__ = ["AddressGenerator", "KernelRowWalker", "kernel_row_layout"]


def _scan_layout(config: ArrayConfig) -> data.StructLayout:
    return struct(*task_layout(config).scan)


def kernel_row_layout(config: ArrayConfig) -> data.StructLayout:
    """A row of a kernel at a position, before it is clipped to the map's width.

    ``exists``: it is on the map. ``recurrent``: it is instead the layer's own spikes of the window
    before. ``weight``: the weight row of its first word. ``x``: its first word, counted from the
    start of its map row, negative in the padding. ``line``: the first word of its map row.
    ``mark``: the marks that end with it, if it is the last kernel row on the map.
    """
    scan = _scan_layout(config)
    return data.StructLayout({
        "exists": 1, "recurrent": 1, "mark": mark_layout(config), "weight": scan["weights"].shape,
        "x": scan["first_x"].shape, "line": scan["line"].shape,
    })


def _recurrent_span(config: ArrayConfig, scan: Value) -> Value:
    """The number of words of the layer's own spikes."""
    return scan.recurrent_rows << (config.lanes.bit_length() - 1) if config.recurrence else Const(0)


def _task_members(config: ArrayConfig) -> dict[str, wiring.Member]:
    return {
        "start": In(1),
        "scan": In(_scan_layout(config)),
        "base": In(unsigned(bits_for(config.spike_rows - 1))),
        **({"odd": In(1), "fresh": In(1)} if config.recurrence else {}),
    }


class KernelRowWalker(wiring.Component):
    """Generates the kernel rows of a task, on the map or not, in the order of ``spec.report``.

    That order is: pools, groups, positions in the pool, kernel rows. The first row comes two cycles
    after ``start``, then one with each ``advance``; a position takes two more cycles.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    start, scan, base, odd, fresh
        Those of ``AddressGenerator``.
    advance : In(1)
        The current row is taken.
    row : Out(kernel_row_layout(config))
        The current row; ``exists`` is low while there is none.
    origin : Out(unsigned)
        First row of the map in the spike memory, while ``walking``.
    walking : Out(1)
        More rows will come.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__({
            **_task_members(config),
            "advance": In(1),
            "row": Out(kernel_row_layout(config)),
            "origin": Out(unsigned(bits_for(config.spike_rows - 1))),
            "walking": Out(1),
        })

    def _state(self) -> Signal:
        """The state of the walk.

        Words of the map: ``x`` along a map row, ``line`` of the row's first one. Map rows: ``y``.
        Each is kept for the kernel row (``row_``), the position, and the corner of the pool
        (``column_``, ``top_``), so values that rarely change need no selector.
        """
        row, scan = kernel_row_layout(self.config), _scan_layout(self.config)
        x, line, weight = (row[name].shape for name in ("x", "line", "weight"))
        y = signed(PLACE_BITS + STEP_BITS)
        return Signal(data.StructLayout({
            "column_x": x, "x": x,
            "top_y": y, "y": y, "row_y": y,
            "top_line": line, "line": line, "row_line": line,
            "group_weight": weight, "weight": weight,
            "rows_left": STEP_BITS, "down_pool": STEP_BITS, "along_pool": STEP_BITS,
            "group": scan["groups"].shape,
            # Positions from the corner of the pool to the ends of the map, and the pools that
            # remain.
            "columns": PLACE_BITS, "lines": PLACE_BITS, "pools": scan["cells"].shape,
        }), reset_less=True)

    def elaborate(self, platform) -> Module:
        m = Module()
        config, scan = self.config, self.scan
        now = self._state()
        position = Signal(mark_layout(config), reset_less=True)
        origin = Signal.like(self.origin, reset_less=True)
        # The layer's own spikes come in front of the map, as a single kernel row.
        recurrent, has_recurrent, exists = Signal(), Signal(), Signal()
        offset = Mux(scan.external, self.base, 0)
        if config.recurrence:
            m.d.comb += has_recurrent.eq(scan.recurrent_rows != 0)
            # Ping-pong: in odd windows, a recurrent layer's spikes are at another address.
            offset = Mux(scan.external, self.base, Mux(self.odd, scan.ping_pong, 0))

        in_pool, group_last, pool_last, position_last = (
            Signal(name=n) for n in ("in_pool", "group_last", "pool_last", "position_last")
        )
        along_last, down_last = Signal(), Signal()
        m.d.comb += [
            # Pools at the far edges may be incomplete.
            in_pool.eq((now.along_pool < now.columns) & (now.down_pool < now.lines)),
            along_last.eq(now.along_pool + 1 == scan.pool),
            down_last.eq(now.down_pool + 1 == scan.pool),
            # This is not ``==``, because a task that only waits has 0 groups.
            group_last.eq(now.group + 1 >= scan.groups),
            pool_last.eq(now.pools == 1),
            position_last.eq(
                (along_last | (now.along_pool + 1 == now.columns))
                & (down_last | (now.down_pool + 1 == now.lines))
            ),
        ]
        with m.FSM() as fsm:
            m.d.comb += self.walking.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                # These load in every cycle, since ``scan`` is held from ``start`` on, so they need
                # no enable.
                m.d.sync += [
                    now.down_pool.eq(0), now.along_pool.eq(0), now.group.eq(0),
                    now.group_weight.eq(scan.weights), now.columns.eq(scan.start_columns),
                    now.lines.eq(scan.lines), now.pools.eq(scan.cells),
                    now.x.eq(scan.start_x), now.column_x.eq(scan.start_x),
                    now.y.eq(scan.first_y), now.top_y.eq(scan.first_y),
                    now.line.eq(scan.first_line), now.top_line.eq(scan.first_line),
                    origin.eq(scan.source + offset),
                ]
                with m.If(self.start):
                    m.next = "POSITION"
            # A position takes this state and MOVE: all steps in one cycle took about 420 LUTs more.
            with m.State("POSITION"):
                m.d.sync += [
                    recurrent.eq(has_recurrent), now.row_y.eq(now.y), now.row_line.eq(now.line),
                    now.rows_left.eq(scan.kernel_rows),
                    position.group.eq(1), position.empty.eq(scan.groups == 0),
                    position.short.eq(group_last), position.last_position.eq(position_last),
                    position.emit.eq(
                        position_last & (now.columns >= scan.pool) & (now.lines >= scan.pool)
                    ),
                    position.task.eq(position_last & group_last & pool_last),
                    position.window.eq(position_last & group_last & pool_last & scan.last),
                ]
                # The next group's weights begin where the weights of this group's last position
                # end. So each position starts from the group's first weight.
                m.next = "MOVE"
                with m.If(in_pool):
                    m.d.sync += now.weight.eq(now.group_weight)
                    m.next = "ROWS"
            with m.State("ROWS"):
                m.d.comb += exists.eq(Mux(
                    recurrent, ~self.fresh if config.recurrence else 0,
                    (now.row_y >= 0) & (now.row_y < scan.height),
                ))
                with m.If(self.advance):
                    self._next_row(m, now, recurrent)
                with m.If(self.advance & ~recurrent & (now.rows_left == 1)):
                    m.next = "MOVE"
            with m.State("MOVE"):
                self._next_position(m, now, along_last, down_last, group_last)
                m.next = "POSITION"
                with m.If(along_last & down_last & group_last & pool_last):
                    m.next = "IDLE"

        m.d.comb += [
            self.origin.eq(origin),
            self.row.exists.eq(exists),
            self.row.recurrent.eq(recurrent),
            self.row.weight.eq(now.weight),
            self.row.x.eq(Mux(recurrent, 0, now.x)),
            self.row.line.eq(Mux(recurrent, 0, now.row_line)),
        ]
        with m.If(~recurrent & ((now.rows_left == 1) | (now.row_y + 1 == scan.height))):
            m.d.comb += self.row.mark.eq(position)
        return m

    def _next_row(self, m: Module, now: Value, recurrent: Signal) -> None:
        span = Mux(recurrent, _recurrent_span(self.config, self.scan), self.scan.span)
        m.d.sync += [recurrent.eq(0), now.weight.eq(now.weight + span)]
        with m.If(~recurrent):
            m.d.sync += [
                now.row_y.eq(now.row_y + 1), now.row_line.eq(now.row_line + self.scan.line),
                now.rows_left.eq(now.rows_left - 1),
            ]

    def _next_position(
        self, m: Module, now: Value, along_last: Value, down_last: Value, group_last: Value
    ) -> None:
        """Walk along the pool and down; then to the next group; then to the next pool."""
        scan = self.scan
        next_x, next_y = Signal.like(now.x), Signal.like(now.y)
        next_line = Signal.like(now.line)
        m.d.comb += [
            next_x.eq(now.x + scan.step_x), next_y.eq(now.y + scan.step_y),
            next_line.eq(now.line + scan.step_line),
        ]
        m.d.sync += [now.along_pool.eq(now.along_pool + 1), now.x.eq(next_x)]
        # The conditions are nested, because a flat form takes a tenth more cells.
        with m.If(along_last):
            m.d.sync += [
                now.along_pool.eq(0), now.x.eq(now.column_x),
                now.down_pool.eq(now.down_pool + 1), now.y.eq(next_y), now.line.eq(next_line),
            ]
            with m.If(down_last):
                m.d.sync += [
                    now.down_pool.eq(0), now.y.eq(now.top_y), now.line.eq(now.top_line),
                    now.group.eq(now.group + 1), now.group_weight.eq(now.weight),
                ]
                with m.If(group_last):
                    m.d.sync += [
                        now.group.eq(0), now.group_weight.eq(scan.weights),
                        now.x.eq(next_x), now.column_x.eq(next_x),
                        now.columns.eq(now.columns - scan.pool), now.pools.eq(now.pools - 1),
                    ]
                    with m.If(now.columns <= scan.pool):
                        m.d.sync += [
                            now.x.eq(scan.first_x), now.column_x.eq(scan.first_x),
                            now.columns.eq(scan.columns), now.lines.eq(now.lines - scan.pool),
                            now.y.eq(next_y), now.top_y.eq(next_y),
                            now.line.eq(next_line), now.top_line.eq(next_line),
                        ]


class AddressGenerator(wiring.Component):
    """Generates a scan range for every kernel row of a task that is on the map, clipped to the map.

    It processes one kernel row per cycle, on the map or not, and each position takes two more
    cycles. The first range comes ``ADDRESS_LATENCY`` cycles (``spec.timing``) after ``start``. The
    last range of a position has the mark of its group.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    start : In(1)
        Begin the task ``scan``; only while not ``busy``.
    scan : In(task_layout(config).scan)
        The task; held from ``start`` on while ``busy``.
    base : In(unsigned)
        First row of the window's input; held as long.
    odd : In(1)
        With recurrence: the window's number is odd; held as long.
    fresh : In(1)
        With recurrence: the window is its sample's first; held as long.
    busy : Out(1)
        More ranges will come.
    ranges : Out(stream.Signature(range_layout(config)))
        Scan ranges, to the scanner.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__({
            **_task_members(config),
            "busy": Out(1),
            "ranges": Out(stream.Signature(range_layout(config))),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        config, scan = self.config, self.scan
        m.submodules.walker = walker = KernelRowWalker(config)
        m.submodules.buffer = buffer = SkidBuffer(self.ranges.payload.shape())
        connect(m, buffer.o, flipped(self.ranges))
        for name in _task_members(config):
            m.d.comb += getattr(walker, name).eq(getattr(self, name))

        word = walker.row.line.shape()
        lane_bits = config.lanes.bit_length() - 1
        row = Signal(walker.row.shape())
        kept = {name: field.shape for name, field in row.shape() if name not in ("x", "line")}
        clipped = Signal(data.StructLayout(
            {**kept, "begin": word, "end": word, "skipped": word, "line": word}
        ))
        found = Signal(data.StructLayout({**kept, "first": word, "last": word}))
        advance = buffer.i.ready
        m.d.comb += walker.advance.eq(advance)
        with m.If(advance):
            beyond = Signal(signed(len(row.x) + 1))
            m.d.comb += beyond.eq(row.x + scan.span)
            m.d.sync += [
                row.eq(walker.row),

                *(clipped[name].eq(row[name]) for name in kept),
                clipped.line.eq(row.line),
                clipped.begin.eq(Mux(row.x < 0, 0, row.x)),
                clipped.skipped.eq(Mux(row.x < 0, -row.x, 0)),
                clipped.end.eq(Mux(
                    row.recurrent, _recurrent_span(config, scan),
                    Mux(beyond > scan.width, scan.width, beyond),
                )),

                *(found[name].eq(clipped[name]) for name in kept),
                found.weight.eq(clipped.weight + clipped.skipped),
                found.first.eq(clipped.line + clipped.begin),
                found.last.eq(clipped.line + clipped.end - 1),
            ]

        # The walker may be idle by now, but it then loads the same origin, since ``scan`` is held.
        origin: Value = walker.origin
        if config.recurrence:
            recurrent_origin = Signal.like(walker.origin, reset_less=True)
            # This is the copy that the window before wrote: odd windows write the second one.
            m.d.sync += recurrent_origin.eq(scan.recurrent + Mux(self.odd, 0, scan.recurrent_rows))
            origin = Mux(found.recurrent, recurrent_origin, origin)
        out, head = buffer.i.p, found.first[:lane_bits]
        m.d.comb += [
            buffer.i.valid.eq(found.exists),
            out.row.eq(origin + found.first[lane_bits:]),
            out.rows.eq(found.last[lane_bits:] - found.first[lane_bits:] + 1),
            out.head.eq(head),
            out.tail.eq(found.last[:lane_bits]),
            # This is the address for lane 0, so that only the lane has to be added.
            out.weight.eq(found.weight - head),
            out.mark.eq(found.mark),
            *([out.wide.eq(scan.wide)] if config.wide_weights else []),
            self.busy.eq(
                walker.walking | row.exists | clipped.exists | found.exists | buffer.o.valid
            ),
        ]
        return m
