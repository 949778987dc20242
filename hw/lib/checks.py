"""Checks of what components are made with."""

from __future__ import annotations

__all__ = ["check_int"]


def check_int(name: str, value: int, low: int, high: int | None = None) -> int:
    """``value``, if it is an integer from ``low`` to ``high`` (None: without end).

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
