"""Places the block RAMs of an array on a large ECP5.

Left to itself, the placer spreads the block RAMs of a core over the whole device, and its logic
with them. Block RAMs side by side keep the core together. docs/measurements/trials.md and
docs/measurements/logic-ecp5.md have the figures.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

__all__ = ["anchor"]

# From Project Trellis' tilegrid: the rows of the device that hold block RAMs, and the columns at
# which a group of four starts within such a row. The four are two columns apart.
_ROWS = {"85F": (22, 46, 70, 82)}
_COLUMNS = {"85F": (4, 13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114)}
_MIDDLE = {"85F": (60, 46)}
# Cells are named after the hierarchy that yosys flattened.
_CORE = re.compile(r"\.array\.core(\d+)\.")


def anchor(cells: dict[str, Any], size: str) -> None:
    """Fix the positions of the block RAMs.

    The block RAMs of each core get a row of their own, or half a row. If they are too many for
    that, each core gets a stretch of all rows joined end to end. The remaining block RAMs, those
    of the link, get the free sites nearest to the middle of the device.

    Arrays with one core, with more cores than there are regions, or with cores too large for
    their region are left to the placer.

    Parameters
    ----------
    cells : dict of str to dict
        Cells of the top module of yosys' JSON, by name; attributes ``BEL`` are added.
    size : str
        Size of the device, such as ``85F``. Any other than the largest is left to the placer.
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
    regions = _regions(size, len(cores), most)
    if len(cores) < 2 or most > len(regions[0]):
        return
    free = []
    for index, region in enumerate(regions):
        # The two cores of a row fill it from its ends, which leaves the middle to the link.
        core = cores.get(index, [])
        first = index % 2 * (len(region) - len(core))
        _put(cells, core, region[first:])
        free += region[:first] + region[first + len(core) :]
    x, y = _MIDDLE[size]
    # Rows with block RAMs are far apart, so sites of the nearest row come first.
    free.sort(key=lambda site: (abs(site[1] - y), abs(site[0] - x), site[2]))
    _put(cells, others, free)


def _put(cells: dict[str, Any], names: list[str], sites: list[tuple[int, int, int]]) -> None:
    for name, (x, y, z) in zip(names, sites, strict=False):
        cells[name].setdefault("attributes", {})["BEL"] = f"X{x}/Y{y}/EBR{z}"


def _regions(size: str, cores: int, most: int) -> list[list[tuple[int, int, int]]]:
    """Sites (x, y, z) for each core.

    A core gets at least ``most`` sites, or fewer if the device is too small for that. There is one
    empty region if nothing is known of the device or it has too few rows.
    """
    rows = _ROWS.get(size, ())
    parts = 1 if cores <= len(rows) else 2
    if not rows or cores > parts * len(rows):
        return [[]]
    columns = [(start + 2 * z, z) for start in _COLUMNS[size] for z in range(4)]
    half = len(columns) // parts
    if most > half:
        # Every other row runs backwards, so that a stretch over two rows stays in one corner.
        sites = [
            (x, row, z) for i, row in enumerate(rows) for x, z in columns[:: -1 if i % 2 else 1]
        ]
        length = len(sites) // cores
        ends = [*range(0, length * cores, length), len(sites)]
        return [sites[begin:end] for begin, end in pairwise(ends)]
    return [
        [(x, row, z) for x, z in columns[part * half :][:half]]
        for row in rows for part in range(parts)
    ]
