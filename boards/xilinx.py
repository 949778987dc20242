"""Boards with an Artix-7: a complete project for Vivado, the only tool for their bitstreams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stablespike.support.errors import ToolError

from .board import Board, Figures
from .memory import BlockRam
from .pll import Pll, artix_pll

if TYPE_CHECKING:
    from amaranth.hdl import Module, Signal
    from amaranth.lib.io import PortLike

    from .tools import Tools

__all__ = ["XilinxBoard"]


@dataclass(frozen=True)
class XilinxBoard(Board):
    """A board with an Artix-7 35T."""

    family = "xilinx"
    constraints = "xdc"
    bitstream = ""
    packages = ()
    find_pll = staticmethod(artix_pll)
    # Shapes of AMD UG473; a RAMB36 counts as two.
    ram = BlockRam(
        "RAMB18", ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36)), 9, 128,
        lut_rows=32,
    )
    synthesis = ""
    project = ("top.v", "top.xdc", "top.tcl")

    @property
    def memory(self) -> dict[str, int]:
        return {"RAMB18": 100}

    def add_pll(self, m: Module, pin: PortLike, pll: Pll, clock: Signal, locked: Signal) -> None:
        from amaranth.hdl import Instance, Signal
        from amaranth.lib import io

        # A feedback without a buffer is allowed: nothing needs the clock's phase at the pin.
        m.submodules.crystal = buffer = io.Buffer("i", pin)
        feedback, made = Signal(), Signal()
        m.submodules.pll = Instance(
            "PLLE2_BASE",
            p_CLKIN1_PERIOD=1e9 / pll.input_hz,
            **{f"p_{name}": value for name, value in pll.settings.items()},
            i_CLKIN1=buffer.i,
            i_CLKFBIN=feedback,
            i_RST=0,
            i_PWRDWN=0,
            o_CLKFBOUT=feedback,
            o_CLKOUT0=made,
            o_LOCKED=locked,
        )
        m.submodules.global_buffer = Instance("BUFG", i_I=made, o_O=clock)

    def place(self, tools: Tools, seed: int) -> Figures:
        raise self._refusal()

    def pack(self, tools: Tools, seed: int) -> None:
        raise self._refusal()

    def _refusal(self) -> ToolError:
        return ToolError(
            f"{self.title} needs AMD's Vivado: build its project, and run vivado on its top.tcl"
        )
