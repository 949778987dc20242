"""Spike memory: rows of L spike words, each with a row of flags "not zero"."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig, bits_for

from .queue import NO_COLLISION

__all__ = ["SpikeMemory"]


class SpikeMemory(wiring.Component):
    """Words and flags of every map a core reads.

    A row written in one cycle can be read from the next on. Flags and words are read at
    independent addresses, one row each per cycle, one cycle of latency.

    Members
    -------
    write, write_row, write_words : a row of the bus; the flags are made here.
    flags_row -> flags : bit ``l`` set where word ``l`` of the row is not 0.
    words_row -> words : the row, word of lane 0 lowest.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        row = unsigned(bits_for(config.spike_rows - 1))
        super().__init__(
            {
                "write": In(1),
                "write_row": In(row),
                "write_words": In(config.row_bits),
                "flags_row": In(row),
                "flags": Out(config.lanes),
                "words_row": In(row),
                "words": Out(config.row_bits),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        lanes, window = self.config.lanes, self.config.window
        words, flags = (
            Memory(
                shape=unsigned(width), depth=self.config.spike_rows, init=[], attrs=NO_COLLISION
            )
            for width in (self.config.row_bits, lanes)
        )
        m.submodules.words, m.submodules.flags = words, flags
        write_words, write_flags = words.write_port(), flags.write_port()
        read_words, read_flags = words.read_port(), flags.read_port()
        m.d.comb += [
            write_words.en.eq(self.write),
            write_words.addr.eq(self.write_row),
            write_words.data.eq(self.write_words),
            write_flags.en.eq(self.write),
            write_flags.addr.eq(self.write_row),
            write_flags.data.eq(
                Cat(self.write_words.word_select(lane, window).any() for lane in range(lanes))
            ),
            read_flags.addr.eq(self.flags_row),
            self.flags.eq(read_flags.data),
            read_words.addr.eq(self.words_row),
            self.words.eq(read_words.data),
        ]
        return m
