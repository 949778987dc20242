"""Memories with the attributes the synthesis tools need."""

from __future__ import annotations

from collections.abc import Iterable

from amaranth.hdl import ShapeLike
from amaranth.lib.memory import Memory

__all__ = ["collision_free_memory"]


def collision_free_memory(
    shape: ShapeLike, depth: int, init: Iterable[int] = (), *, block: bool = False
) -> Memory:
    """A memory whose user never relies on a row read in the cycle in which it is written.

    Such a read returns an undefined row. Without this promise the tools add comparators and a
    bypass to every memory to define it.

    Parameters
    ----------
    shape : ShapeLike
        Shape of a row.
    depth : int
        Number of rows.
    init : iterable of int
        Contents at power-on, starting with row 0.
    block : bool
        Put the memory into block RAM, however small it is.
    """
    attrs = {"no_rw_check": True, **({"ram_style": "block"} if block else {})}
    return Memory(shape=shape, depth=depth, init=init, attrs=attrs)
