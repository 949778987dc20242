"""The supported boards."""

from __future__ import annotations

import difflib

from . import (
    arty_a7,
    colorlight,
    ecpix5,
    hx8k,
    icebreaker,
    orangecrab,
    tang_nano_9k,
    ulx3s,
    versa,
)
from .board import Board

__all__ = ["BOARDS", "board"]

BOARDS: dict[str, Board] = {
    each.name: each
    for module in (
        icebreaker, hx8k, ulx3s, orangecrab, colorlight, ecpix5, versa, tang_nano_9k,
        arty_a7,
    )
    for each in module.BOARDS
}


def board(name: str) -> Board:
    """The board with a name.

    Raises
    ------
    ValueError
        If there is none; the message lists similar names.
    """
    if name in BOARDS:
        return BOARDS[name]
    near = difflib.get_close_matches(str(name).lower(), BOARDS, n=4, cutoff=0.4)
    hint = f"did you mean {', '.join(near)}?" if near else "'stablespike boards' lists them"
    raise ValueError(f"board must be one of {len(BOARDS)}, not {name!r}: {hint}")
