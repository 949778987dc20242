"""Task reader: copies the words of one task from the task memory into registers."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig, Layout, bits_for, task_layout
from stablespike.spec.task import TASK_WORD_BITS

from ..lib.checks import check_int
from ..lib.layouts import struct
from ..lib.ports import tasks_signature
from ..vendor.multiplier import EnableRegister

__all__ = ["TaskReader", "task_rows"]


def task_rows(config: ArrayConfig) -> int:
    """The number of words of a core's task memory."""
    return config.tasks * task_layout(config).stride


class TaskReader(wiring.Component):
    """Reads some words of a task into registers, one per cycle while granted.

    The latency from ``start`` to ``loaded`` is the number of words + 2 cycles:

        cycle    0      1       2       3       4
        start    *
        request         word 0  word 1
        data                    word 0  word 1
        loaded                                  *

    Parameters
    ----------
    config : ArrayConfig
        The array.
    words : tuple of Layout
        Layouts of the words that are read.
    first : int
        Position of the first of them in the task.
    held : int or None
        The word that is kept in an ``EnableRegister`` (an unused multiplier), if any.

    Raises
    ------
    TypeError, ValueError
        If ``first`` is not a whole number, there are no words, or they reach beyond the task.

    Members
    -------
    tasks : In(tasks_signature(config, words))
        The side that works on the task.
    request : Out(1)
        A word of the task memory is wanted.
    grant : In(1)
        The memory is read for this reader in this cycle.
    address : Out
        The row that is wanted.
    data : In(TASK_WORD_BITS)
        That row, one cycle after it was granted.
    """

    def __init__(
        self, config: ArrayConfig, words: tuple[Layout, ...], first: int, held: int | None = None
    ) -> None:
        self.words, self.first, self.held = words, check_int("first", first, 0), held
        self.stride = task_layout(config).stride
        if not words:
            raise ValueError("words must be at least one layout, not none")
        if first + len(words) > self.stride:
            raise ValueError(
                f"first must be at most {self.stride - len(words)} for {len(words)} words of a "
                f"task of {self.stride}, not {first}"
            )
        super().__init__({
            "tasks": In(tasks_signature(config, words)),
            "request": Out(1), "grant": In(1),
            "address": Out(unsigned(bits_for(task_rows(config) - 1))),
            "data": In(TASK_WORD_BITS),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        count = len(self.words)
        # The word to request next; ``count`` if there is none, as after a reset.
        word = Signal(range(count + 1), init=count)
        arriving = Signal(count)
        registers = [Signal(struct(layout), name=f"word{i}", reset_less=True)
                     for i, layout in enumerate(self.words)]
        if self.held is not None:
            m.submodules.held = held = EnableRegister(TASK_WORD_BITS)
            m.d.comb += [
                held.i.eq(self.data), held.load.eq(arriving[self.held]),
                registers[self.held].as_value().eq(held.o),
            ]
        m.d.comb += [
            self.request.eq(word != count),
            # The stride is a power of two, so the task's number is the upper part of the address.
            self.address.eq(
                Cat((self.first + word)[: self.stride.bit_length() - 1], self.tasks.task)
            ),
            self.tasks.fields.eq(Cat(registers)),
        ]
        # One bit per word says which one ``data`` is in this cycle.
        m.d.sync += arriving.eq(0)
        with m.If(self.request & self.grant):
            m.d.sync += [word.eq(word + 1), arriving.eq(1 << word)]
        for i, register in enumerate(registers):
            if i != self.held:
                with m.If(arriving[i]):
                    m.d.sync += register.eq(self.data)
        with m.If(arriving[count - 1]):
            m.d.sync += self.tasks.loaded.eq(1)
        # This comes last, because the sequencer may start again while a task is read.
        with m.If(self.tasks.start):
            m.d.sync += [word.eq(0), arriving.eq(0), self.tasks.loaded.eq(0)]
        return m
