"""Loader: decodes the stream of input windows into rows of spike words on the bus."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec.array import ArrayConfig
from stablespike.spec.encoding import SUMMARY_ROWS
from stablespike.spec.layout import bits_for
from stablespike.spec.link import WINDOW_HEAD

from ..lib.bits import at_most, lowest
from ..lib.layouts import struct
from ..lib.ports import rows_signature, windows_signature
from ..lib.stream_registers import SkidBuffer

__all__ = ["Loader", "Row"]


class Row:
    """The current row, and the part of it that is being assembled.

    Attributes
    ----------
    port : stream.Interface
        The stream of rows to the bus.
    advance, last : Signal
        The part goes to the bus; the part is the row's last one.
    spent : Signal
        A part that was assembled goes to the bus. Those of silent rows leave nothing behind.
    mask : Signal
        Lanes that still get a word, with those of the current part lowest. It is 0 between rows,
        which is what sparse rows need to start with.
    given : list of (Signal, Signal)
        Words, and the lane of the part that receives each, if any.
    complete : Signal
        All lanes of the part have their words.
    shift, mask_ends : Signal
        A byte of the mask arrives; it is the last one.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.lanes = config.lanes // config.row_beats  # in a part
        self.port = rows_signature(config).create()
        self.advance, self.last, self.spent, self.complete, self.shift, self.mask_ends = (
            Signal(name=name)
            for name in ("advance", "last", "spent", "complete", "shift", "mask_ends")
        )
        self.mask = Signal(config.lanes, name="mask", reset_less=not config.convolution)
        self.given = [
            (Signal(config.window), Signal(self.lanes))
            for _ in range(config.link_bytes)
        ]

    @property
    def used(self) -> Value:
        """The lanes that receive a word."""
        return reduce(or_, (used for _, used in self.given))


class Loader(wiring.Component):
    """Decodes ``spec.encoding``: one silent row per cycle, otherwise about a byte or a word per
    cycle.

    Windows with new words alternate between two input buffers, the second right behind the first; a
    repeat keeps the buffer of the window before. A row with words takes one cycle for each byte of
    its mask or lanes, one for each word that is not silent (two if a word is two bytes), and one on
    the bus. A summary byte takes one cycle. Rows in parts take one bus cycle for each part. With
    chained lanes, a row takes one more cycle, for a register that large arrays have there.

        bytes    head | summary | mask | word word | mask | word | ...
        rows                                       r0            r1 r2 r3
        windows                                                           w

    (These are two rows with words and two silent ones, which take no byte.)

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    rows_total : In(unsigned)
        Rows of the input map; may change only while ``idle``.
    input_base : In(unsigned)
        First row of its first buffer; may change only while ``idle``.
    half : In(1)
        Words are sent as half words; may change only while ``idle``. Present only if the array has
        ``half_words``.
    moved : In(1)
        A strobe: one of the three inputs above changes at the end of this cycle.
    bytes : In(stream.Signature(8))
        Bytes of the windows, each with its header (``spec.link``).
    no_head : Out(1)
        The byte taken is not a valid header: it has more steps than a window, or repeats words
        although there were none. It has no other effect.
    idle : Out(1)
        No window is under way; the next byte is a header.
    hungry : Out(1)
        The current window needs the next byte to continue.
    rows : Out(rows_signature(config))
        Rows of input maps, to the array.
    windows : Out(windows_signature(config))
        Windows, to the array; a window follows its last row. Nothing of a window goes out before
        ``windows.room`` is up.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        half = {"half": In(1)} if config.half_words else {}
        super().__init__({
            **half,
            "rows_total": In(bits_for(config.spike_rows)),
            "input_base": In(bits_for(config.spike_rows - 1)),
            "moved": In(1),
            "bytes": In(self._bytes_signature()),
            "no_head": Out(1), "idle": Out(1), "hungry": Out(1),
            "rows": Out(rows_signature(config)),
            "windows": Out(windows_signature(config)),
        })

    def _bytes_signature(self) -> wiring.Signature:
        return stream.Signature(8)

    @property
    def _byte(self) -> Value:
        """The next byte."""
        return self.bytes.payload

    def elaborate(self, platform) -> Module:
        m = Module()
        row = Row(self.config)
        on_the_way = self._bus(m, row)  # a part of a row
        base = Signal.like(self.input_base, reset_less=True)
        second = Signal()
        done = Signal.like(self.rows_total, reset_less=True)  # rows put on the bus
        here = Signal.like(self.input_base)
        summary = Signal(SUMMARY_ROWS, reset_less=True)
        known = Signal()  # the summary of the current eight rows is loaded
        want_mask = Signal()
        byte, there = self._byte, Signal()  # whether a window had words
        head = data.View(struct(WINDOW_HEAD), byte)
        arriving = Signal(head.shape(), reset_less=True)
        repeats, dense, names_lanes = head.repeat, arriving.dense, Const(0)
        if self.config.convolution:
            # Both flags together mean sparse rows, which name their lanes.
            repeats, dense = head.repeat & ~head.dense, arriving.dense & ~arriving.repeat
            names_lanes = arriving.repeat
        m.d.comb += [
            here.eq(base + done),
            row.port.p.row.eq(here),
            self.windows.payload.steps.eq(arriving.steps),
            self.windows.payload.first.eq(arriving.first),
            self.windows.payload.last.eq(arriving.last),
            self.windows.payload.base.eq(base),
            row.shift.eq(want_mask & self.bytes.valid),
        ]
        row_ends = row.advance & row.last
        with m.If(row_ends):
            m.d.sync += [done.eq(done + 1), summary.eq(summary >> 1), known.eq(0)]
        with m.If(self.moved):
            m.d.sync += second.eq(0)
        complete = Signal()  # all rows have been on the bus
        counting = Signal()  # ``complete`` does not include the last row yet
        if self.config.pipelined:
            m.d.sync += [counting.eq(row_ends), complete.eq(done == self.rows_total)]
        else:
            m.d.sync += complete.eq(
                Mux(row_ends, done + 1 == self.rows_total, done == self.rows_total)
            )
        self._mask(m, row, names_lanes)

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [
                    self.idle.eq(1),
                    self.bytes.ready.eq(1),
                    self.no_head.eq(
                        (head.steps >= self.config.window) | (repeats & ~there)
                    ),
                ]
                m.d.sync += arriving.eq(head)
                with m.If(self.bytes.valid & ~self.no_head):
                    m.next = "WINDOW"
                    with m.If(~repeats):
                        m.d.sync += [
                            # The second input buffer starts right after the last row of the first
                            # one.
                            base.eq(Mux(second, here, self.input_base)), second.eq(~second),
                            done.eq(0), known.eq(0), there.eq(1),
                        ]
                        m.next = "ROOM"
            # Rows need room for their window. A repeat has no rows, so it waits at its end.
            with m.State("ROOM"), m.If(self.windows.room):
                m.next = "ROW"
            with m.State("ROW"), m.If(~counting):
                with m.If(complete):
                    m.next = "WINDOW"
                with m.Elif(dense):
                    if self.config.window == 1:
                        m.d.comb += want_mask.eq(1)
                    else:
                        m.d.sync += row.mask.eq(-1)
                        if self.config.pipelined:
                            # This register was computed from the mask of 0 between rows.
                            m.d.sync += row.complete.eq(0)
                        m.next = "WORDS"
                with m.Elif(~known & (done[: SUMMARY_ROWS.bit_length() - 1] == 0)):
                    m.d.comb += [self.bytes.ready.eq(1), self.hungry.eq(1)]
                    with m.If(self.bytes.valid):
                        m.d.sync += [summary.eq(byte), known.eq(1)]
                with m.Elif(summary[0]):
                    m.d.comb += want_mask.eq(1)
                with m.Else():
                    # This is a silent row: the words are 0 between rows.
                    m.d.comb += row.port.valid.eq(1)
                with m.If(want_mask):
                    m.d.comb += [self.bytes.ready.eq(1), self.hungry.eq(1)]
                with m.If(row.shift & row.mask_ends):
                    m.next = "WORDS"
            with m.State("WORDS"):
                if self.config.window == 1:
                    m.d.comb += [row.port.valid.eq(1), row.spent.eq(row.port.ready)]
                else:
                    m.d.comb += row.spent.eq(row.complete & row.port.ready)
                    self._words(m, row)
                with m.If(row_ends):
                    m.next = "ROW"
            with m.State("WINDOW"):
                # A window must not overtake its last row.
                m.d.comb += self.windows.valid.eq(self.windows.room & ~on_the_way)
                with m.If(self.windows.valid):
                    m.next = "IDLE"
        return m

    def _bus(self, m: Module, row: Row) -> Value:
        """Send parts of rows to the bus; returns whether one is on its way."""
        config = self.config
        beat = Signal(range(config.row_beats))
        m.d.comb += [
            row.port.p.beat.eq(beat),
            row.advance.eq(row.port.valid & row.port.ready),
            row.last.eq(beat == config.row_beats - 1),
        ]
        m.d.sync += beat.eq(beat + row.advance)
        if not config.pipelined:
            connect(m, row.port, flipped(self.rows))
            return Const(0)
        # A large array cannot be waited for in the same cycle.
        m.submodules.ahead = ahead = SkidBuffer(row.port.payload.shape())
        connect(m, row.port, ahead.i)
        connect(m, ahead.o, flipped(self.rows))
        return ahead.o.valid

    def _mask(self, m: Module, row: Row, names_lanes: Value) -> None:
        """Build the mask from its bytes, or from lane numbers with ``names_lanes``, and the words
        of the part."""
        width, beats, mask = self.config.window, self.config.row_beats, row.mask
        fresh = Signal()
        # A session may end inside a row, and the words have no reset, so IDLE clears them.
        m.d.comb += fresh.eq(row.spent | self.idle)
        if width == 1:
            # The mask itself is the words.
            m.d.comb += row.port.p.words.eq(mask[: row.lanes])
            with m.If(fresh):
                m.d.sync += mask.eq(0 if beats == 1 else Mux(row.spent, mask >> row.lanes, 0))
        else:
            words = Signal(row.lanes * width, reset_less=True)
            m.d.comb += row.port.p.words.eq(words)
            m.d.sync += mask[: row.lanes].eq(mask[: row.lanes] & ~row.used)
            if beats > 1:
                with m.If(row.spent):
                    m.d.sync += mask.eq(mask >> row.lanes)
            # This is not If(used), because clock enables of four cells each would leave tiles half
            # empty.
            for lane in range(row.lanes):
                word, chosen = words.word_select(lane, width), row.used[lane].replicate(width)
                kept = word & ~chosen & ~fresh.replicate(width)
                m.d.sync += word.eq(reduce(or_, (
                    given & used[lane].replicate(width) for given, used in row.given
                ), kept))

        loaded = self._load_mask(m, row, names_lanes)
        here = mask[: row.lanes]
        if not self.config.pipelined:
            m.d.comb += row.complete.eq(here == 0)
            return
        # This is a register, because it is known a cycle earlier.
        m.d.sync += row.complete.eq(self._emptied(row))
        with m.If(row.spent):
            m.d.sync += row.complete.eq(~mask[row.lanes : 2 * row.lanes].any())
        with m.If(row.shift):
            m.d.sync += row.complete.eq(~loaded[: row.lanes].any())

    def _load_mask(self, m: Module, row: Row, names_lanes: Value) -> Value:
        """Load the next byte of the mask; returns the mask with it."""
        lanes, mask, byte = self.config.lanes, row.mask, self.bytes.payload
        mask_bytes = -(-lanes // 8)
        number = Signal(range(max(2, mask_bytes)))
        loaded = Cat(mask[8:], byte) if mask_bytes > 1 else byte[:lanes]
        ends = number == mask_bytes - 1
        if self.config.convolution:
            lane = byte[: (lanes - 1).bit_length()]
            loaded = Mux(names_lanes, mask | Cat(lane == i for i in range(lanes)), loaded)
            ends = Mux(names_lanes, byte[-1], ends)
        m.d.comb += row.mask_ends.eq(ends)
        with m.If(row.shift):
            m.d.sync += mask.eq(loaded)
            if mask_bytes > 1:
                m.d.sync += number.eq(Mux(ends, 0, number + 1))
        return loaded

    def _emptied(self, row: Row) -> Value:
        """Whether no lane of the part waits for a word behind this cycle."""
        here = row.mask[: row.lanes]
        return Mux(row.used.any(), at_most(here, 1), ~here.any())

    def _words(self, m: Module, row: Row) -> None:
        """Give the packed words to the lanes of the mask, one per cycle, then send the part to the
        bus.

        After the last part, the rest of a byte is dropped.
        """
        width, byte, more = self.config.window, self.bytes.payload, self.bytes.valid
        # A byte holds several words, one word, or half of one; half words take half the bits.
        # ``part`` says which part of the byte, or of the word, comes next.
        if width < 8:
            part = Signal(range(8 // width))
            word, put = byte.word_select(part, width), more
            byte_ends, next_part = part == 8 // width - 1, part + 1
        elif width == 8:
            part = Signal()
            word = Cat(Mux(part, byte[4:], byte[:4]), byte[4:] & ~self.half.replicate(4))
            put, byte_ends, next_part = more, part | ~self.half, ~part & self.half
        else:
            part, low = Signal(), Signal(8, reset_less=True)
            word = Mux(self.half, byte, Cat(low, byte))
            put, byte_ends, next_part = more & (part | self.half), Const(1), ~part & ~self.half
        given, mask = Signal(), row.mask[: row.lanes]
        [(row_word, used)] = row.given
        m.d.comb += [row_word.eq(word), given.eq(put)]
        if self.config.pipelined:
            # The lowest lane is known before it is known whether a word for it has come.
            m.d.comb += used.eq(lowest(mask, Const(1)) & given.replicate(len(mask)))
        else:
            m.d.comb += used.eq(lowest(mask, given))
        with m.If(row.complete):
            m.d.comb += row.port.valid.eq(1)
            if width <= 8:
                # The rest of the last byte is padding.
                m.d.comb += self.bytes.ready.eq((part != 0) & row.port.ready & row.last)
                with m.If(row.port.ready & row.last):
                    m.d.sync += part.eq(0)
        with m.Else():
            m.d.comb += [self.hungry.eq(1), self.bytes.ready.eq(byte_ends)]
            with m.If(more):
                m.d.sync += part.eq(next_part)
                if width > 8:
                    m.d.sync += low.eq(byte)
