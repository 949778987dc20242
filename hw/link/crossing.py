"""From the clock of a wire to that of the array, and back."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.fifo import AsyncFIFO
from amaranth.lib.wiring import In, Out, connect, flipped

from .wire import wire_signature

__all__ = ["Crossing"]


class Crossing(wiring.Component):
    """Carries the bytes of a wire between its clock domain and ``sync``.

    A byte takes about four clocks of the domain that it arrives in. Both directions carry a byte
    per clock of the slower domain, or a word with ``link_bytes`` of 2.

    Parameters
    ----------
    domain : str
        The wire's domain.
    depth : int
        Transfers in each FIFO, a power of two. 16 are enough for one per clock.
    link_bytes : int
        As of the array.

    Members
    -------
    wire : In(wire_signature(link_bytes))
        The wire, in ``domain``.
    bytes : Out(wire_signature(link_bytes))
        The same in ``sync``; ``idle`` is always 1.
    """

    def __init__(self, domain: str, depth: int = 16, link_bytes: int = 1) -> None:
        self.domain, self.depth, self.link_bytes = domain, depth, link_bytes
        signature = wire_signature(link_bytes)
        super().__init__({"wire": In(signature), "bytes": Out(signature)})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.down = down = AsyncFIFO(
            width=8 * self.link_bytes, depth=self.depth, w_domain=self.domain, r_domain="sync"
        )
        m.submodules.up = up = AsyncFIFO(
            width=8 * self.link_bytes, depth=self.depth, w_domain="sync", r_domain=self.domain
        )
        connect(m, flipped(self.wire.o), down.w_stream)
        connect(m, down.r_stream, flipped(self.bytes.o))
        connect(m, flipped(self.bytes.i), up.w_stream)
        connect(m, up.r_stream, flipped(self.wire.i))
        m.d.comb += self.bytes.idle.eq(1)
        return m
