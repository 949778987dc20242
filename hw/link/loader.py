"""The stream of encoded input windows to rows of spike words on the bus."""

from __future__ import annotations

from typing import Any

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
from ..lib.stream_registers import StreamBuffer

__all__ = ["Loader"]


class Loader(wiring.Component):
    """Decodes ``spec.encoding``: a silent row per cycle, else about a byte or a word per cycle.

    Windows with words of their own take turns in two places, the second right behind the first;
    one that repeats stays where the last one is. A row with words takes a cycle for each byte of
    its mask or lanes, one for each word that is not silent (two if the word is two bytes), and one
    on the bus; a summary byte takes one. Rows in parts take one cycle on the bus for each part.
    With chained lanes, whose large arrays have a register there, a row takes one more.

    Parameters
    ----------
    config : the array.

    Members
    -------
    rows_total, place : rows of the input map and first row of its first place; to be changed only
        while ``idle``. ``moved``, a strobe, says that they were.
    half : words come as half of the window's bits; to be changed as ``place``. Only where the array
        has ``half_words``.
    bytes : of the windows, each with its head (``spec.link``).
    no_head : the byte taken begins no window: it has more steps than a window, or repeats words
        where there were none. Nothing else comes of it.
    idle : no window is under way; the next byte is a head.
    hungry : the window under way goes on with the next byte only.
    rows, windows : to the array; a window follows its last row. Nothing of a window goes out
        before ``windows.room`` is up.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        half = {"half": In(1)} if config.half_words else {}
        super().__init__({
            **half,
            "rows_total": In(bits_for(config.spike_rows)),
            "place": In(bits_for(config.spike_rows - 1)),
            "moved": In(1),
            "bytes": In(stream.Signature(8)),
            "no_head": Out(1),
            "idle": Out(1),
            "hungry": Out(1),
            "rows": Out(rows_signature(config)),
            "windows": Out(windows_signature(config)),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        lanes, width, beats = self.config.lanes, self.config.window, self.config.row_beats
        mask_bytes, sparse = -(-lanes // 8), self.config.convolution
        base = Signal.like(self.place, reset_less=True)
        second = Signal()
        done = Signal.like(self.rows_total, reset_less=True)  # rows put on the bus
        here = Signal.like(self.place)
        summary = Signal(SUMMARY_ROWS, reset_less=True)
        known = Signal()  # the summary is that of the eight rows under way
        # Its lowest lanes are those of the part under way; 0 between rows, which sparse ones take.
        mask = Signal(lanes, reset_less=not sparse)
        beat = Signal(range(beats))
        mask_at = Signal(range(max(2, mask_bytes)))
        advance, last, want_mask, shift = Signal(), Signal(), Signal(), Signal()
        on_the_way = Signal()  # to the bus, a part of a row
        rows = rows_signature(self.config).create()
        if self.config.pipelined:
            # What goes on all over a large array cannot be waited for in the same cycle.
            m.submodules.ahead = ahead = StreamBuffer(rows.payload.shape())
            connect(m, rows, ahead.i)
            connect(m, ahead.o, flipped(self.rows))
            m.d.comb += on_the_way.eq(ahead.o.valid)
        else:
            connect(m, rows, flipped(self.rows))
        byte, there = self.bytes.payload, Signal()  # there have been words
        head = data.View(struct(WINDOW_HEAD), byte)
        arriving = Signal(head.shape(), reset_less=True)
        m.d.comb += [
            here.eq(base + done),
            rows.p.row.eq(here),
            rows.p.beat.eq(beat),
            self.windows.payload.steps.eq(arriving.steps),
            self.windows.payload.first.eq(arriving.first),
            self.windows.payload.last.eq(arriving.last),
            self.windows.payload.base.eq(base),
            advance.eq(rows.valid & rows.ready),
            last.eq(beat == beats - 1),
            shift.eq(want_mask & self.bytes.valid),
        ]
        m.d.sync += beat.eq(beat + advance)
        with m.If(advance & last):
            m.d.sync += [done.eq(done + 1), summary.eq(summary >> 1), known.eq(0)]
        with m.If(self.moved):
            m.d.sync += second.eq(0)
        complete = Signal()  # all rows have been on the bus
        counting = Signal()  # ``complete`` does not know of the last row yet
        if self.config.pipelined:
            m.d.sync += [counting.eq(advance & last), complete.eq(done == self.rows_total)]
        else:
            m.d.sync += complete.eq(
                Mux(advance & last, done + 1 == self.rows_total, done == self.rows_total)
            )

        fresh = Signal()
        m.d.comb += fresh.eq(advance | self.idle)
        part = lanes // beats
        used = Signal(part)  # lanes that get their word
        done_with = Signal()  # all lanes of this part have theirs
        if width == 1:
            m.d.comb += rows.p.words.eq(mask[:part])
            with m.If(fresh):
                m.d.sync += mask.eq(0 if beats == 1 else Mux(advance, mask >> part, 0))
        else:
            words = Signal(part * width, reset_less=True)
            word = Signal(width)
            m.d.comb += rows.p.words.eq(words)
            m.d.sync += mask[:part].eq(mask[:part] & ~used)
            if beats > 1:
                with m.If(advance):
                    m.d.sync += mask.eq(mask >> part)
            # Not as If(used): clock enables of four cells each would leave tiles half empty.
            for lane in range(part):
                place, chosen = words.word_select(lane, width), used[lane].replicate(width)
                kept = place & ~chosen & ~fresh.replicate(width)
                m.d.sync += place.eq(kept | (word & chosen))
        loaded = Cat(mask[8:], byte) if mask_bytes > 1 else byte[:lanes]
        whole = mask_at == mask_bytes - 1
        repeats, dense = head.repeat, arriving.dense
        if sparse:
            repeats, dense = head.repeat & ~head.dense, arriving.dense & ~arriving.repeat
            lane = byte[: (lanes - 1).bit_length()]
            named = Cat(lane == i for i in range(lanes))
            loaded = Mux(arriving.repeat, mask | named, loaded)
            whole = Mux(arriving.repeat, byte[-1], whole)
        if self.config.pipelined:
            # A register: it is known a cycle before.
            m.d.sync += done_with.eq(Mux(used.any(), at_most(mask[:part], 1), ~mask[:part].any()))
            with m.If(advance):
                m.d.sync += done_with.eq(~mask[part : 2 * part].any())
            with m.If(shift):
                m.d.sync += done_with.eq(~loaded[:part].any())
        else:
            m.d.comb += done_with.eq(mask[:part] == 0)
        with m.If(shift):
            if mask_bytes == 1:
                m.d.sync += mask.eq(loaded)
            else:
                m.d.sync += [mask.eq(loaded), mask_at.eq(mask_at + 1)]
                with m.If(whole):
                    m.d.sync += mask_at.eq(0)

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
                            # What follows the last row of the place before is the second place.
                            base.eq(Mux(second, here, self.place)), second.eq(~second),
                            done.eq(0), known.eq(0), there.eq(1),
                        ]
                        m.next = "ROOM"
            with m.State("ROOM"), m.If(self.windows.room):
                m.next = "ROW"
            with m.State("ROW"), m.If(~counting):
                with m.If(complete):
                    m.next = "WINDOW"
                with m.Elif(dense):
                    if width == 1:
                        m.d.comb += want_mask.eq(1)
                    else:
                        m.d.sync += mask.eq(-1)
                        if self.config.pipelined:
                            m.d.sync += done_with.eq(0)
                        m.next = "WORDS"
                with m.Elif(~known & (done[: SUMMARY_ROWS.bit_length() - 1] == 0)):
                    m.d.comb += [self.bytes.ready.eq(1), self.hungry.eq(1)]
                    with m.If(self.bytes.valid):
                        m.d.sync += [summary.eq(byte), known.eq(1)]
                with m.Elif(summary[0]):
                    m.d.comb += want_mask.eq(1)
                with m.Else():
                    m.d.comb += rows.valid.eq(1)
                with m.If(want_mask):
                    m.d.comb += [self.bytes.ready.eq(1), self.hungry.eq(1)]
                with m.If(shift & whole):
                    m.next = "WORDS"
            with m.State("WORDS"):
                if width == 1:
                    m.d.comb += rows.valid.eq(1)
                else:
                    m.d.comb += word.eq(self._words(
                        m, rows, mask[:part], used, last, done_with
                    ))
                with m.If(advance & last):
                    m.next = "ROW"
            with m.State("WINDOW"):
                m.d.comb += self.windows.valid.eq(self.windows.room & ~on_the_way)
                with m.If(self.windows.valid):
                    m.next = "IDLE"
        return m

    def _words(
        self, m: Module, rows: Any, mask: Value, used: Signal, last: Signal, done_with: Signal
    ) -> Value:
        """Give the packed words to the lanes of ``mask``, one per cycle, then these to the bus.

        Returns the word for the lane ``used``. After the ``last`` lanes what is left of a byte
        goes.
        """
        width, byte = self.config.window, self.bytes.payload
        put = Signal()
        if width < 8:
            parts = 8 // width
            part = Signal(range(parts))
            word = byte.word_select(part, width)
            m.d.comb += put.eq(self.bytes.valid)
        elif width == 8:
            part = Signal()  # only of half words
            word = Cat(Mux(part, byte[4:], byte[:4]), byte[4:] & ~self.half.replicate(4))
            m.d.comb += put.eq(self.bytes.valid)
        else:
            part, low = Signal(), Signal(8, reset_less=True)
            word = Mux(self.half, byte, Cat(low, byte))
            m.d.comb += put.eq(self.bytes.valid & (part | self.half))
        if self.config.pipelined:
            # The lowest lane is there before it is known that there is a word for it.
            m.d.comb += used.eq(lowest(mask, Const(1)) & put.replicate(len(mask)))
        else:
            m.d.comb += used.eq(lowest(mask, put))
        with m.If(done_with):
            m.d.comb += rows.valid.eq(1)
            if width <= 8:
                # The rest of the last byte is padding.
                m.d.comb += self.bytes.ready.eq((part != 0) & rows.ready & last)
                with m.If(rows.ready & last):
                    m.d.sync += part.eq(0)
        with m.Else():
            m.d.comb += self.hungry.eq(1)
            if width < 8:
                m.d.comb += self.bytes.ready.eq(part == parts - 1)
            elif width == 8:
                m.d.comb += self.bytes.ready.eq(part | ~self.half)
            else:
                m.d.comb += self.bytes.ready.eq(1)
            with m.If(self.bytes.valid):
                if width < 8:
                    m.d.sync += part.eq(part + 1)
                elif width == 8:
                    m.d.sync += part.eq(~part & self.half)
                else:
                    m.d.sync += [part.eq(~part & ~self.half), low.eq(byte)]
        return word
