"""Checks of what users pass, and exact conversions: nothing is clipped or rounded."""

from __future__ import annotations

import math
import operator
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "as_array", "exact_choice", "exact_floats", "exact_int", "exact_integers", "positive",
    "refuse_masks", "signed_bits", "signed_range",
]

_FLOAT_WHOLE = 1 << 53  # up to here, every whole number is a float64


def signed_range(bits: int) -> tuple[int, int]:
    """The lowest and highest value of a two's complement number of ``bits`` bits."""
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def signed_bits(low: int, high: int) -> int:
    """The bits of the narrowest two's complement number that holds ``low`` and ``high``."""
    return max(high, -low - 1).bit_length() + 1


def exact_int(name: str, value: Any, low: int, high: int) -> int:
    """The value as an int.

    Parameters
    ----------
    name : str
        The name of the argument, for messages.
    value : int
        The value, of any integer type.
    low : int
        The lowest value that is allowed.
    high : int
        The highest value that is allowed.

    Raises
    ------
    TypeError
        If it is not an integer. Bools and floats are not.
    ValueError
        If it is out of range.
    """
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be an integer from {low} to {high}, not {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(
            f"{name} must be an integer from {low} to {high}, not {value!r}"
        ) from None
    if not low <= number <= high:
        raise ValueError(f"{name} must be from {low} to {high}, not {number}")
    return number


def exact_choice(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """The value. Raises a ValueError unless it is one of ``allowed``."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")
    return value


def refuse_masks(name: str, value: Any) -> None:
    """Raise a TypeError for an array with a mask, or a list of them: the mask would be lost."""
    parts = value if isinstance(value, (list, tuple)) else (value,)
    if any(isinstance(part, np.ma.MaskedArray) for part in parts):
        raise TypeError(
            f"{name} must have no mask: fill in the masked values first (.filled)"
        )


def positive(name: str, value: Any) -> float:
    """The value as a float. Raises a ValueError unless it is a positive finite number."""
    try:
        number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else 0.0
    except OverflowError:  # an integer beyond every float
        number = math.inf
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be a positive finite number, not {value!r}")
    return number


def as_array(name: str, value: Any, what: str = "integers") -> npt.NDArray[Any]:
    """A list, array or tensor of numbers as a numpy array, a view where possible.

    Parameters
    ----------
    name : str
        The name of the argument, for messages.
    value : array_like
        A list, array or tensor of bools, integers or floats.
    what : str
        What the elements are, for messages.

    Raises
    ------
    TypeError
        If it holds anything else, or has a mask.
    ValueError
        If it is a ragged list.
    """
    refuse_masks(name, value)
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must be an array, not a ragged {type(value).__name__}") from None
    except (TypeError, RuntimeError) as error:
        raise TypeError(f"{name} must be an array of {what}: {error}") from None
    if array.dtype.kind == "O":
        raise TypeError(
            f"{name} must be an array of {what}, not of Python objects: give one array, or a list "
            "of arrays of one shape"
        )
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of {what}, not of {array.dtype}")
    return array


def exact_integers(name: str, value: Any, low: int, high: int) -> npt.NDArray[np.int64]:
    """The value as a new read-only int64 array, every element checked.

    Parameters
    ----------
    name : str
        The name of the argument, for messages.
    value : array_like
        A list, array or tensor of bools, integers, or floats that are whole numbers.
    low : int
        The lowest value that is allowed.
    high : int
        The highest value that is allowed.

    Raises
    ------
    TypeError, ValueError
        If an element is not allowed. The message names the argument, the first such element, its
        index, and what is allowed.
    """
    array = as_array(name, value)
    numbers = array.astype(np.int64) if array.dtype.kind == "b" else array
    good = (numbers >= low) & (numbers <= high)
    if array.dtype.kind == "f":
        good &= np.floor(array) == array
    if not good.all():
        index = tuple(int(i) for i in np.argwhere(~good)[0])
        where = f" (at {list(index)})" if index else ""
        raise ValueError(
            f"{name} must be whole numbers from {low} to {high}, not {array[index]}{where}"
        )
    result = np.array(array, dtype=np.int64, order="C")
    result.setflags(write=False)
    return result


def exact_floats(name: str, value: Any, hint: str = "") -> npt.NDArray[np.float64]:
    """The value as a float64 array, every element exactly as it was; a view where possible.

    Parameters
    ----------
    name : str
        The name of the argument, for messages.
    value : array_like
        A list, array or tensor of bools, integers or floats.
    hint : str
        What to do about a value that is not finite, for messages.

    Raises
    ------
    TypeError, ValueError
        If an element is not finite, or has more digits than a float64. The message names the
        argument, the first such element, its index, and what is allowed.
    """
    array = as_array(name, value, "numbers")
    with np.errstate(over="ignore"):  # too large for float64: found below
        floats = array.astype(np.float64, copy=False)
    # Whole numbers that are rounded to the next power of two may not go back to where they were.
    exact = (
        (array >= -_FLOAT_WHOLE) & (array <= _FLOAT_WHOLE) if array.dtype.kind in "iu"
        else floats == array
    )
    good = exact & np.isfinite(floats)
    if not good.all():
        index = tuple(int(i) for i in np.argwhere(~good)[0])
        where = f" (at {list(index)})" if index else ""
        what = "finite numbers" if array.dtype.kind == "f" else f"from {-1 << 53} to {1 << 53}"
        raise ValueError(
            f"{name} must be {what}, each exact in float64, not {array[index]}{where}"
            + (f": {hint}" if hint else "")
        )
    return floats
