"""Events of a sensor that is larger than a network's input."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..support.values import exact_int
from .columns import event_columns, has_field, is_events, structured

__all__ = ["FITTING", "fit_events"]

FITTING: dict[str, Any] = {"crop": None, "downscale": 1, "merge_polarities": False}
"""The options of fitting, and what each is where it is not given."""

_LARGEST = 1 << 31


def fit_events(
    events: Any,
    crop: tuple[int, int, int, int] | None = None,
    downscale: int = 1,
    merge_polarities: bool = False,
) -> npt.NDArray[Any]:
    """Cut, scale down, and merge the polarities of a recording.

    ``crop`` comes first, ``downscale`` after it. All events stay. Those that meet at one pixel in
    one step are one spike if the input is spikes: the OR of the pixels and polarities that become
    one. They are counted if it is frames: the sum.

    Parameters
    ----------
    events : structured array, mapping or frame
        A recording with the fields ``t`` and ``x``, and perhaps ``y`` and ``p``.
    crop : (x0, y0, width, height) or None
        Keep the events of this part of the sensor; its top left corner becomes (0, 0).
    downscale : int
        The side of the squares of pixels that become one pixel. It must divide the width and the
        height of ``crop``.
    merge_polarities : bool
        Make every polarity 0, for an input of the shape (1, y, x).

    Returns
    -------
    structured array
        With the fields ``t`` and ``x``, and ``y`` and ``p`` if they are there.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, and what is allowed; or if a field is missing.
    """
    if not is_events(events):
        raise TypeError(f"events must be one recording, not a {type(events).__name__}")
    downscale = exact_int("downscale", downscale, 1, _LARGEST)
    if not isinstance(merge_polarities, (bool, np.bool_)):
        raise TypeError(f"merge_polarities must be True or False, not {merge_polarities!r}")
    fields = [field for field in ("y", "p") if has_field(events, field)]
    if crop is not None and "y" not in fields:
        fields.append("y")
    columns = event_columns("events", events, ("t", "x", *fields))
    if crop is not None:
        columns = _cropped(columns, crop, downscale)
    for field in columns.keys() & {"x", "y"} if downscale > 1 else ():
        columns[field] = columns[field] // downscale
    if merge_polarities and "p" in columns:
        columns["p"] = np.zeros(len(columns["t"]), np.uint8)
    return structured(columns)


def _cropped(
    columns: dict[str, npt.NDArray[Any]], crop: tuple[int, int, int, int], downscale: int
) -> dict[str, npt.NDArray[Any]]:
    if not isinstance(crop, (list, tuple, np.ndarray)) or len(crop) != 4:
        raise TypeError(f"crop must be four integers, (x0, y0, width, height), not {crop!r}")
    x0, y0 = (exact_int("crop", value, 0, _LARGEST) for value in crop[:2])
    width, height = (exact_int("crop", value, 1, _LARGEST) for value in crop[2:])
    if width % downscale or height % downscale:
        raise ValueError(
            f"downscale must divide the width and the height of crop, {width} and {height}, not "
            f"{downscale}"
        )
    x, y = columns["x"], columns["y"]
    inside = (x >= x0) & (x < x0 + width) & (y >= y0) & (y < y0 + height)
    columns = {name: values[inside] for name, values in columns.items()}
    for field, begin in (("x", x0), ("y", y0)):
        columns[field] = columns[field].astype(np.int64) - begin
    return columns
