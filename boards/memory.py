"""Counts the memory blocks that the gateware needs, before synthesis.

yosys chooses between block RAM, LUT RAM and registers by cost. Here the same costs decide; they are
those of yosys' own descriptions of the devices, share/*/brams*.txt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from stablespike.support.errors import DoesNotFit

from .netlist import Memory

__all__ = ["BlockRam", "Need", "check_fit", "fits", "needs", "totals"]

_ROM_COST = 16  # yosys counts so many bits of a ROM in LUTs as one bit of RAM in registers
_SELECTOR_COST = 0.5  # yosys' FACTOR_MUX and FACTOR_DEMUX, for each bit between pieces of LUT RAM
_SPRAM = (16384, 16)  # rows and bits of an iCE40UP5K's SPRAM, Lattice FPGA-TN-02022


@dataclass(frozen=True)
class BlockRam:
    """Block RAM and LUT RAM of a device.

    Attributes
    ----------
    name : str
        Name of a block.
    shapes : tuple of (int, int)
        Rows and bits per row that a block may have.
    byte : int
        Bits that share a write enable. A part of a row with its own write enable takes a multiple.
    cost : int
        Cost of a block; a register bit costs 1.
    lut_rows : int
        Rows of a piece of LUT RAM; 0 if the device has none.
    lut_bits : int
        Bits per row of a piece of LUT RAM.
    lut_cost : int
        Cost of a piece of LUT RAM.
    """

    name: str
    shapes: tuple[tuple[int, int], ...]
    byte: int
    cost: int
    lut_rows: int = 0
    lut_bits: int = 4
    lut_cost: int = 4

    def blocks(self, memory: Memory) -> int:
        """Blocks that a memory takes; 0 if it goes into LUTs or registers."""
        lanes = max(1, memory.lanes)
        part = memory.width // lanes
        blocks = min(
            -(-memory.depth // rows) * self._columns(memory.width, part, lanes, bits)
            for rows, bits in self.shapes
        )
        if memory.style == "block":  # the attribute ram_style overrides the costs
            return blocks
        logic = memory.bits if memory.lanes else memory.bits / _ROM_COST
        if blocks * self.cost >= logic:
            return 0
        in_luts = self.lut_rows and memory.lanes and blocks * self.cost > self._lut_ram_cost(memory)
        return 0 if in_luts else blocks

    def _lut_ram_cost(self, memory: Memory) -> float:
        """Cost of LUT RAM that is read at one port, with what selects among its pieces."""
        deep = -(-memory.depth // self.lut_rows)
        pieces = deep * -(-memory.width // self.lut_bits)
        selectors = (deep - 1) * memory.width + (deep * memory.lanes if deep > 1 else 0)
        return pieces * self.lut_cost + selectors * _SELECTOR_COST

    def _columns(self, width: int, part: int, lanes: int, bits: int) -> int:
        """Blocks next to each other, in the shape with this many bits per row."""
        if lanes == 1:
            return -(-width // bits)
        # Lanes that share a write enable in the block would be written together.
        padded = -(-part // self.byte) * self.byte
        if padded > bits:
            return lanes * -(-part // bits)
        return -(-lanes // (bits // padded))


@dataclass(frozen=True)
class Need:
    """Blocks that one memory takes.

    Attributes
    ----------
    memory : Memory
        The memory.
    kind : str
        Name of the blocks.
    count : int
        Number of blocks.
    """

    memory: Memory
    kind: str
    count: int


def needs(memories: Iterable[Memory], ram: BlockRam) -> list[Need]:
    """Blocks of each memory, without the memories that go into LUTs or registers."""
    found = []
    for memory in memories:
        if memory.style == "spram":
            found.append(Need(memory, "SPRAM", 1))
        elif count := ram.blocks(memory):
            found.append(Need(memory, ram.name, count))
    return found


def totals(found: Iterable[Need]) -> dict[str, int]:
    """Number of blocks of each kind."""
    sums: dict[str, int] = {}
    for need in found:
        sums[need.kind] = sums.get(need.kind, 0) + need.count
    return sums


def fits(found: Iterable[Need], available: dict[str, int]) -> bool:
    """Whether the blocks available suffice."""
    return all(count <= available.get(kind, 0) for kind, count in totals(found).items())


def check_fit(
    title: str,
    memories: list[Memory],
    ram: BlockRam,
    available: dict[str, int],
    weight_rows: int,
    others: Iterable[tuple[str, BlockRam, dict[str, int]]] = (),
    command: Callable[[str | None, int], str] | None = None,
) -> list[Need]:
    """Check that a device has enough memory blocks for the gateware.

    Parameters
    ----------
    title : str
        Array and device, for the message.
    memories : list of Memory
        Memories of the gateware.
    ram : BlockRam
        Block RAM of the device.
    available : dict of str to int
        Blocks of the device, by kind.
    weight_rows : int
        Weight rows of the array.
    others : iterable of (str, BlockRam, dict)
        Name, block RAM and available blocks of other boards, which the message suggests if the
        memories fit them.
    command : callable or None
        The command that builds for another board, or for this one if None, with a number of weight
        rows: the last line of the message.

    Returns
    -------
    list of Need
        Blocks of each memory.

    Raises
    ------
    DoesNotFit
        If there are too few; says how many are missing, what takes most, and what would fit.
    """
    found = needs(memories, ram)
    if fits(found, available):
        return found
    rows = _fewer_weights(memories, ram, available, weight_rows)
    advice = [] if rows is None else [f"weight_rows={rows} would fit"]
    boards = [
        name for name, other, there in others if fits(needs(_inferred(memories), other), there)
    ]
    if boards:
        advice.append(f"it would fit {', '.join(boards[:4])}")
    line = None
    if command is not None and rows is not None:
        line = command(None, rows)
    elif command is not None and boards:
        line = command(boards[0], weight_rows)
    raise DoesNotFit(
        f"{title} does not fit: it needs {_excess(found, available)}; "
        + ("; ".join(advice) or "choose an array with fewer weight_rows, cores or lanes"),
        line,
    )


def _excess(found: list[Need], available: dict[str, int]) -> str:
    """The kinds of blocks that are too few, and the parts of the array that take most of them."""
    short = {
        kind: count for kind, count in totals(found).items() if count > available.get(kind, 0)
    }
    counts = "; ".join(
        f"{count} {kind} of {available.get(kind, 0)}, {count - available.get(kind, 0)} too many"
        for kind, count in short.items()
    )
    parts: dict[str, int] = {}
    for need in found:
        if need.kind in short:
            part = _part(need.memory)
            parts[part] = parts.get(part, 0) + need.count
    most = sorted(parts.items(), key=lambda each: -each[1])[:3]
    return f"{counts} (most of them: {', '.join(f'{part} {count}' for part, count in most)})"


def _part(memory: Memory) -> str:
    """The part of the array that a memory belongs to; all cores count as one."""
    parts = [part for part in memory.path if part not in ("top", "accelerator", "array")]
    parts = ["cores" if part.startswith("core") else part for part in parts]
    return ".".join(parts[:2] if len(parts) > 1 else [*parts, memory.name.split("$")[0]])


def _inferred(memories: Iterable[Memory]) -> list[Memory]:
    """The same memories for a device without SPRAM."""
    depth, width = _SPRAM
    return [
        replace(memory, width=width, depth=depth, lanes=1, style="")
        if memory.style == "spram"
        else memory
        for memory in memories
    ]


def _fewer_weights(
    memories: list[Memory], ram: BlockRam, available: dict[str, int], rows: int
) -> int | None:
    """``weight_rows`` halved as often as needed; None if that never fits."""
    # Each bank of the weights is a memory of its own.
    weights = [m for m in memories if m.path[-1].startswith("weights") and m.style != "spram"]
    halved = 1
    while weights and rows >= 32:
        rows, halved = rows // 2, 2 * halved
        smaller = [
            replace(memory, depth=memory.depth // halved) if memory in weights else memory
            for memory in memories
        ]
        if fits(needs(smaller, ram), available):
            return rows
    return None
