"""RTLIL as Amaranth writes it: what yosys is to be told of memories, and which there are."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Memory", "without_collisions"]

_MODULE = re.compile(r"^module \\(\S+)$")
_MEMORY = re.compile(r"^  memory width (\d+) size (\d+) \\(\S+)$")
_MEMID = re.compile(r'^    parameter \\MEMID "\\\\(\S+)"$')
_TRANSPARENT = re.compile(r"^    parameter \\TRANSPARENCY_MASK \d+'([01]*)$")
_COLLISION = re.compile(r"^    parameter \\COLLISION_X_MASK (\d+)'[01]*$")
_UNCHECKED = "attribute \\no_rw_check 1"


@dataclass(frozen=True)
class Memory:
    """A memory of the gateware.

    Attributes
    ----------
    module, name : where it is. width, depth : of its rows.
    lanes : parts of a row that are written by themselves; 0 of what is never written.
    style : ``ram_style`` it asks for, "" for none.
    """

    module: str
    name: str
    width: int
    depth: int
    lanes: int
    style: str = ""

    @property
    def bits(self) -> int:
        return self.width * self.depth


def without_collisions(rtlil: str) -> str:
    """The text with reads in the cycle of a write undefined, for memories marked ``no_rw_check``.

    yosys heeds that mark while it finds a memory's registers itself, as in Verilog; Amaranth's
    read ports already have theirs.
    """
    lines = rtlil.splitlines()
    unchecked: set[str] = set()
    marked, memory, opaque = False, "", ""
    for number, line in enumerate(lines):
        if _MODULE.match(line):
            unchecked = set()
        elif line.strip() == _UNCHECKED:
            marked = True
            continue
        elif found := _MEMORY.match(line):
            if marked:
                unchecked.add(found[3])
        elif found := _MEMID.match(line):
            memory = found[1]
        elif found := _TRANSPARENT.match(line):
            opaque = found[1].translate(str.maketrans("01", "10"))
        elif (found := _COLLISION.match(line)) and memory in unchecked and opaque:
            lines[number] = f"    parameter \\COLLISION_X_MASK {len(opaque)}'{opaque}"
        if not line.strip().startswith("attribute"):
            marked = False
    return "\n".join(lines) + "\n"
