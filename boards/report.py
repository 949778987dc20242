"""What nextpnr reports, as ``Figures``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .board import Figures

__all__ = ["read_figures"]


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
    slowest = min(clocks, key=lambda name: clocks[name][0] / clocks[name][1])
    for path in paths:
        edges = {path["from"].split()[-1], path["to"].split()[-1]}
        if edges == {slowest}:
            return tuple(
                (step["type"], step["delay"], step["from"]["cell"], step["to"]["cell"])
                for step in path["path"]
            )
    return ()
