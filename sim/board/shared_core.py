"""One module for all cores of an array, so that it is elaborated and compiled once."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Instance, Module, ResetSignal, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.hw.core.core import Core
from stablespike.spec.array import ArrayConfig

__all__ = ["MODULE", "CoreInstance", "CoreModule"]

MODULE = "core"


class CoreModule(wiring.Component):  # type: ignore[misc]
    """The module: a core of any number, with its clock and its reset as pins.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    clk, rst : In(1)
        Its clock and its reset.
    index : In
        Its number.
    core
        The members of ``Core``.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self._index = Signal(range(config.cores))
        self._core = Core(config, self._index)
        super().__init__({
            "clk": In(1), "rst": In(1), "index": In(range(config.cores)),
            "core": Out(self._core.signature),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.sync = ClockDomain("sync")
        m.submodules.core = core = self._core
        connect(m, core, flipped(self.core))
        m.d.comb += [
            ClockSignal().eq(self.clk), ResetSignal().eq(self.rst), self._index.eq(self.index),
        ]
        return m


class CoreInstance(Core):
    """A core that is an instance of the module.

    The parameters and members are those of ``Core``.
    """

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        ports = {
            "__".join(map(str, path)): ("i" if member.flow is In else "o", Value.cast(value))
            for path, member, value in self.signature.flatten(self)
        }
        m.submodules.core = Instance(
            MODULE, i_clk=ClockSignal(), i_rst=ResetSignal(),
            i_index=Signal(range(self.config.cores), name="index", init=self.index),
            **{f"{direction}_core__{name}": value for name, (direction, value) in ports.items()},
        )
        return m
