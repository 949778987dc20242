"""Memories of the gateware in blocks of a device, before synthesis.

yosys chooses between block RAM, LUT RAM and registers by cost; the same costs (those of its own
descriptions of the devices, share/*/brams*.txt) choose here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from stablespike.support.errors import DoesNotFit

from .netlist import Memory

__all__ = ["BlockRam", "Need", "check_fit", "fits", "needs", "totals"]

_ROM_COST = 16  # as many bits of a ROM in LUTs are worth a bit of RAM in registers
_SPRAM = (16384, 16)


@dataclass(frozen=True)
class BlockRam:
    """A device's block RAM.

    Attributes
    ----------
    name : of a block. shapes : (rows, bits) one may have.
    byte : bits that are written by themselves; a part of a row takes whole ones.
    cost : of a block, where a bit of a register costs 1.
    lut_rows, lut_bits, lut_cost : of a piece of LUT RAM; no rows where there is none.
    """

    name: str
    shapes: tuple[tuple[int, int], ...]
    byte: int
    cost: int
    lut_rows: int = 0
    lut_bits: int = 4
    lut_cost: int = 4

    def blocks(self, memory: Memory) -> int:
        """Blocks it takes; 0 where it goes into LUTs or registers."""
        lanes = max(1, memory.lanes)
        part = memory.width // lanes
        blocks = min(
            -(-memory.depth // rows) * self._columns(memory.width, part, lanes, bits)
            for rows, bits in self.shapes
        )
        if memory.style == "block":
            return blocks
        logic = memory.bits if memory.lanes else memory.bits / _ROM_COST
        if blocks * self.cost >= logic:
            return 0
        if self.lut_rows and memory.lanes:
            pieces = -(-memory.depth // self.lut_rows) * -(-memory.width // self.lut_bits)
            if blocks * self.cost > pieces * self.lut_cost:
                return 0
        return blocks

    def _columns(self, width: int, part: int, lanes: int, bits: int) -> int:
        """Blocks side by side."""
        if lanes == 1:
            return -(-width // bits)
        padded = -(-part // self.byte) * self.byte
        if padded > bits:
            return lanes * -(-part // bits)
        return -(-lanes // (bits // padded))


@dataclass(frozen=True)
class Need:
    """Blocks that one memory takes.

    Attributes
    ----------
    memory : the memory. kind : name of the blocks. count : of them.
    """

    memory: Memory
    kind: str
    count: int


def needs(memories: Iterable[Memory], ram: BlockRam) -> list[Need]:
    """What the memories take, those in LUTs and registers left out."""
    found = []
    for memory in memories:
        if memory.style == "spram":
            found.append(Need(memory, "SPRAM", 1))
        elif count := ram.blocks(memory):
            found.append(Need(memory, ram.name, count))
    return found


def totals(found: Iterable[Need]) -> dict[str, int]:
    """Blocks by kind."""
    sums: dict[str, int] = {}
    for need in found:
        sums[need.kind] = sums.get(need.kind, 0) + need.count
    return sums


def fits(found: Iterable[Need], available: dict[str, int]) -> bool:
    """Whether there are as many blocks."""
    return all(count <= available.get(kind, 0) for kind, count in totals(found).items())


def check_fit(
    title: str,
    memories: list[Memory],
    ram: BlockRam,
    available: dict[str, int],
    weight_rows: int,
    others: Iterable[tuple[str, BlockRam, dict[str, int]]] = (),
) -> list[Need]:
    """Refuse memories a device has no blocks for.

    Parameters
    ----------
    title : of array and device. memories : of the gateware. ram, available : the device's.
    weight_rows : of the array. others : boards to name if they would do.

    Raises
    ------
    DoesNotFit
        Says how many blocks are missing, what takes most of them, and what would fit.
    """
    found = needs(memories, ram)
    if fits(found, available):
        return found
    short = [
        f"{count} {kind} of {available.get(kind, 0)}, {count - available.get(kind, 0)} too many"
        for kind, count in totals(found).items()
        if count > available.get(kind, 0)
    ]
    kinds = {kind for kind, count in totals(found).items() if count > available.get(kind, 0)}
    largest: dict[str, int] = {}
    for need in found:
        if need.kind in kinds:
            place = _place(need.memory)
            largest[place] = largest.get(place, 0) + need.count
    most = sorted(largest.items(), key=lambda each: -each[1])[:3]
    advice = _fewer_weights(memories, ram, available, weight_rows)
    boards = [
        name for name, other, there in others if fits(needs(_inferred(memories), other), there)
    ]
    if boards:
        advice.append(f"it would fit {', '.join(boards[:4])}")
    raise DoesNotFit(
        f"{title} does not fit: it needs {'; '.join(short)} (most of them: "
        f"{', '.join(f'{place} {count}' for place, count in most)}); "
        + ("; ".join(advice) or "choose an array with fewer weight_rows, cores or lanes")
    )


def _place(memory: Memory) -> str:
    """What part of the array a memory belongs to, cores taken together."""
    parts = [part for part in memory.place if part not in ("top", "accelerator", "array")]
    parts = ["cores" if part.startswith("core") else part for part in parts]
    return ".".join(parts[:2] if len(parts) > 1 else [*parts, memory.name.split("$")[0]])


def _inferred(memories: Iterable[Memory]) -> list[Memory]:
    """The same memories on a device that has no SPRAM."""
    depth, width = _SPRAM
    return [
        replace(memory, width=width, depth=depth, lanes=1, style="")
        if memory.style == "spram"
        else memory
        for memory in memories
    ]


def _fewer_weights(
    memories: list[Memory], ram: BlockRam, available: dict[str, int], rows: int
) -> list[str]:
    """The most weight rows, halved as often as needed, with which it would fit."""
    weights = [m for m in memories if m.place[-1] == "weights" and m.style != "spram"]
    while weights and rows >= 32:
        rows //= 2
        smaller = [
            replace(memory, depth=rows) if memory in weights else memory for memory in memories
        ]
        if fits(needs(smaller, ram), available):
            return [f"weight_rows={rows} would fit"]
    return []
