"""The memories in RTLIL as Amaranth writes it."""

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
    module, name : where it is. width, depth : of its rows.
    lanes : parts of a row that are written by themselves; 0 of what is never written.
    style : ``ram_style`` it asks for, ``spram`` of an instance of that, "" for none.
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
    def place(self) -> tuple[str, ...]:
        """Where it is, without the numbers that tell modules of one name apart."""
        return tuple(part.split("$")[0] for part in self.module.split("."))


def memories(rtlil: str) -> list[Memory]:
    """All memories, and the instances of SPRAM, in the order of the text."""
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
    """Different bits among those that enable the bits of a row."""
    different = set()
    for name, first, last in _BITS.findall(enables):
        for bit in range(int(last or first), int(first) + 1):
            different.add((name, bit))
    return max(1, len(different))
