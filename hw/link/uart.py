"""UART: 8 data bits, no parity, one stop bit, with a rate that can change while it runs."""

import math

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out
from stablespike.spec.layout import bits_for
from stablespike.spec.link import (
    BAUD_DEFAULT,
    BIT_PARTS,
    BREAK_BITS,
    CLOCKS_PER_BIT_MIN,
    bit_time,
)

from ..lib.checks import check_int

__all__ = ["Uart", "default_divisor"]

_DIVISOR_BITS = 16
_DIVISOR_MAX = 4096 * BIT_PARTS
_DIVISOR_MIN = CLOCKS_PER_BIT_MIN * BIT_PARTS
_PART_BITS = BIT_PARTS.bit_length() - 1
_BYTE_BITS = 10
_LONGEST_LOW = 9.5  # bits: a byte of zeros from a slow sender, with a margin


def default_divisor(clock_hz: int) -> int:
    """The duration of a bit at ``BAUD_DEFAULT``, in ``BIT_PARTS`` of a clock.

    Raises
    ------
    TypeError, ValueError
        If the clock is no integer, or too slow or too fast for it.
    """
    low, high = (parts * BAUD_DEFAULT // BIT_PARTS for parts in (_DIVISOR_MIN, _DIVISOR_MAX))
    return bit_time(check_int("clock_hz", clock_hz, low, high), BAUD_DEFAULT)


class Uart(wiring.Component):
    """A byte stream each way, both at the same rate.

    A bit lasts D clocks, which need not be whole: edges are sent up to half a clock early or late.
    Behind two synchronizing registers, bit k of a byte is sampled once, ``floor(D/2 + k D)`` clocks
    after the first clock in which the start bit is seen. A byte with a stop bit of 0 is dropped. If
    the line stays low, this is a break: the default rate is restored, after at most ``BREAK_BITS``
    bits of that rate. A byte that is still arriving at the default rate when another rate is set
    does not count as a break. A rate must not be below the default rate.

    Parameters
    ----------
    divisor : int
        D at the default rate, in ``BIT_PARTS`` of a clock, at least ``CLOCKS_PER_BIT_MIN`` clocks.

    Members
    -------
    rx : In(1)
        The pin; not synchronized.
    tx : Out(1)
        The pin; idles at 1.
    o : Out
        Bytes received: ``valid``, ``payload``, ``ready``. This is not a stream, because the wire
        does not wait: a byte is lost if it is not taken before the next one starts, 9 bits later at
        the earliest.
    i : In(stream.Signature(8))
        Bytes to send.
    idle : Out(1)
        Nothing is being sent.
    baud : In(16)
        D in ``BIT_PARTS`` of a clock, at most ``divisor``, while ``baud_set``.
    baud_set : In(1)
        A strobe, only while ``idle``: ``baud`` is the new rate, for both directions.

    Raises
    ------
    TypeError, ValueError
        Naming the parameter, the value and what is allowed.
    """

    rx: In(1, init=1)
    tx: Out(1, init=1)
    o: Out(wiring.Signature({"valid": Out(1), "payload": Out(8), "ready": In(1)}))
    i: In(stream.Signature(8))
    idle: Out(1)
    baud: In(_DIVISOR_BITS)
    baud_set: In(1)

    def __init__(self, divisor: int) -> None:
        self.divisor = check_int("divisor", divisor, _DIVISOR_MIN, _DIVISOR_MAX)
        super().__init__()

    def elaborate(self, platform) -> Module:
        m = Module()
        divisor = Signal(bits_for(self.divisor), init=self.divisor)
        with m.If(self.baud_set):
            m.d.sync += divisor.eq(self.baud)

        # A bit ends after the whole clocks of ``divisor``. Counting starts from 1, so that they are
        # the bound themselves. The parts of a clock add up; when they make a clock, counting starts
        # from 0. Sender: a marker identifies the last bit, so bits need no counter.
        clocks_per_bit, parts = divisor[_PART_BITS:], divisor[:_PART_BITS]
        sending = Signal()
        clocks = Signal.like(clocks_per_bit, init=1)
        behind = Signal(_PART_BITS, init=BIT_PARTS // 2)
        added = behind + parts
        begin = Mux(added[_PART_BITS], 0, 1)
        left = Signal(10)  # start, data, and a marker behind them that is never sent
        m.d.comb += [self.idle.eq(~sending), self.i.ready.eq(~sending)]
        with m.If(~sending):
            m.d.sync += clocks.eq(begin)
            with m.If(self.i.valid):
                m.d.sync += [
                    sending.eq(1), behind.eq(added), self.tx.eq(0),
                    left.eq(Cat(self.i.payload, 1, 1)),
                ]
        with m.Elif(clocks == clocks_per_bit):
            m.d.sync += [
                clocks.eq(begin), behind.eq(added), self.tx.eq(left[0]), left.eq(left >> 1)
            ]
            with m.If(left[1:] == 0):
                m.d.sync += [sending.eq(0), self.tx.eq(1), behind.eq(BIT_PARTS // 2)]
        with m.Else():
            m.d.sync += clocks.eq(clocks + 1)

        # Receiver.
        line = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, line, init=1)
        # Clocks since the last sample, or since the edge. The highest bit indicates a break.
        break_bits = math.ceil(math.log2(_LONGEST_LOW * self.divisor / BIT_PARTS))
        assert _BYTE_BITS + (1 << break_bits) * BIT_PARTS / self.divisor <= BREAK_BITS
        sampled = Signal(break_bits + 1, init=1)
        bits = Signal(9, init=-1)  # shifted down; the byte is complete when the start bit is lowest
        early, sample, held, broken = Signal(), Signal(), Signal(), Signal()
        late = Signal(_PART_BITS)  # parts of a clock by which the last sample was early
        summed = late + parts
        m.d.comb += [
            self.o.payload.eq(bits[1:]),
            self.o.valid.eq(held),
            sample.eq(sampled == Mux(early, clocks_per_bit >> 1, clocks_per_bit)),
        ]
        with m.If(self.o.ready):
            m.d.sync += held.eq(0)
        m.d.sync += sampled.eq(sampled + 1)
        with m.FSM():
            with m.State("WAIT"):
                m.d.sync += [sampled.eq(1), early.eq(1), late.eq(divisor[1:])]
                with m.If(~line):
                    m.d.sync += [held.eq(0), bits.eq(-1)]
                    m.next = "RECEIVE"
            with m.State("RECEIVE"):
                with m.If(sample):
                    m.d.sync += [
                        sampled.eq(Mux(summed[_PART_BITS], 0, 1)), late.eq(summed), early.eq(0)
                    ]
                    # A start bit that is over by its middle was a glitch.
                    with m.If(early & line):
                        m.next = "WAIT"
                    with m.Elif(bits[0]):
                        m.d.sync += bits.eq(Cat(bits[1:], line))
                    with m.Else():
                        m.d.sync += held.eq(line)
                        m.next = "RELEASE"
                        # The next start bit of a fast sender may be seen in the next clock.
                        with m.If(line):
                            m.next = "WAIT"
                with m.If(self.baud_set):
                    m.next = "WAIT"
            with m.State("RELEASE"):
                # A stop bit of 0 is a bad byte or a break; the next start bit comes after a 1.
                # The previous byte lasted at most as long as its bits at the default rate.
                m.d.comb += broken.eq(sampled[-1])
                with m.If(broken):
                    m.d.sync += divisor.eq(self.divisor)
                with m.If(line):
                    m.next = "WAIT"
        return m
