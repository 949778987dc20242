"""SPI: a peripheral of mode 0, most significant bit first, clocked by the host."""

from amaranth.hdl import Cat, ClockDomain, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["Spi"]


class Spi(wiring.Component):
    """A byte stream each way, both at once, without FIFOs. The streams are in ``sync``.

    The shift register runs on ``sck``. A byte lasts eight of its periods, which is enough to hand
    one byte each way to ``sync`` and get the answer back, so one register each way is enough. The
    clock of ``sync`` must not be slower than ``sck``: each way takes at most 4 cycles of ``sync``
    and 3 periods of ``sck``, each with one for an edge that comes too late.

    While there is nothing to send, zeros go out (``spec.link``: zeros between frames are no frame).
    So ``i`` must not pause within a frame for longer than a cycle.

    The first byte after ``cs_n`` falls is not passed on: the host sends a byte there that a flash
    memory on the same pins ignores. All bytes to the host count, also across transfers.

    A bit for the host appears right after the rising edge at which the host samples the one before.
    It so has a whole period to arrive, rather than half of one.

        sck        __/~~\\__/~~\\__
        copi       X  7  X  6  X     changes at the falling edge
        cipo         7  X  6   X     the device's delay after the rising edge

    Members
    -------
    sck : In(1)
        The clock pin; low between transfers.
    cs_n : In(1)
        The chip select pin. While it is high, bytes begin afresh.
    copi : In(1)
        The pin with bits from the host.
    cipo : Out(1)
        The pin with bits to the host.
    cipo_oe : Out(1)
        ``cipo`` is driven.
    o : Out(stream.Signature(8))
        Bytes from the host. A byte is lost if the one before was not taken in time: about 4 periods
        of ``sck`` after it came.
    i : In(stream.Signature(8))
        Bytes to the host.
    idle : Out(1)
        Always 1: the rate is the host's.
    """

    sck: In(1)
    cs_n: In(1, init=1)
    copi: In(1)
    cipo: Out(1)
    cipo_oe: Out(1)
    o: Out(stream.Signature(8))
    i: In(stream.Signature(8))
    idle: Out(1)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.domains.spi = spi = ClockDomain("spi", async_reset=True, local=True)
        m.d.comb += [
            spi.clk.eq(self.sck), spi.rst.eq(self.cs_n), self.cipo_oe.eq(~self.cs_n),
            self.idle.eq(1),
        ]

        # Only these two are reset between transfers.
        bits = Signal(3)
        begun = Signal()  # the first byte of the transfer is over
        last = Signal()
        shift = Signal(8, reset_less=True)  # out at the top, in at the bottom
        shifted = Cat(self.copi, shift[:-1])
        m.d.comb += [last.eq(bits.all()), self.cipo.eq(shift[-1])]
        m.d.spi += bits.eq(bits + 1)
        with m.If(last):
            m.d.spi += begun.eq(1)

        # From the host: ``came`` changes with each byte, ``taken`` follows when it is taken.
        came, came_sync = Signal(reset_less=True), Signal()
        taken, taken_spi = Signal(reset_less=True), Signal()
        byte = Signal(8, reset_less=True)
        m.submodules.came = FFSynchronizer(came, came_sync)
        m.submodules.taken = FFSynchronizer(taken, taken_spi, o_domain="spi")
        with m.If(last & begun & (came == taken_spi)):
            m.d.spi += [byte.eq(shifted), came.eq(~came)]
        m.d.comb += [self.o.payload.eq(byte), self.o.valid.eq(came_sync ^ taken)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += taken.eq(came_sync)

        # To the host: ``payload`` stands still from ``valid`` to ``ready``, so it crosses as it is.
        valid = Signal()
        sent, sent_sync, known = Signal(reset_less=True), Signal(), Signal(reset_less=True)
        m.submodules.valid = FFSynchronizer(self.i.valid, valid, o_domain="spi")
        m.submodules.sent = FFSynchronizer(sent, sent_sync)
        m.d.spi += shift.eq(Mux(last, self.i.payload & valid.replicate(8), shifted))
        with m.If(last):
            m.d.spi += sent.eq(sent ^ valid)
        m.d.comb += self.i.ready.eq(sent_sync ^ known)
        m.d.sync += known.eq(sent_sync)
        return m
