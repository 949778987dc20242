"""Builds boards and writes their figures: the table of all boards, or the record of one.

    python -m stablespike.boards.survey [BOARD[:ARRAY][@LINK] ...] -o FILE [--seeds N]

With ``:ARRAY`` it is the preset of another array than the board's own, with ``@LINK`` another link
than its default one. What is in the file but not built now keeps its figures.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from stablespike.spec import preset
from stablespike.support.errors import StableSpikeError

from .build import Build, Trials, build
from .registry import BOARDS, board

__all__ = ["LOGIC_GROWTH", "RATE_LOSS", "figures", "main", "regressions"]

LOGIC_GROWTH = 0.05
"""Fraction by which the logic cells may exceed the record."""
RATE_LOSS = 0.10
"""Fraction by which the clock may fall below the record."""

_KEPT = (
    "device", "array", "slots_per_cycle", "clock_mhz", "fmax_mhz", "met", "logic_cells", "luts",
    "registers", "block_rams", "dsps", "memory", "clocks", "critical_path", "link", "baud",
    "seed", "seeds", "seconds", "versions",
)


def figures(done: Build) -> dict[str, Any]:
    """The figures of a build that the file holds."""
    values = done.as_dict()
    return {name: values[name] for name in _KEPT}


def regressions(done: Build, record: dict[str, Any]) -> list[str]:
    """Figures that are worse than the record allows, each in a sentence."""
    found = []
    cells, rate = done.logic_cells or 0, done.fmax_mhz or 0.0
    if cells > (1 + LOGIC_GROWTH) * record["logic_cells"]:
        found.append(
            f"{done.board} takes {cells} logic cells; {record['logic_cells']} are on record, and "
            f"{LOGIC_GROWTH:.0%} more allowed"
        )
    if rate < (1 - RATE_LOSS) * record["fmax_mhz"]:
        found.append(
            f"{done.board} reaches {rate:.1f} MHz; {record['fmax_mhz']:.1f} are on record, and "
            f"{RATE_LOSS:.0%} less allowed"
        )
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return 1 if a board could not be built or misses its clock."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "boards", nargs="*", metavar="BOARD[:ARRAY][@LINK]", help="all boards if none is named"
    )
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=1)
    chosen = parser.parse_args(arguments)
    kept: dict[str, Any] = {}
    if chosen.output.is_file():
        kept = json.loads(chosen.output.read_text())
    failed = False
    for name in chosen.boards or list(BOARDS):
        try:
            done = _built(name, chosen.seeds)
        except StableSpikeError as error:
            print(f"{name}: {error}", flush=True)
            failed = True
            continue
        failed |= not done.met
        kept[name] = figures(done)
        # Written after each board: all of them take hours. The order is that of the boards, each
        # with its own array first.
        order = [
            each for there in BOARDS
            for each in sorted(kept) if re.split("[:@]", each)[0] == there
        ]
        text = json.dumps({each: kept[each] for each in order}, indent=2)
        chosen.output.write_text(text + "\n")
    return int(failed)


def _built(name: str, seeds: int) -> Build:
    """The build of a ``BOARD[:ARRAY][@LINK]``.

    Raises
    ------
    ValueError
        If there is no such board, preset or link.
    StableSpikeError
        If it cannot be built.
    """
    name_and_array, _, link = name.partition("@")
    where, _, array = name_and_array.partition(":")
    return build(
        board(where), config=preset(array) if array else None, array=array or None,
        link=link or None,
        trials=Trials(seeds), allow_timing_failure=True,
        progress=lambda line: print(f"{name}: {line}", flush=True),
    )


if __name__ == "__main__":
    raise SystemExit(main())
