"""Registers in a stream."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SkidBuffer", "StreamRegister"]


class StreamRegister(wiring.Component):
    """A register for ``payload`` and ``valid`` of a stream; ``ready`` passes through.

    The latency is one cycle. The throughput is one transfer per cycle, or one every other cycle if
    ``spaced``.

    Parameters
    ----------
    shape : ShapeLike
        The shape of the payload.
    spaced : bool
        ``ready`` does not pass through; it is up while the register is empty.

    Members
    -------
    i : In(stream.Signature(shape))
        The stream.
    o : Out(stream.Signature(shape))
        The same, a cycle later.
    """

    def __init__(self, shape: ShapeLike, *, spaced: bool = False) -> None:
        self.spaced = spaced
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform) -> Module:
        m = Module()
        room = ~self.o.valid if self.spaced else ~self.o.valid | self.o.ready
        payload = Signal.like(self.o.payload, reset_less=True)
        m.d.comb += [self.i.ready.eq(room), self.o.payload.eq(payload)]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        # This comes last, because a register may be filled in the cycle in which it is emptied.
        with m.If(self.i.ready):
            m.d.sync += [self.o.valid.eq(self.i.valid), payload.eq(self.i.payload)]
        return m


class SkidBuffer(wiring.Component):
    """Registers for ``payload``, ``valid`` and ``ready`` of a stream; it has room for two.

    The latency is one cycle, the throughput one transfer per cycle.

    Parameters
    ----------
    shape : ShapeLike
        The shape of the payload.

    Members
    -------
    i : In(stream.Signature(shape))
        The stream.
    o : Out(stream.Signature(shape))
        The same, a cycle later.
    """

    def __init__(self, shape: ShapeLike) -> None:
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform) -> Module:
        m = Module()
        payload, spare = (
            Signal.like(self.i.payload, name=name, reset_less=True) for name in ("payload", "spare")
        )
        # The input learns of a stall a cycle late; what it sends in that cycle goes to ``spare``.
        full = Signal()
        m.d.comb += [self.i.ready.eq(~full), self.o.payload.eq(payload)]
        with m.If(self.o.ready | ~self.o.valid):
            m.d.sync += [
                self.o.valid.eq(full | self.i.valid),
                payload.eq(Mux(full, spare, self.i.payload)),
                full.eq(0),
            ]
        with m.Elif(self.i.valid):
            m.d.sync += full.eq(1)
        # It is loaded even if it is not needed, so that its enable is a single register.
        with m.If(~full):
            m.d.sync += spare.eq(self.i.payload)
        return m
