"""Loader for pairs of bytes."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring

from ...lib.bits import at_most, two_lowest
from ..loader import Loader, Row
from .input_buffer import pairs_signature

__all__ = ["WideLoader"]


class WideLoader(Loader):
    """The loader with twice its pace: two bytes of a mask, two lanes or two words per cycle.

    Words of a row's part come in pairs, whatever the number of their bits, but only one per cycle
    if a word is two bytes. Heads and summaries take a cycle each, as does a part on the bus.

    ``bytes`` is ``pairs_signature()``; the other members are those of ``Loader``.
    """

    def _bytes_signature(self) -> wiring.Signature:
        return pairs_signature()

    @property
    def _byte(self) -> Value:
        return self.bytes.payload[:8]

    def _load_mask(self, m: Module, row: Row, names_lanes: Value) -> Value:
        lanes, mask = self.config.lanes, row.mask
        low, high = self.bytes.payload[:8], self.bytes.payload[8:]
        mask_bytes = -(-lanes // 8)
        number = Signal(range(max(2, mask_bytes)))
        both = self.bytes.second & (number != mask_bytes - 1)
        if mask_bytes > 1:
            loaded = Mux(both, Cat(mask[16:], low, high), Cat(mask[8:], low))
        else:
            loaded = low[:lanes]
        ends = (number == mask_bytes - 1) | (both & (number == mask_bytes - 2))
        if self.config.convolution:
            bits = (lanes - 1).bit_length()
            two_lanes = self.bytes.second & ~low[-1]
            named = mask | Cat(
                (low[:bits] == i) | ((high[:bits] == i) & two_lanes) for i in range(lanes)
            )
            loaded = Mux(names_lanes, named, loaded)
            ends = Mux(names_lanes, low[-1] | (two_lanes & high[-1]), ends)
            both = Mux(names_lanes, two_lanes, both)
        m.d.comb += row.mask_ends.eq(ends)
        with m.If(row.shift):
            m.d.comb += self.bytes.both.eq(both)
            m.d.sync += mask.eq(loaded)
            if mask_bytes > 1:
                m.d.sync += number.eq(Mux(ends, 0, number + 1 + both))
        return loaded

    def _emptied(self, row: Row) -> Value:
        here = row.mask[: row.lanes]
        (_, first), (_, second) = row.given
        return Mux(second.any(), at_most(here, 2), Mux(first.any(), at_most(here, 1), ~here.any()))

    def _words(self, m: Module, row: Row) -> None:
        width, mask = self.config.window, row.mask[: row.lanes]
        there, second = self.bytes.valid, self.bytes.second
        low, high = self.bytes.payload[:8], self.bytes.payload[8:]
        (first_word, first_used), (second_word, second_used) = row.given
        # Words come from places in the bytes; ``part`` is the place of the next one in the low
        # byte. ``places`` of them make a byte.
        part = Signal(range(max(2, 8 // width)))
        first_there, second_there = Signal(), Signal()
        pair, take, both = Signal(), Signal(), Signal()
        if width == 16:
            kept = Signal(8, reset_less=True)  # the low byte of a word, if ``part``
            m.d.comb += [
                first_there.eq(there & (self.half | part | second)),
                second_there.eq(second & self.half),
                first_word.eq(Mux(self.half, low, Mux(part, Cat(kept, low), Cat(low, high)))),
                second_word.eq(high),
                take.eq(1),
                both.eq(Mux(self.half, pair, second & ~part)),
            ]
            next_part = ~self.half & ~part & ~second
        elif width == 8:
            m.d.comb += [
                first_there.eq(there),
                second_there.eq(Mux(self.half, there & (~part | second), second)),
                first_word.eq(Mux(part, low[4:], Mux(self.half, low[:4], low))),
                second_word.eq(Mux(self.half, Mux(part, high[:4], low[4:]), high)),
                take.eq(~self.half | part | pair),
                both.eq(~self.half & pair),
            ]
            next_part = self.half & (part ^ ~pair)
        else:
            places = 8 // width
            last, after = part == places - 1, (part + 1)[: len(part)]
            m.d.comb += [
                first_there.eq(there),
                second_there.eq(there & (~last | second)),
                first_word.eq(low.word_select(part, width)),
                second_word.eq(Mux(last, high[:width], low.word_select(after, width))),
                take.eq(last | (pair & (part == places - 2))),
            ]
            next_part = part + 1 + pair
        lowest, next_lowest = two_lowest(mask)
        m.d.comb += [
            # A part whose last lane is alone leaves the second word for the next one.
            pair.eq(second_there & ~at_most(mask, 1)),
            first_used.eq(lowest & first_there.replicate(len(mask))),
            second_used.eq(next_lowest & second_there.replicate(len(mask))),
        ]
        with m.If(row.complete):
            m.d.comb += row.port.valid.eq(1)
            if width <= 8:
                # The rest of the last byte is padding.
                m.d.comb += self.bytes.ready.eq((part != 0) & row.port.ready & row.last)
                with m.If(row.port.ready & row.last):
                    m.d.sync += part.eq(0)
        with m.Else():
            m.d.comb += [self.hungry.eq(1), self.bytes.ready.eq(take), self.bytes.both.eq(both)]
            with m.If(there):
                m.d.sync += part.eq(next_part)
                if width == 16:
                    m.d.sync += kept.eq(low)
