"""Spike memory: rows of L spike words, each with a row of flags "not zero"."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig, bits_for

from ..lib.ports import beat_layout
from ..vendor.memory import collision_free_memory

__all__ = ["SpikeMemory"]


class SpikeMemory(wiring.Component):
    """Words and flags of every map that a core reads.

    A row is written in ``row_beats`` parts, lowest lanes first; what is written in one cycle can
    be read from the next one on. Flags and words are read at independent addresses, a row of flags
    and a part of a row of words per cycle.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    write : In(1)
        Write ``written``.
    written : In(beat_layout(config))
        A part of a row, as it is on the bus; its flags are computed here.
    flags_row : In(unsigned)
        A row.
    flags : Out(config.lanes)
        One cycle later: bit ``l`` is set where word ``l`` of the row is not 0.
    words_row : In(unsigned)
        A row, independent of ``flags_row``.
    words_beat : In(range(config.row_beats))
        A part of that row.
    words : Out
        One cycle later: the words of that part, with the word of its first lane lowest.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        row = unsigned(bits_for(config.spike_rows - 1))
        super().__init__(
            {
                "write": In(1),
                "written": In(beat_layout(config)),
                "flags_row": In(row),
                "flags": Out(config.lanes),
                "words_row": In(row),
                "words_beat": In(range(config.row_beats)),
                "words": Out(config.row_bits // config.row_beats),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        config, written = self.config, self.written
        beats, window = config.row_beats, config.window
        lanes = config.lanes // beats
        m.submodules.words = words = collision_free_memory(
            lanes * window, config.spike_rows * beats
        )
        m.submodules.flags = flags = collision_free_memory(config.lanes, config.spike_rows)
        # A row's flags form one row of their memory; each part writes its own flags.
        write_words = words.write_port()
        write_flags = flags.write_port(granularity=lanes if beats > 1 else None)
        read_words, read_flags = words.read_port(), flags.read_port()
        spiked = Cat(written.words.word_select(lane, window).any() for lane in range(lanes))
        m.d.comb += [
            write_words.en.eq(self.write),
            write_words.addr.eq(Cat(written.beat, written.row)),
            write_words.data.eq(written.words),
            write_flags.en.eq(self.write << written.beat),
            write_flags.addr.eq(written.row),
            write_flags.data.eq(spiked.replicate(beats)),
            read_flags.addr.eq(self.flags_row),
            self.flags.eq(read_flags.data),
            read_words.addr.eq(Cat(self.words_beat, self.words_row)),
            self.words.eq(read_words.data),
        ]
        return m
