"""Executes the host's commands: memory writes, registers, input windows."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec.array import ArrayConfig
from stablespike.spec.layout import bits_for
from stablespike.spec.link import BIT_PARTS, CLOCKS_PER_BIT_MIN, Command, Register, Space

from ..lib.ports import CHUNK_BITS, REPORT_FLAG_BITS, space_shape, writes_signature
from ..lib.registers import pipeline
from .receiver import command_layout

__all__ = ["CommandUnit"]

_ROW_BYTES = 3


class _Decoder:
    """The current byte, and what the decoder's states decide about it in this cycle.

    Of two bytes that come together, the low one is the first.

    Attributes
    ----------
    byte, last, valid : Value
        The command byte, whether it is the last of its command, and whether it is valid.
    together : Signal
        Bytes that come together are taken together. Only before the first of them is taken.
    take : Signal
        The byte is taken; up unless a state clears it.
    go : Signal
        The byte is valid and taken.
    bad : Signal
        The byte is invalid.
    may_end : Signal
        A command may end with this byte.
    silent : Signal
        The command that ends with this byte was counted before.
    low : Signal
        The previous byte, in states for the second of two bytes.
    """

    def __init__(self, m: Module, commands: stream.Interface) -> None:
        self.m = m
        self.byte, self.last, self.valid = commands.p.data, commands.p.last, commands.valid
        self.take = Signal(init=1)
        self.together = Signal()
        self.go, self.bad, self.may_end, self.silent = (
            Signal(name=name) for name in ("go", "bad", "may_end", "silent")
        )
        self.low = Signal(8, name="low", reset_less=True)
        ready: Value = self.take
        if len(self.byte) > 8:
            second = Signal()
            alone = second | self.together | commands.p.single
            self.byte = Mux(second, self.byte[8:], self.byte[:8])
            self.last = self.last & alone
            ready = self.take & alone
            with m.If(self.go):
                m.d.sync += second.eq(~alone)
        self.word = Cat(self.low, self.byte)
        m.d.comb += [self.take.eq(1), commands.ready.eq(ready), self.go.eq(self.valid & self.take)]

    def then(self, state: str, taken: Value | None = None) -> None:
        """The state after a byte. ``taken`` is for states that do not take every byte; the others
        wait only for the byte."""
        m = self.m
        with m.If(self.valid if taken is None else taken):
            m.next = state
            with m.If(self.bad):
                m.next = "SKIP"
            # This comes last: behind the end of a command there is nothing to skip.
            with m.If(self.last):
                m.next = "LEAD"


class CommandUnit(wiring.Component):
    """Executes commands in order, a byte per cycle; with ``link_bytes`` of 2, two bytes of windows.

    A command is refused at its first invalid byte: ``fault`` is set and the rest of the command is
    skipped. Invalid are: an unknown command, space, register or flag; a core, row, value or number
    of steps that does not exist; a length that does not end with a row or does not match a
    register; a change of the map inside a window; and a repeat where there were no words before.
    Anything written before that byte stays.

    Parameters
    ----------
    config : ArrayConfig
        The array.
    slowest : int
        The longest duration of a bit that may be set, in BIT_PARTS of a clock.

    Members
    -------
    commands : In(stream.Signature(command_layout(link_bytes)))
        Command bytes from the receiver.
    writes : Out(writes_signature(config))
        Writes to the cores' memories.
    bytes : Out(stream.Signature(8))
        Bytes of input windows, to the loader; with ``link_bytes`` of 2 a stream like ``commands``.
    no_head : In(1)
        The loader refuses the byte it takes.
    idle : In(1)
        From the loader: no window is under way.
    hungry : In(1)
        From the loader: the current window needs the next byte to continue.
    rows_total : Out(unsigned)
        Register INPUT_ROWS.
    input_base : Out(unsigned)
        Register INPUT_BASE.
    half : Out(1)
        Register INPUT_HALF, where the array has ``half_words``.
    moved : Out(1)
        A strobe: one of these three is set in this cycle.
    report_flags : Out(REPORT_FLAG_BITS)
        Register REPORTS.
    executed : Out(8)
        Commands executed or refused, modulo 256.
    done : Out(1)
        A strobe, in the cycle before ``executed`` counts; the one behind a command's last byte.
    fault : Out(1)
        A command was refused.
    baud : Out(16)
        The duration of a bit in BIT_PARTS of a clock, while ``baud_set``.
    baud_set : Out(1)
        A strobe; it waits for ``quiet``.
    quiet : In(1)
        Nothing is being sent or waits to be sent, including the answer to the last ``done``.
    """

    def __init__(self, config: ArrayConfig, slowest: int = 0xFFFF) -> None:
        self.config, self.slowest = config, slowest
        half = {"half": Out(1)} if config.half_words else {}
        self._registers = {
            Register.INPUT_ROWS: "rows_total",
            Register.INPUT_BASE: "input_base",
            Register.REPORTS: "report_flags",
            **({Register.INPUT_HALF: "half"} if half else {}),
        }
        super().__init__({
            **half,
            "commands": In(stream.Signature(command_layout(config.link_bytes))),
            "writes": Out(writes_signature(config)),
            "bytes": Out(stream.Signature(8 if config.link_bytes == 1 else command_layout(2))),
            "no_head": In(1), "idle": In(1), "hungry": In(1),
            "rows_total": Out(bits_for(config.spike_rows)),
            "input_base": Out(bits_for(config.spike_rows - 1)),
            "moved": Out(1),
            "report_flags": Out(REPORT_FLAG_BITS),
            "executed": Out(8),
            "done": Out(1), "fault": Out(1),
            "baud": Out(16),
            "baud_set": Out(1), "quiet": In(1),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        at = _Decoder(m, self.commands)
        # The last byte may be late, since the loader decides whether it takes it.
        ends = Signal()
        m.d.sync += self.done.eq(ends)
        m.d.comb += [
            ends.eq(at.go & at.last & ~at.silent),
            self.bytes.payload.eq(
                at.byte if self.config.link_bytes == 1 else self.commands.payload
            ),
        ]
        with m.If(at.go & (at.bad | (at.last & ~at.may_end))):
            m.d.sync += self.fault.eq(1)
        with m.If(self.done):
            m.d.sync += self.executed.eq(self.executed + 1)

        write, register = self._write_port(m, at), self._register_file(m, at)
        with m.FSM():
            with m.State("LEAD"):
                at.then("COMMAND")
            with m.State("COMMAND"), m.Switch(at.byte):
                with m.Case(Command.WRITE):
                    at.then("CORE")
                with m.Case(Command.REGISTER):
                    at.then("REGISTER")
                with m.Case(Command.INPUT):
                    at.then("INPUT")
                with m.Default():
                    m.d.comb += at.bad.eq(1)
                    at.then("SKIP")
            with m.State("SKIP"):
                m.d.comb += at.may_end.eq(1)
                at.then("SKIP")
            self._write_states(m, at, *write)
            self._register_states(m, at, ends, *register)
            with m.State("INPUT"):
                if self.config.link_bytes > 1:
                    # The command's first byte was a high one, so these begin with a low one.
                    m.d.comb += at.together.eq(1)
                m.d.comb += [
                    at.take.eq(self.bytes.ready),
                    self.bytes.valid.eq(at.valid),
                    at.bad.eq(self.no_head),
                    at.may_end.eq(1),
                ]
                at.then("INPUT", at.go)
        return m

    def _write_states(
        self, m: Module, at: _Decoder, load: Value, row: Value, row_exists: Value, chunk_last: Value
    ) -> None:
        """WRITE: core, space, three bytes of the row, then words of two bytes."""
        with m.State("CORE"):
            m.d.comb += [at.bad.eq(~_below(at.byte, self.config.cores)), load.core.eq(at.valid)]
            at.then("SPACE")
        with m.State("SPACE"):
            m.d.comb += [at.bad.eq(~_below(at.byte, max(Space) + 1)), load.space.eq(at.valid)]
            at.then("ROW 0")
        for i, follower in enumerate(["ROW 1", "ROW 2", "WORD LOW"]):
            with m.State(f"ROW {i}"):
                m.d.comb += [
                    load.row[i].eq(at.valid),
                    at.bad.eq(at.byte >> max(0, len(row) - 8 * i) != 0),
                ]
                at.then(follower)
        with m.State("WORD LOW"):
            m.d.sync += at.low.eq(at.byte)
            at.then("WORD HIGH")
        with m.State("WORD HIGH"):
            m.d.comb += [
                at.bad.eq(~row_exists), at.may_end.eq(chunk_last), load.word.eq(at.valid)
            ]
            at.then("WORD LOW")

    def _write_port(self, m: Module, at: _Decoder) -> tuple[Value, Value, Value, Value]:
        """The address of the next word. Returns the signal that loads it, the row, whether the row
        exists, and whether the word is the row's last."""
        config, write = self.config, self.writes.payload
        load = Signal(data.StructLayout({"core": 1, "space": 1, "row": _ROW_BYTES, "word": 1}))
        shapes = {space: space_shape(config, space) for space in Space}
        core = Signal(range(config.cores), reset_less=True)
        space = Signal(range(max(Space) + 1), reset_less=True)
        row = Signal(range(max(rows for rows, _ in shapes.values()) + 1), reset_less=True)
        chunk = Signal.like(write.chunk)
        chunk_last, row_exists, next_row = Signal(), Signal(), Signal()
        # At the clock of large arrays, comparisons are made a cycle before they are needed.
        # A word takes two bytes, so row and chunk do not change in the cycle before.
        ahead = pipeline(m, config)
        with m.Switch(space):
            for number, (rows, bits) in shapes.items():
                with m.Case(number):
                    ahead += [
                        chunk_last.eq(chunk == -(-bits // CHUNK_BITS) - 1),
                        row_exists.eq(_below(row, rows)),
                    ]
        m.d.comb += [
            next_row.eq(load.word & chunk_last),
            self.writes.valid.eq(load.word & row_exists),
            write.core.eq(core),
            write.space.eq(space),
            write.row.eq(row),
            write.chunk.eq(chunk),
            write.data.eq(at.word),
        ]
        with m.If(load.core):
            m.d.sync += [core.eq(at.byte), chunk.eq(0)]
        with m.If(load.space):
            m.d.sync += space.eq(at.byte)
        with m.If(load.word):
            m.d.sync += chunk.eq(Mux(chunk_last, 0, chunk + 1))
        parts = [row[low : low + 8] for low in range(0, len(row), 8)]
        assert len(parts) <= _ROW_BYTES
        # Written as a difference, the loads cost the counter no extra cells: without a load, all
        # ones are subtracted, which adds 1.
        follows = row - Cat(~load.row[i].replicate(len(part)) for i, part in enumerate(parts))
        for i, part in enumerate(parts):
            with m.If(load.row[i] | next_row):
                m.d.sync += part.eq(Mux(load.row[i], at.byte, follows[8 * i : 8 * i + len(part)]))
        return load, row, row_exists, chunk_last

    def _register_file(self, m: Module, at: _Decoder) -> tuple[Value, Value, Value]:
        """The registers. Returns the signal that sets the chosen register, its number, and whether
        the value is invalid for it."""
        register = Signal(range(max(*self._registers, Register.BAUD) + 1), reset_less=True)
        load, out_of_range = Signal(), Signal()
        ahead = pipeline(m, self.config)
        m.d.comb += self.baud.eq(at.word)
        with m.Switch(register):
            for number, name in self._registers.items():
                target = getattr(self, name)
                with m.Case(number):
                    with m.If(load):
                        m.d.sync += target.eq(at.word)
                    ahead += out_of_range.eq((at.word >> len(target)).any())
            with m.Case(Register.BAUD):
                ahead += out_of_range.eq(
                    _below(at.word, BIT_PARTS * CLOCKS_PER_BIT_MIN)
                    | ~_below(at.word, self.slowest + 1)
                )

        return load, register, out_of_range

    def _register_states(
        self, m: Module, at: _Decoder, ends: Value, load: Value, register: Value,
        out_of_range: Value,
    ) -> None:
        """REGISTER: its number and a value of two bytes. ``ends`` counts a command."""
        known = max(*self._registers, Register.BAUD) + 1
        of_map = Cat(register == each for each in self._registers if each != Register.REPORTS).any()
        # This comes from a register, since it is late; it holds until the loader gets a byte.
        hungry = Signal()
        m.d.sync += hungry.eq(self.hungry)
        with m.State("REGISTER"):
            m.d.comb += at.bad.eq(~_below(at.byte, known))
            with m.If(at.valid):
                m.d.sync += register.eq(at.byte)
            at.then("VALUE LOW")
        with m.State("VALUE LOW"):
            m.d.sync += at.low.eq(at.byte)
            at.then("CHECK" if self.config.pipelined else "VALUE HIGH")
        if self.config.pipelined:
            # The high byte is held for the cycle in which both bytes are compared.
            with m.State("CHECK"):
                m.d.comb += at.take.eq(0)
                with m.If(at.valid):
                    m.next = "VALUE HIGH"
        with m.State("VALUE HIGH"):
            m.d.comb += [
                at.may_end.eq(1),
                # A window that needs another byte would wait for a command behind this one.
                at.bad.eq(out_of_range | ~at.last | (of_map & hungry)),
                # ``bad`` depends on ``last``, but comes late.
                load.eq(at.go & at.last & ~at.bad),
                self.moved.eq(load & of_map),
            ]
            with m.If(of_map & ~self.idle & ~hungry):
                # The current window may still end without another byte.
                m.d.comb += at.take.eq(0)
            at.then("LEAD", at.go)
            with m.If((register == Register.BAUD) & at.valid):
                # The byte is held until the answer has been sent at the old rate, or is skipped.
                m.d.comb += at.take.eq(0)
                m.next = "SKIP"
                with m.If(at.bad):
                    m.d.sync += self.fault.eq(1)
                with m.Else():
                    m.d.comb += ends.eq(1)
                    m.next = "BAUD"
        with m.State("BAUD"):
            m.d.comb += [
                at.take.eq(self.quiet & ~self.done), at.may_end.eq(1), at.silent.eq(1),
                self.baud_set.eq(at.go),
            ]
            at.then("LEAD", at.go)


def _below(value: Value, limit: int) -> Value:
    """value < limit, without a carry chain: few cells where few bits of the limit are set."""
    below: Value = Const(0, 1)
    for i in range(len(value)):
        below = ~value[i] | below if limit >> i & 1 else ~value[i] & below
    return Const(1, 1) if limit >> len(value) else below
