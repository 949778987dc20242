"""Objects that are checked when they are made and never change afterwards."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from .values import exact_int

__all__ = ["SIZE_HIGH", "Equal", "Shape", "checked_shape", "put"]

SIZE_HIGH = (1 << 31) - 1
"""The largest size of an axis."""

Shape = tuple[int, ...]


def put(item: object, **values: Any) -> None:
    """Set fields of a frozen dataclass while the object is being made."""
    for name, value in values.items():
        object.__setattr__(item, name, value)


def checked_shape(name: str, value: Any) -> Shape:
    """The value as a shape: at least one axis, and every size at least 1.

    Parameters
    ----------
    name : str
        The name of the argument, for messages.
    value : tuple or list of int
        The sizes.

    Raises
    ------
    TypeError, ValueError
        If it is not such a shape. The message names the argument, the value and what is allowed.
    """
    if not isinstance(value, (tuple, list)) or not value:
        raise TypeError(f"{name} must be a tuple of at least one size, not {value!r}")
    return tuple(exact_int(f"{name}[{i}]", size, 1, SIZE_HIGH) for i, size in enumerate(value))


class Equal:
    """Equality of dataclasses that hold arrays: the same type, and all fields equal."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        names = [each.name for each in fields(self) if each.compare]  # type: ignore[arg-type]
        pairs = ((getattr(self, name), getattr(other, name)) for name in names)
        return all(
            np.array_equal(a, b)
            if isinstance(a, np.ndarray) or isinstance(b, np.ndarray)
            else a == b
            for a, b in pairs
        )
