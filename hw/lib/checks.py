"""Checks of the parameters of components."""

from __future__ import annotations

from amaranth.hdl import Value
from stablespike.spec.array import ArrayConfig

__all__ = ["check_index", "check_int"]


def check_index(config: ArrayConfig, index: int | Value) -> int | Value:
    """Check the number of a core.

    Parameters
    ----------
    config : ArrayConfig
        The array.
    index : int or Value
        The number; a value is not known yet, so it is not checked.

    Returns
    -------
    int or Value
        ``index``.

    Raises
    ------
    TypeError, ValueError
        If the array has no core of that number.
    """
    return index if isinstance(index, Value) else check_int("index", index, 0, config.cores - 1)


def check_int(name: str, value: int, low: int, high: int | None = None) -> int:
    """Check that a parameter is an integer in a range.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : int
        The value of the parameter.
    low : int
        The lowest value allowed.
    high : int or None
        The highest value allowed; None for any.

    Returns
    -------
    int
        ``value``.

    Raises
    ------
    TypeError, ValueError
        Naming the parameter, the value and what is allowed.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if value < low or (high is not None and value > high):
        allowed = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} must be {allowed}, not {value}")
    return value
