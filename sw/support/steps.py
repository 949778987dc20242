"""The number of steps of a sample."""

from __future__ import annotations

from typing import Any

from .values import exact_int

__all__ = ["STEPS_MAX", "check_steps"]

STEPS_MAX = 1 << 16
"""The most steps of a sample. The array has no such limit, but the host must hold the spikes."""


def check_steps(steps: Any) -> int:
    """The steps of a sample as an int.

    Raises
    ------
    TypeError, ValueError
        If ``steps`` is not an integer from 1 to ``STEPS_MAX``.
    """
    try:
        return exact_int("steps", steps, 1, STEPS_MAX)
    except ValueError as error:
        raise ValueError(
            f"{error}: cut longer recordings into samples that carry their state "
            "(carry_state, --carry-state), or, in Python, send them window by window "
            "(Device.stream)"
        ) from None
