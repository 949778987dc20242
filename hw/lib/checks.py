"""Checks of the parameters of components."""

from __future__ import annotations

__all__ = ["check_int"]


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
