"""A component in a shell, as benches need some."""

from types import SimpleNamespace

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect, flipped

__all__ = ["Wrapped"]


class Wrapped(wiring.Component):
    """``inner`` with a clock even if it has no register, elaborated as for ``device``."""

    def __init__(self, inner, device=""):
        self._wrapped, self._device = inner, device
        super().__init__({**dict(inner.signature.members), "clocked": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.wrapped = self._wrapped.elaborate(SimpleNamespace(device=self._device))
        m.d.sync += self.clocked.eq(1)
        for name, member in self._wrapped.signature.members.items():
            outer, inner = getattr(self, name), getattr(self._wrapped, name)
            self.join(m, member, outer, inner)
        return m

    def join(self, m, member, outer, inner):
        if member.dimensions:
            for one, other in zip(outer, inner, strict=True):
                connect(m, flipped(one), other)
        elif member.is_signature:
            connect(m, flipped(outer), inner)
        elif member.flow is Out:
            m.d.comb += outer.eq(inner)
        else:
            m.d.comb += inner.eq(outer)
