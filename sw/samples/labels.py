"""Labels of samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..support.values import as_array, exact_integers

__all__ = ["checked_labels"]


def checked_labels(
    labels: Any, count: int, outputs: int, name: str = "labels"
) -> npt.NDArray[np.int64]:
    """Labels as an int64 array, every one checked.

    Parameters
    ----------
    labels : (count,) array_like of int
        The label of each sample.
    count : int
        How many samples there are.
    outputs : int
        How many classes there are: labels are from 0 to ``outputs - 1``.
    name : str
        What to call them in messages.

    Raises
    ------
    TypeError
        If they are not integers.
    ValueError
        If there is not one per sample, or one is out of range. The message names it, and what is
        allowed.
    """
    array = as_array(name, labels)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, not {array.dtype}")
    if array.shape != (count,):
        raise ValueError(f"{name} must be ({count},), one per sample, not {array.shape}")
    return exact_integers(name, array, 0, outputs - 1)
