"""Functions of many bits."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Value

__all__ = ["at_most", "lowest"]


def at_most(bits: Value, limit: int) -> Value:
    """Whether no more than 1 or 2 bits are set: how many, up to 3, of ever more of them."""
    counts = [(bit, Const(0)) for bit in bits]  # at least one; at least two
    three: list[Value] = []
    while len(counts) > 1:
        pairs = zip(counts[::2], counts[1::2], strict=True)
        counts = []
        for (one, two), (other, others) in pairs:
            three += [two & other, one & others]
            counts.append((one | other, two | others | (one & other)))
    return ~counts[0][1] if limit == 1 else ~Cat(three).any()


def lowest(mask: Value, enable: Value) -> Value:
    """The lowest bit set in ``mask``, alone, if ``enable``; by groups of four, a LUT's inputs."""
    groups = [mask[at : at + 4] for at in range(0, len(mask), 4)]
    found, before = [], ~enable
    for group in groups:
        found += [
            group[i] & ~reduce(or_, [*group[:i], before]) for i in range(len(group))
        ]
        before = before | group.any()
    return Cat(found)
