"""Where the block RAMs of an array's cores lie on a large ECP5.

Left to itself the placer deals the block RAMs of a core over the whole device, and its logic with
them. Side by side they hold the core together: docs/boards.md has the figures.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["anchor"]

# Project Trellis' tilegrid: rows of the device with block RAMs, and the columns of those in a row,
# four to a column given here, two apart.
_ROWS = {"85F": (22, 46, 70, 82)}
_COLUMNS = {"85F": (4, 13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114)}
_CORE = re.compile(r"\.array\.core(\d+)\.")


def anchor(cells: dict[str, Any], size: str) -> None:
    """Give the block RAMs of each core a row, or half of one, of their own.

    Arrays of one core, of more than there are places, or of cores that do not fit theirs are left
    to the placer.

    Parameters
    ----------
    cells : of the top module of yosys' JSON, by name; attributes ``BEL`` are added.
    size : of the device, such as ``85F``; of others than the largest nothing is known here.
    """
    cores: dict[int, list[str]] = {}
    for name, cell in cells.items():
        found = _CORE.search(name)
        if cell["type"] == "DP16KD" and found:
            cores.setdefault(int(found[1]), []).append(name)
    places = _places(size, len(cores))
    if len(cores) < 2 or any(len(each) > len(places[0]) for each in cores.values()):
        return
    for place, core in zip(places, sorted(cores), strict=False):
        names = sorted(cores[core])
        middle = (len(place) - len(names)) // 2
        for name, site in zip(names, place[middle:], strict=False):
            cells[name].setdefault("attributes", {})["BEL"] = site


def _places(size: str, cores: int) -> list[list[str]]:
    """For each core its sites; at least one place, an empty one if there are too few."""
    rows = _ROWS.get(size, ())
    parts = 1 if cores <= len(rows) else 2
    if not rows or cores > parts * len(rows):
        return [[]]
    columns = [(start + 2 * z, z) for start in _COLUMNS[size] for z in range(4)]
    half = len(columns) // parts
    return [
        [f"X{x}/Y{row}/EBR{z}" for x, z in columns[part * half :][:half]]
        for row in rows for part in range(parts)
    ]
