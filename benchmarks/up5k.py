"""A board with an iCE40, synthesized, placed and routed: logic, memory and clock.

    python benchmarks/up5k.py [--board icebreaker] [--seeds 1 2 3] [-o docs/results/up5k.json]

needs the extra ``build``; takes a few minutes for each seed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from stablespike.boards.flow import synthesize
from stablespike.boards.registry import board as find
from stablespike.boards.tools import Tools, versions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--board", default="icebreaker")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    board = find(arguments.board)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tools = Tools(folder)
        began = time.monotonic()
        synthesize(board, folder, tools=tools)
        figures = {
            "board": board.name,
            "slots_per_cycle": board.config.slots,
            "clock_mhz": board.clock_hz / 1e6,
            "tools": versions(board.packages),
            "synthesis_seconds": round(time.monotonic() - began),
            "seeds": [],
        }
        for seed in arguments.seeds:
            placed = board.place(tools, seed)
            figures["seeds"].append({
                "seed": seed,
                "logic_cells": placed.used["ICESTORM_LC"],
                "block_rams": placed.used["ICESTORM_RAM"],
                "fmax_mhz": round(min(reached for reached, _ in placed.clocks.values()), 2),
                "seconds": round(placed.seconds),
            })
            print(json.dumps(figures["seeds"][-1]), flush=True)
    if arguments.output:
        arguments.output.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
