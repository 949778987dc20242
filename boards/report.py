"""Reads nextpnr's report and puts it into words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from .board import Figures

__all__ = ["fmax", "headroom", "in_words", "is_met", "overfull", "read_figures", "slowest"]


def read_figures(report: Path, seed: int, seconds: float) -> Figures:
    """The figures of a file that nextpnr's ``--report`` wrote.

    The critical path is that of the slowest clock, from a register to a register.
    """
    found = json.loads(report.read_text())
    clocks = {
        name: (rates["achieved"], rates["constraint"]) for name, rates in found["fmax"].items()
    }
    return Figures(
        seed=seed,
        clocks=clocks,
        used={name: cells["used"] for name, cells in found["utilization"].items()},
        available={name: cells["available"] for name, cells in found["utilization"].items()},
        path=_critical(found["critical_paths"], clocks),
        seconds=seconds,
    )


def _critical(
    paths: list[dict[str, Any]], clocks: dict[str, tuple[float, float]]
) -> tuple[tuple[str, float, str, str], ...]:
    if not clocks:
        return ()
    worst = slowest(clocks)
    for path in paths:
        # Each end reads like "posedge clk". Paths from or to a pin have "<async>" there.
        edges = {path["from"].split()[-1], path["to"].split()[-1]}
        if edges == {worst}:
            return tuple(
                (step["type"], step["delay"], step["from"]["cell"], step["to"]["cell"])
                for step in path["path"]
            )
    return ()


_NAMED_MHZ = 0.05  # requested rates are rounded, too
_SLACK_MHZ = 0.01  # nextpnr rounds periods to picoseconds
# yosys and nextpnr append these to the name of the signal that a cell drives.
_CELL = re.compile(
    r"_(SB_|TRELLIS_|LUT\d|CCU2C|PFUMX|L6MUX|DP16KD|PDPW16KD|MULT|DFF|ALU|MUX2|RAM16|SDP)\w*.*$"
)


def slowest(clocks: dict[str, tuple[float, float]]) -> str:
    """The clock with the smallest ratio of the rate reached to the rate requested."""
    return min(clocks, key=lambda name: clocks[name][0] / clocks[name][1])


def headroom(figures: Figures) -> float:
    """The smallest ratio of a rate reached to the rate requested."""
    reached, wanted = figures.clocks[slowest(figures.clocks)]
    return reached / wanted


def fmax(figures: Figures, clock_mhz: float) -> float:
    """Rate that the array's clock reaches, in MHz.

    Links have clocks too, so it is the slowest of those that were requested at the array's rate.
    """
    arrays = {
        name: rates for name, rates in figures.clocks.items()
        if abs(rates[1] - clock_mhz) < _NAMED_MHZ
    }
    clocks = arrays or figures.clocks
    return clocks[slowest(clocks)][0]


def is_met(figures: Figures) -> bool:
    """Whether every clock reaches the rate requested."""
    return all(reached >= wanted - _SLACK_MHZ for reached, wanted in figures.clocks.values())


def in_words(figures: Figures) -> str:
    """The critical path in words: its blocks, and the time in logic and on wires."""
    if not figures.path:
        return "no path between registers"
    routing = sum(delay for kind, delay, _, _ in figures.path if kind == "routing")
    total = sum(delay for _, delay, _, _ in figures.path)
    blocks: list[str] = []
    for _, _, _, cell in figures.path:
        block = _origin(cell)[0]
        if block and (not blocks or blocks[-1] != block):
            blocks.append(block)
    start, end = _origin(figures.path[0][2]), _origin(figures.path[-1][3])
    through = f", by way of {', '.join(blocks[1:-1])}" if len(blocks) > 2 else ""
    return (
        f"{_described(start)} to {_described(end)}, {total:.1f} ns: {total - routing:.1f} in "
        f"{sum(kind == 'logic' for kind, _, _, _ in figures.path)} pieces of logic, "
        f"{routing:.1f} on wires{through}"
    )


def _origin(cell: str) -> tuple[str, str]:
    """Block and signal that a cell is named after; empty if a tool made the cell."""
    if cell.startswith("$"):
        return "", ""
    *parts, name = _CELL.sub("", cell).split(".")
    while parts and parts[0] in ("accelerator", "array"):
        parts.pop(0)
    return ".".join(parts) or "top", name


def _described(origin: tuple[str, str]) -> str:
    block, name = origin
    return f"{block} ({name})" if block else "a cell without a name"


def overfull(log: str) -> dict[str, tuple[int, int]]:
    """Cells that the placer's log counts too many of: (used, available), by name."""
    found = re.findall(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%$", log, re.M)
    counts = {name: (int(used), int(there)) for name, used, there in found}
    return {name: each for name, each in counts.items() if each[0] > each[1]}
