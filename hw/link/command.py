"""Executes the host's commands: memory writes, registers, input windows."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec.array import ArrayConfig
from stablespike.spec.layout import bits_for
from stablespike.spec.link import (
    CLOCKS_PER_BIT_MIN,
    Command,
    Register,
    Space,
)

from ..lib.ports import CHUNK_BITS, REPORT_FLAG_BITS, space_shape, writes_signature
from ..lib.registers import pipeline
from .receiver import command_layout

__all__ = ["CommandUnit"]

_ROW_BYTES = 3


class CommandUnit(wiring.Component):
    """Executes commands in order, a byte per cycle.

    A command is refused, ``fault`` set and the rest of it skipped, from the first byte that cannot
    be right: an unknown command, space, register or flag, a core, row, value or number of steps
    that does not exist, a length that does not end with a row or is not a register's, a change of
    the map inside a window, words to repeat where there were none. What was written before that
    byte stays.

    Parameters
    ----------
    config : the array.
    slowest : most clocks per bit that may be set.

    Members
    -------
    commands : see ``command_layout``.
    writes : to the cores' memories.
    bytes, no_head, idle, hungry : the loader's.
    rows_total, place, moved : the loader's; registers INPUT_ROWS and INPUT_BASE.
    half : the loader's, where the array has ``half_words``; register INPUT_HALF.
    report_flags : register REPORTS.
    executed : commands executed or refused, modulo 256; ``done`` is up in the cycle before it
        counts.
    fault : a command was refused.
    baud, baud_set : clocks per bit, valid with the strobe; it waits for ``quiet``.
    quiet : nothing is to be sent nor being sent, the answer to the last ``done`` included.
    """

    def __init__(self, config: ArrayConfig, slowest: int = 0xFFFF) -> None:
        self.config, self.slowest = config, slowest
        half = {"half": Out(1)} if config.half_words else {}
        super().__init__({
            **half,
            "commands": In(stream.Signature(command_layout())),
            "writes": Out(writes_signature(config)),
            "bytes": Out(stream.Signature(8)),
            "no_head": In(1),
            "idle": In(1),
            "hungry": In(1),
            "rows_total": Out(bits_for(config.spike_rows)),
            "place": Out(bits_for(config.spike_rows - 1)),
            "moved": Out(1),
            "report_flags": Out(REPORT_FLAG_BITS),
            "executed": Out(8),
            "done": Out(1),
            "fault": Out(1),
            "baud": Out(16),
            "baud_set": Out(1),
            "quiet": In(1),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        byte, last = self.commands.p.data, self.commands.p.last
        take, go, valid = Signal(init=1), Signal(), self.commands.valid
        bad, may_end, silent = Signal(), Signal(), Signal()
        low = Signal(8, reset_less=True)
        m.d.comb += [
            take.eq(1),
            self.commands.ready.eq(take),
            go.eq(self.commands.valid & take),
        ]

        core = Signal(range(config.cores), reset_less=True)
        space = Signal(range(max(Space) + 1), reset_less=True)
        shapes = {space: space_shape(config, space) for space in Space}
        row = Signal(range(max(rows for rows, _ in shapes.values()) + 1), reset_less=True)
        chunk = Signal.like(self.writes.payload.chunk)
        chunk_last, row_there, next_row = Signal(), Signal(), Signal()
        load_row = Signal(_ROW_BYTES)
        # At the clock of large arrays what is compared is known a cycle before it is asked for.
        ahead = pipeline(m, config)
        with m.Switch(space):
            for number, (rows, bits) in shapes.items():
                with m.Case(number):
                    ahead += [
                        chunk_last.eq(chunk == -(-bits // CHUNK_BITS) - 1),
                        row_there.eq(_below(row, rows)),
                    ]
        m.d.comb += [
            self.writes.payload.core.eq(core),
            self.writes.payload.space.eq(space),
            self.writes.payload.row.eq(row),
            self.writes.payload.chunk.eq(chunk),
            self.writes.payload.data.eq(Cat(low, byte)),
        ]
        # As a difference, the loads cost the counter no cells of their own.
        parts = [row[at : at + 8] for at in range(0, len(row), 8)]
        follows = row - Cat(~load_row[i].replicate(len(part)) for i, part in enumerate(parts))
        for i, part in enumerate(parts):
            with m.If(load_row[i] | next_row):
                m.d.sync += part.eq(Mux(load_row[i], byte, follows[8 * i : 8 * i + len(part)]))
        assert len(parts) <= _ROW_BYTES

        registers = {
            Register.INPUT_ROWS: self.rows_total,
            Register.INPUT_BASE: self.place,
            Register.REPORTS: self.report_flags,
        }
        if config.half_words:
            registers[Register.INPUT_HALF] = self.half
        known = max(*registers, Register.BAUD) + 1
        register = Signal(range(known), reset_less=True)
        value = Cat(low, byte)
        of_map = Signal()
        m.d.comb += of_map.eq(
            reduce(or_, (register == each for each in registers if each != Register.REPORTS))
        )
        m.d.comb += self.baud.eq(value)

        m.d.comb += self.bytes.payload.eq(byte)

        def then(state: str, taken: Value = self.commands.valid) -> None:
            """``taken`` where not every byte is: the bytes of the other states wait for nothing."""
            with m.If(taken):
                m.next = state
                with m.If(bad):
                    m.next = "SKIP"
                with m.If(last):
                    m.next = "LEAD"

        m.d.comb += self.done.eq(go & last & ~silent)
        with m.If(go & (bad | (last & ~may_end))):
            m.d.sync += self.fault.eq(1)
        with m.If(self.done):
            m.d.sync += self.executed.eq(self.executed + 1)

        # Behind a register, since it is late; it holds until the loader gets a byte.
        hungry = Signal()
        m.d.sync += hungry.eq(self.hungry)

        with m.FSM():
            with m.State("LEAD"):
                then("COMMAND")
            with m.State("COMMAND"), m.Switch(byte):
                with m.Case(Command.WRITE):
                    then("CORE")
                with m.Case(Command.REGISTER):
                    then("REGISTER")
                with m.Case(Command.INPUT):
                    then("INPUT")
                with m.Default():
                    m.d.comb += bad.eq(1)
                    then("SKIP")
            with m.State("SKIP"):
                m.d.comb += may_end.eq(1)
                then("SKIP")

            with m.State("CORE"):
                m.d.comb += bad.eq(~_below(byte, config.cores))
                with m.If(valid):
                    m.d.sync += [core.eq(byte), chunk.eq(0)]
                then("SPACE")
            with m.State("SPACE"):
                m.d.comb += bad.eq(~_below(byte, max(Space) + 1))
                with m.If(valid):
                    m.d.sync += space.eq(byte)
                then("ROW 0")
            for i, follower in enumerate(["ROW 1", "ROW 2", "WORD LOW"]):
                with m.State(f"ROW {i}"):
                    m.d.comb += [
                        load_row[i].eq(valid), bad.eq(byte >> max(0, len(row) - 8 * i) != 0)
                    ]
                    then(follower)
            with m.State("WORD LOW"):
                m.d.sync += low.eq(byte)
                then("WORD HIGH")
            with m.State("WORD HIGH"):
                m.d.comb += [
                    bad.eq(~row_there),
                    may_end.eq(chunk_last),
                    self.writes.valid.eq(valid & row_there),
                    next_row.eq(valid & chunk_last),
                ]
                with m.If(valid):
                    m.d.sync += chunk.eq(Mux(chunk_last, 0, chunk + 1))
                then("WORD LOW")

            with m.State("REGISTER"):
                m.d.comb += bad.eq(~_below(byte, known))
                with m.If(valid):
                    m.d.sync += register.eq(byte)
                then("VALUE LOW")
            with m.State("VALUE LOW"):
                m.d.sync += low.eq(byte)
                then("CHECK" if config.pipelined else "VALUE HIGH")
            if config.pipelined:
                with m.State("CHECK"):
                    m.d.comb += take.eq(0)
                    with m.If(valid):
                        m.next = "VALUE HIGH"
            out_of_range = Signal()
            with m.State("VALUE HIGH"):
                with m.If(of_map & ~self.idle & ~hungry):
                    m.d.comb += take.eq(0)
                m.d.comb += [may_end.eq(1), bad.eq(out_of_range)]
                with m.Switch(register):
                    for number, target in registers.items():
                        with m.Case(number), m.If(go & last & ~bad):
                            m.d.sync += target.eq(value)
                with m.If(~last | (of_map & hungry)):
                    m.d.comb += bad.eq(1)
                m.d.comb += self.moved.eq(go & of_map & ~bad)
                then("LEAD", go)
                with m.If((register == Register.BAUD) & self.commands.valid):
                    # The byte stays until the answer is out, or is skipped.
                    m.d.comb += take.eq(0)
                    m.next = "SKIP"
                    with m.If(bad):
                        m.d.sync += self.fault.eq(1)
                    with m.Else():
                        m.d.comb += self.done.eq(1)
                        m.next = "BAUD"
            with m.State("BAUD"):
                m.d.comb += [
                    take.eq(self.quiet), may_end.eq(1), silent.eq(1), self.baud_set.eq(go)
                ]
                then("LEAD", go)

            with m.State("INPUT"):
                m.d.comb += [
                    take.eq(self.bytes.ready),
                    self.bytes.valid.eq(self.commands.valid),
                    bad.eq(self.no_head),
                    may_end.eq(1),
                ]
                then("INPUT", go)

        with m.Switch(register):
            for number, target in registers.items():
                with m.Case(number):
                    ahead += out_of_range.eq((value >> len(target)).any())
            with m.Case(Register.BAUD):
                ahead += out_of_range.eq(
                    _below(value, CLOCKS_PER_BIT_MIN) | ~_below(value, self.slowest + 1)
                )
        return m


def _below(value: Value, limit: int) -> Value:
    """value < limit, without a carry chain: few cells where few bits of the limit are set."""
    below: Value = Const(0, 1)
    for i in range(len(value)):
        below = ~value[i] | below if limit >> i & 1 else ~value[i] & below
    return Const(1, 1) if limit >> len(value) else below
