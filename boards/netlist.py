"""Reads the memories out of the RTLIL that Amaranth writes.

Amaranth 0.5 indents each kind of line alike, which is how lines are recognized here; the others are
skipped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

__all__ = ["Memory", "memories"]

_MODULE = re.compile(r"^module \\(\S+)$")
_STYLE = re.compile(r'^  attribute \\ram_style "(\w+)"$')
_MEMORY = re.compile(r"^  memory width (\d+) size (\d+) \\(\S+)$")
_MEMID = re.compile(r'^    parameter \\MEMID "\\\\(\S+)"$')
_ENABLE = re.compile(r"^    connect \\EN (.+)$")
_BITS = re.compile(r"(\S+) \[(\d+)(?::(\d+))?\]")
_SPRAM = re.compile(r"^  cell \\SB_SPRAM256KA \\(\S+)$")


@dataclass(frozen=True)
class Memory:
    """A memory of the gateware.

    Attributes
    ----------
    module : str
        Module that holds the memory, with the path to it.
    name : str
        Name of the memory in its module.
    width : int
        Bits of a row.
    depth : int
        Number of rows.
    lanes : int
        Parts of a row with a write enable of their own; 0 if the memory is never written.
    style : str
        The ``ram_style`` the gateware asks for, ``spram`` for an instance of SPRAM, or "".
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

    @property
    def path(self) -> tuple[str, ...]:
        """Names of the modules from the top down, without the numbers that make them unique."""
        return tuple(part.split("$")[0] for part in self.module.split("."))


def memories(rtlil: str) -> list[Memory]:
    """All memories and instances of SPRAM, in the order of the text."""
    done: list[Memory] = []
    found: dict[str, Memory] = {}
    module, style, memory, writes = "", "", "", False
    for line in rtlil.splitlines():
        if match := _MODULE.match(line):
            done += found.values()
            module, found = match[1], {}
        elif match := _STYLE.match(line):
            style = match[1]
        elif match := _MEMORY.match(line):
            found[match[3]] = Memory(module, match[3], int(match[1]), int(match[2]), 0, style)
            style = ""
        elif line.startswith("  cell "):
            writes = line.startswith("  cell $memwr_v2")
            if match := _SPRAM.match(line):
                done.append(Memory(module, match[1], 16, 16384, 1, "spram"))
        elif writes and (match := _MEMID.match(line)):
            memory = match[1]
        elif writes and (match := _ENABLE.match(line)):
            found[memory] = replace(found[memory], lanes=_signals(match[1]))
    return done + list(found.values())


def _signals(enables: str) -> int:
    """Number of different signals among the write enables of a row's bits."""
    different = set()
    for name, first, last in _BITS.findall(enables):
        for bit in range(int(last or first), int(first) + 1):
            different.add((name, bit))
    return max(1, len(different))
