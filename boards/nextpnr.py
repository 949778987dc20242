"""Runs nextpnr, which places and routes a netlist."""

from __future__ import annotations

import time

from .board import Figures
from .report import read_figures
from .tools import Tools

__all__ = ["TIMED", "place_and_route"]

TIMED = ("--placer-heap-timingweight", "20")
"""Paths weigh twice as much in the placement as nextpnr has it. docs/measurements/trials.md has the
clocks."""


def place_and_route(
    tools: Tools, tool: str, clock_hz: int, seed: int, *arguments: str
) -> Figures:
    """Place and route ``top.json`` with one seed.

    The report is ``SEED.json`` and the log ``SEED.log``, in the folder of the tools.

    Parameters
    ----------
    tools : Tools
        Tools of the build.
    tool : str
        The nextpnr of the device's family.
    clock_hz : int
        Requested rate of the array's clock.
    seed : int
        Seed of the placer.
    *arguments : str
        Options for the device, its constraints and the output file.

    Raises
    ------
    ToolError
        If nextpnr is missing or fails.
    """
    began = time.monotonic()
    tools.run(
        tool, *arguments, "--json", "top.json", "--freq", f"{clock_hz / 1e6:.6f}",
        "--seed", str(seed), "--report", f"{seed}.json", "--log", f"{seed}.log",
        # A build that misses its clock is reported with its worst path, rather than lost.
        "--timing-allow-fail",
    )
    return read_figures(tools.folder / f"{seed}.json", seed, time.monotonic() - began)
