"""Combinational functions of many bits."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Mux, Value

__all__ = ["at_most", "lowest", "two_lowest"]


def at_most(bits: Value, limit: int) -> Value:
    """Whether no more than ``limit`` bits are set.

    It is a tree, since a sum would be slow: for larger and larger groups of bits it computes
    whether at least one and at least two are set, and whether two groups together have three.

    Parameters
    ----------
    bits : Value
        A power of two of them.
    limit : int
        1 or 2.

    Returns
    -------
    Value
        One bit.
    """
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
    """The lowest bit that is set in ``mask``, alone, or none unless ``enable``.

    It is found in groups of four bits, because a LUT has four inputs.

    Parameters
    ----------
    mask : Value
        A mask of any width.
    enable : Value
        One bit.

    Returns
    -------
    Value
        As wide as ``mask``.
    """
    # Whether an earlier group has a bit set is a chain of one LUT per group.
    groups = [mask[at : at + 4] for at in range(0, len(mask), 4)]
    found, before = [], ~enable
    for group in groups:
        found += [
            group[i] & ~reduce(or_, [*group[:i], before]) for i in range(len(group))
        ]
        before = before | group.any()
    return Cat(found)


def two_lowest(mask: Value) -> tuple[Value, Value]:
    """The lowest bit that is set in ``mask``, and the one above it, each alone; none if there is no
    such bit.

    Like ``lowest``, it goes by groups of four bits.

    Parameters
    ----------
    mask : Value
        A mask of any width.

    Returns
    -------
    first, second : Value
        As wide as ``mask``.
    """
    first, second = [], []
    one, two = Const(0, 1), Const(0, 1)  # bits set in the groups before: at least one, two
    for at in range(0, len(mask), 4):
        inside_one, inside_two = Const(0, 1), Const(0, 1)
        for bit in mask[at : at + 4]:
            first.append(bit & ~one & ~inside_one)
            second.append(bit & Mux(one, ~two & ~inside_one, inside_one & ~inside_two))
            inside_one, inside_two = inside_one | bit, inside_two | (inside_one & bit)
        one, two = one | inside_one, two | inside_two | (one & inside_one)
    return Cat(first), Cat(second)
