"""Where the block RAMs of an array lie on a large ECP5.

Left to itself the placer deals the block RAMs of a core over the whole device, and its logic with
them. Side by side they hold the core together: docs/boards.md has the figures.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

__all__ = ["anchor"]

# Project Trellis' tilegrid: rows of the device with block RAMs, and the columns of those in a row,
# four to a column given here, two apart.
_ROWS = {"85F": (22, 46, 70, 82)}
_COLUMNS = {"85F": (4, 13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114)}
_MIDDLE = {"85F": (60, 46)}
_CORE = re.compile(r"\.array\.core(\d+)\.")


def anchor(cells: dict[str, Any], size: str) -> None:
    """Give the block RAMs of each core a row, or half of one, of their own, or where they are too
    many a stretch of the rows one behind the other; and the others, the link's, the free places
    next to the middle of the device.

    Arrays of one core, of more than there are places, or of cores that do not fit theirs are left
    to the placer.

    Parameters
    ----------
    cells : of the top module of yosys' JSON, by name; attributes ``BEL`` are added.
    size : of the device, such as ``85F``; of others than the largest nothing is known here.
    """
    cores: dict[int, list[str]] = {}
    others = []
    for name in sorted(name for name, cell in cells.items() if cell["type"] == "DP16KD"):
        found = _CORE.search(name)
        if found:
            cores.setdefault(int(found[1]), []).append(name)
        else:
            others.append(name)
    most = max(map(len, cores.values()), default=0)
    places = _places(size, len(cores), most)
    if len(cores) < 2 or most > len(places[0]):
        return
    free = []
    for index, place in enumerate(places):
        # Halves of a row leave its middle free.
        core = cores.get(index, [])
        first = index % 2 * (len(place) - len(core))
        _put(cells, core, place[first:])
        free += place[:first] + place[first + len(core) :]
    x, y = _MIDDLE[size]
    free.sort(key=lambda site: (abs(site[1] - y), abs(site[0] - x), site[2]))
    _put(cells, others, free)


def _put(cells: dict[str, Any], names: list[str], sites: list[tuple[int, int, int]]) -> None:
    for name, (x, y, z) in zip(names, sites, strict=False):
        cells[name].setdefault("attributes", {})["BEL"] = f"X{x}/Y{y}/EBR{z}"


def _places(size: str, cores: int, most: int) -> list[list[tuple[int, int, int]]]:
    """For each core its sites (x, y, z), ``most`` of them if there are as many; at least one place,
    an empty one if there are too few."""
    rows = _ROWS.get(size, ())
    parts = 1 if cores <= len(rows) else 2
    if not rows or cores > parts * len(rows):
        return [[]]
    columns = [(start + 2 * z, z) for start in _COLUMNS[size] for z in range(4)]
    half = len(columns) // parts
    if most > half:
        # To and fro, so that a stretch that turns stays together.
        there = [
            (x, row, z) for i, row in enumerate(rows) for x, z in columns[:: -1 if i % 2 else 1]
        ]
        share = len(there) // cores
        ends = [*range(0, share * cores, share), len(there)]
        return [there[begin:end] for begin, end in pairwise(ends)]
    return [
        [(x, row, z) for x, z in columns[part * half :][:half]]
        for row in rows for part in range(parts)
    ]
