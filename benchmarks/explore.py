"""The cost of an array's shape: logic of whole accelerators, and cycles of an MNIST image.

    python benchmarks/explore.py [icebreaker] [ulx3s-25f] [lanes] [-o docs/results/explore.json]

Each row is a board's design with one thing changed. It is synthesized and packed but not placed, so
it has no clock. Cycles are those of ``estimate``, which is exact on one core, for shipped images of
784-128-10 in a row, without counters. ``lanes`` compares ways to drain: an icebreaker's lanes
alone, in cells as yosys counts them. Rows of the file that are not asked for stay.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import stablespike as ss
from amaranth.back import rtlil
from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from stablespike.boards.board import Board
from stablespike.boards.flow import READ, synthesize
from stablespike.boards.registry import board
from stablespike.boards.tools import ToolError, Tools
from stablespike.datasets import shipped_mnist, shipped_path
from stablespike.datasets.shipped import NETWORK, pixels
from stablespike.golden.counters import source_words
from stablespike.hw.scan.chained_lanes import ChainedLanes
from stablespike.hw.scan.lanes import Lanes, lanes_signature
from stablespike.spec import ArrayConfig
from stablespike.support.errors import DoesNotFit
from stablespike.timing.estimate import estimate

IMAGES = 100
STEPS = 4

SHAPES: dict[str, dict[str, dict[str, Any]]] = {
    "icebreaker": {
        "as it is: 16 lanes, T = 4, R = 1": {},
        "8 lanes, T = 8": {
            "lanes": 8, "window": 8, "weight_rows": 32768, "spike_rows": 512, "neuron_groups": 64,
            "state_groups": 64,
        },
        "16 lanes, T = 2": {"window": 2},
        "16 lanes, T = 8": {"window": 8},
        "R = 2": {"neuron_steps": 2},
        "R = 4": {"neuron_steps": 4},
        "rows in 2 beats": {"row_beats": 2},
        "drained by chains of 8 through memories": {"chain": 8},
    },
    "ulx3s-25f": {
        "as it is: 64 lanes, T = 8, R = 4, chains of 8, rows in 4 beats": {},
        "32 lanes, T = 16": {
            "lanes": 32, "window": 16, "weight_rows": 4096, "spike_rows": 128, "neuron_groups": 32,
            "state_groups": 32,
        },
        "64 lanes, T = 4": {"window": 4},
        "2 cores of 32 lanes": {
            "cores": 2, "lanes": 32, "spike_rows": 128, "neuron_groups": 32, "state_groups": 32,
        },
        "R = 1": {"neuron_steps": 1},
        "R = 2": {"neuron_steps": 2},
        "R = 8": {"neuron_steps": 8},
        "chains of 4": {"chain": 4},
        "chains of 16": {"chain": 16},
        "a shadow register for each accumulator": {"chain": 1},
        "rows in 2 beats": {"row_beats": 2},
        "rows in 8 beats": {"row_beats": 8},
    },
}

_PACKED = re.compile(r"^Info:\s+(\w+):\s+(\d+)/\s*\d+\s+\d+%", re.MULTILINE)


class Packing(Tools):
    """Tools whose placer only packs."""

    def run(self, tool: str, *arguments: str) -> str:
        if tool.startswith("nextpnr"):
            results = ("--asc", "--textcfg", "--report")  # there are none
            left = [i for i, each in enumerate(arguments) if each in results]
            arguments = (*(each for i, each in enumerate(arguments)
                           if not {i, i - 1}.intersection(left)), "--pack-only")
        return super().run(tool, *arguments)


def packed(at: Board, config: ArrayConfig) -> dict[str, int]:
    """Return the cells of each kind, and yosys' count of the kinds that reports name."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        synthesize(at, folder, config)
        # There is no report to read.
        with contextlib.suppress(FileNotFoundError):
            at.place(Packing(folder), 1)
        used = {kind: int(n) for kind, n in _PACKED.findall((folder / "1.log").read_text())}
        counted = json.loads((folder / "cells.json").read_text())["design"]["num_cells_by_type"]
    return {
        "logic_cells": sum(used.get(kind, 0) for kind in at.logic_cells),
        **{
            kind: sum(n for cell, n in counted.items() if re.match(pattern, cell))
            for kind, pattern in at.cells.items()
        },
    }


def cycles(config: ArrayConfig) -> float:
    """Return the mean cycles of shipped images in a row."""
    network = ss.load(shipped_path(NETWORK))
    samples = pixels(shipped_mnist(IMAGES)[0], network)
    program = ss.compile(network, config, STEPS)
    with ss.open_device("golden:") as golden:
        golden.load(program)
        result = golden.run(samples, trace=True)
    words = source_words(network, samples, result.trace, result.skeleton, program.window)
    return float(estimate(program, words, counters=False).mean())


class InPlaceLanes(wiring.Component):
    """``Lanes`` that are drained in place, while nothing can be added."""

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__(lanes_signature(config))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for step in range(self.config.window):
            ahead: Any = 0
            for lane in reversed(range(self.config.lanes)):
                acc = Signal(signed(self.config.acc_bits), name=f"acc_{lane}_{step}")
                weight = self.weights.word_select(lane, self.config.weight_bits).as_signed()
                with m.If(self.shift[step]):
                    m.d.sync += acc.eq(ahead)
                with m.Elif(self.add & self.word[step]):
                    m.d.sync += acc.eq(acc + weight)
                ahead = acc
            m.d.comb += self.sums[step].eq(ahead)
        return m


def lanes_alone(at: Board, made: Callable[[ArrayConfig], Any], chain: int) -> dict[str, int]:
    """Return the cells of the lanes of a board's array, by kind."""
    config = replace(at.config, chain=chain)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = rtlil.convert(made(config), name="top", platform=at.platform(), emit_src=False)
        (folder / "top.il").write_text(text)
        (folder / "top.ys").write_text(READ + at.synthesis + "tee -q -o cells.json stat -json\n")
        Tools(folder).run("yosys", "-q", "top.ys")
        counted = json.loads((folder / "cells.json").read_text())["design"]["num_cells_by_type"]
    return dict(sorted(counted.items()))


def ways_to_drain() -> list[dict[str, Any]]:
    """Return the rows of the icebreaker's lanes, one for each way to drain."""
    at = board("icebreaker")
    ways = {
        "in place, nothing is added meanwhile": (InPlaceLanes, 1),
        "a shadow register for each accumulator": (Lanes, 1),
        "chains of 8 through memories": (ChainedLanes, 8),
    }
    return [
        {"board": at.name, "drain": way, "slots": at.config.slots, **lanes_alone(at, made, chain)}
        for way, (made, chain) in ways.items()
    ]


def shapes(name: str) -> list[dict[str, Any]]:
    """Return the rows of a board's designs."""
    at, rows = board(name), []
    for what, changed in SHAPES[name].items():
        config = replace(at.config, **changed)
        row: dict[str, Any] = {"board": name, "what": what, "slots": config.slots}
        try:
            row |= packed(at, config)
            row["cycles"] = round(cycles(config), 1)
        except (ToolError, DoesNotFit) as error:
            row["error"] = str(error).splitlines()[-1]
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*SHAPES, "lanes"], metavar="PART")
    parser.add_argument("-o", "--output", type=Path)
    chosen = parser.parse_args()
    kept: dict[str, Any] = {}
    if chosen.output and chosen.output.is_file():
        kept = json.loads(chosen.output.read_text())
    for part in chosen.parts or [*SHAPES, "lanes"]:
        if part == "lanes":
            kept[part] = ways_to_drain()
            print(*map(json.dumps, kept[part]), sep="\n", flush=True)
        else:
            kept[part] = shapes(part)
        if chosen.output:
            chosen.output.write_text(json.dumps(kept, indent=2) + "\n")


if __name__ == "__main__":
    main()
