"""What nextpnr reports, as ``Figures`` and in words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from .board import Figures

__all__ = ["fmax", "in_words", "is_met", "overfull", "read_figures", "slowest"]


def read_figures(report: Path, seed: int, seconds: float) -> Figures:
    """The figures in the file nextpnr's ``--report`` wrote.

    The critical path is the one of the slowest clock, from a register to a register.
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
        edges = {path["from"].split()[-1], path["to"].split()[-1]}
        if edges == {worst}:
            return tuple(
                (step["type"], step["delay"], step["from"]["cell"], step["to"]["cell"])
                for step in path["path"]
            )
    return ()


_SLACK_MHZ = 0.01  # nextpnr rounds periods to picoseconds
_CELL = re.compile(
    r"_(SB_|TRELLIS_|LUT\d|CCU2C|PFUMX|L6MUX|DP16KD|PDPW16KD|MULT|DFF|ALU|MUX2|RAM16|SDP)\w*.*$"
)


def slowest(clocks: dict[str, tuple[float, float]]) -> str:
    """The clock that reaches least of what it should."""
    return min(clocks, key=lambda name: clocks[name][0] / clocks[name][1])


def fmax(figures: Figures) -> float:
    """Rate the slowest clock reaches, in MHz."""
    return figures.clocks[slowest(figures.clocks)][0]


def is_met(figures: Figures) -> bool:
    """Whether every clock reaches what it should."""
    return all(reached >= wanted - _SLACK_MHZ for reached, wanted in figures.clocks.values())


def in_words(figures: Figures) -> str:
    """The critical path: which block to which block, nanoseconds in logic and on the way."""
    if not figures.path:
        return "no path between registers"
    routing = sum(delay for kind, delay, _, _ in figures.path if kind == "routing")
    whole = sum(delay for _, delay, _, _ in figures.path)
    blocks: list[str] = []
    for _, _, _, cell in figures.path:
        block = _place(cell)[0]
        if block and (not blocks or blocks[-1] != block):
            blocks.append(block)
    start, end = _place(figures.path[0][2]), _place(figures.path[-1][3])
    through = f", by way of {', '.join(blocks[1:-1])}" if len(blocks) > 2 else ""
    return (
        f"{_said(start)} to {_said(end)}, {whole:.1f} ns: {whole - routing:.1f} in "
        f"{sum(kind == 'logic' for kind, _, _, _ in figures.path)} pieces of logic, "
        f"{routing:.1f} on wires{through}"
    )


def _place(cell: str) -> tuple[str, str]:
    """Block and signal a cell is named after; empty of one the tool made."""
    if cell.startswith("$"):
        return "", ""
    *parts, name = _CELL.sub("", cell).split(".")
    while parts and parts[0] in ("accelerator", "array"):
        parts.pop(0)
    return ".".join(parts) or "top", name


def _said(place: tuple[str, str]) -> str:
    block, name = place
    return f"{block} ({name})" if block else "a cell of the tool's own"


def overfull(log: str) -> dict[str, tuple[int, int]]:
    """What the placer's log says there is too little of: cells by name, (used, there)."""
    found = re.findall(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%$", log, re.M)
    counts = {name: (int(used), int(there)) for name, used, there in found}
    return {name: each for name, each in counts.items() if each[0] > each[1]}
