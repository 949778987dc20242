"""The one host that is served."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...lib.checks import check_int
from ...vendor.memory import collision_free_memory
from .positions import SENDER_BYTES

__all__ = ["Owner"]

_BANK = 16
assert SENDER_BYTES <= _BANK


class Owner(wiring.Component):
    """Compares the sender of each frame with the owner, and lets a new owner in.

    Parameters
    ----------
    silence : int
        Cycles without ``heard`` after which another host may take over.

    Members
    -------
    begin : In(1)
        A frame begins; its bytes come later.
    valid : In(1)
        There is a byte that tells senders apart.
    index : In(range(SENDER_BYTES))
        Which of them.
    data : In(8)
        The byte.
    same : Out(1)
        All bytes since ``begin`` were those of the owner; up to date two cycles after a byte.
    owned : Out(1)
        There is an owner.
    free : Out(1)
        There is none, or it has been silent for too long.
    heard : In(1)
        A strobe: a good datagram came from the owner.
    take : In(1)
        A strobe: the sender of the last frame becomes the owner.
    release : In(1)
        A strobe: there is no owner any more.
    """

    begin: In(1)
    valid: In(1)
    index: In(range(SENDER_BYTES))
    data: In(8)
    same: Out(1)
    owned: Out(1)
    free: Out(1)
    heard: In(1)
    take: In(1)
    release: In(1)

    def __init__(self, silence: int) -> None:
        self.silence = check_int("silence", silence, 1)
        super().__init__()

    def elaborate(self, platform) -> Module:
        m = Module()
        # One bank holds the owner, the other one the sender of the present frame.
        m.submodules.senders = senders = collision_free_memory(8, 2 * _BANK)
        write, read = senders.write_port(), senders.read_port(domain="comb")
        bank = Signal()
        m.d.comb += [
            write.en.eq(self.valid),
            write.addr.eq(Cat(self.index, ~bank)),
            write.data.eq(self.data),
            read.addr.eq(Cat(self.index, bank)),
        ]
        differs = Signal()
        m.d.sync += differs.eq(self.valid & (read.data != self.data))
        with m.If(differs):
            m.d.sync += self.same.eq(0)
        with m.If(self.begin):
            m.d.sync += self.same.eq(self.owned)

        quiet = Signal(range(self.silence + 1))
        silent = Signal()
        m.d.sync += [quiet.eq(quiet + 1), self.free.eq(~self.owned | silent)]
        with m.If(quiet == self.silence):
            m.d.sync += silent.eq(1)
        with m.If(self.heard | self.take):
            m.d.sync += [quiet.eq(0), silent.eq(0)]
        with m.If(self.take):
            m.d.sync += [self.owned.eq(1), bank.eq(bank ^ ~self.same)]
        with m.If(self.release):
            m.d.sync += self.owned.eq(0)
        return m
