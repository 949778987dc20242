"""Recordings of events as tables: their columns, by whatever name a library gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..support.values import as_array, refuse_masks

__all__ = [
    "Columns", "as_recordings", "column", "event_columns", "has_field", "is_events",
    "recordings_in", "structured",
]

_OTHER_NAMES = {"t": ("timestamp", "ts"), "x": (), "y": (), "p": ("polarity", "on")}
"""Names that other libraries give to a field."""
Columns = dict[str, npt.NDArray[Any]]
"""Fields by their names."""


def is_events(value: Any) -> bool:
    """Whether a value is one recording: a structured array, or an object that has columns."""
    return _names(value) is not None


def as_recordings(samples: Any) -> Any:
    """The samples; an array of objects, in which numpy keeps recordings, becomes a list.

    Parameters
    ----------
    samples : object
        Whatever a user passes as samples.
    """
    if isinstance(samples, np.ndarray) and samples.dtype.kind == "O" and samples.ndim == 1:
        return list(samples)
    return samples


def has_field(value: Any, field: str) -> bool:
    """Whether a recording has a field, by whatever name."""
    return _column_name(field, _names(value) or []) is not None


def _names(value: Any) -> list[str] | None:
    """The names of the columns; None if it has no columns."""
    if isinstance(value, np.ndarray):
        # Unlike dtype.names, dtype.fields has the titles of fields, too.
        return list(value.dtype.fields) if value.dtype.fields else None
    if isinstance(value, Mapping):
        return [name for name in value if isinstance(name, str)]
    for attribute in ("column_names", "columns"):  # pyarrow; pandas and polars
        names = getattr(value, attribute, None)
        if names is not None and not callable(names) and hasattr(value, "__getitem__"):
            return [name for name in names if isinstance(name, str)]
    if hasattr(value, "to_dict") and all(hasattr(value, name) for name in ("t", "x", "y", "p")):
        return ["t", "x", "y", "p"]  # evt3's Events
    return None


def _column_name(field: str, names: list[str]) -> str | None:
    """The name that a field has; its own comes first."""
    return next((each for each in (field, *_OTHER_NAMES[field]) if each in names), None)


def _column(name: str, events: Any, field: str, names: list[str]) -> npt.NDArray[Any]:
    own = _column_name(field, names)
    if own is None:
        others = _OTHER_NAMES[field]
        also = f" (or {' or '.join(map(repr, others))})" if others else ""
        raise ValueError(
            f"{name} must have the field {field!r}{also}; it has {', '.join(names) or 'none'}"
        )
    if isinstance(events, np.ndarray):
        values = events[own]
    else:
        mapping = hasattr(events, "__getitem__")
        values = events[own] if mapping else getattr(events, own)
        if not isinstance(values, np.ndarray):
            values = as_array(f"{name} field {field!r}", values, "numbers")
        refuse_masks(f"{name} field {field!r}", values)
    if values.ndim != 1:
        raise ValueError(f"{name} must be a list of events, not of shape {values.shape}")
    return values


def column(name: str, events: Any, field: str) -> npt.NDArray[Any]:
    """One field of the events of a recording.

    Parameters
    ----------
    name : str
        The name of the events in messages.
    events : structured array, mapping or frame
        The recording.
    field : {"t", "x", "y", "p"}
        The field; by this name, or by one that other libraries give it ("timestamp", "polarity",
        "on"), or by its title in the dtype.

    Raises
    ------
    TypeError, ValueError
        If it has no such field, or the field is no list of numbers.
    """
    names = _names(events)
    if names is None:
        raise TypeError(f"{name} must be an array of events, not a {type(events).__name__}")
    values = _column(name, events, field, names)
    if values.dtype.kind not in ("iuf" if field == "t" else "biu"):
        kind = "numbers" if field == "t" else "integers"
        hint = ""
        if values.dtype.kind in "mM":
            hint = ": give them as integers of one unit, with .astype('int64')"
        raise TypeError(f"{name} field {field!r} must be {kind}, not {values.dtype}{hint}")
    return values


def event_columns(name: str, events: Any, fields: tuple[str, ...]) -> Columns:
    """Several fields of the events of a recording; they are of one length.

    Parameters
    ----------
    name, events
        As for ``column``.
    fields : tuple of str
        The fields.

    Raises
    ------
    TypeError, ValueError
        As ``column``; and if the fields differ in length.
    """
    found = {field: column(name, events, field) for field in fields}
    lengths = {field: len(values) for field, values in found.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{field} {length}" for field, length in lengths.items())
        raise ValueError(f"{name} must have as many values in every field: it has {said}")
    return found


def structured(columns: Columns) -> npt.NDArray[Any]:
    """Columns of one length as one structured array, each in its own dtype."""
    length = len(next(iter(columns.values())))
    events = np.empty(length, [(name, values.dtype) for name, values in columns.items()])
    for name, values in columns.items():
        events[name] = values
    return events


def recordings_in(arrays: Columns) -> list[npt.NDArray[Any]] | None:
    """The recordings that a file of named arrays holds; None if its arrays are none.

    Parameters
    ----------
    arrays : dict of arrays
        Structured arrays, a recording each; or the columns of a single recording.
    """
    if arrays and all(array.dtype.names and array.ndim == 1 for array in arrays.values()):
        return list(arrays.values())
    if not all(_column_name(field, list(arrays)) for field in ("t", "x")):
        return None
    fields = [field for field in _OTHER_NAMES if _column_name(field, list(arrays))]
    lengths = {arrays[str(_column_name(field, list(arrays)))].shape for field in fields}
    if len(lengths) > 1 or len(lengths.pop()) != 1:
        return None
    return [structured({field: column("events", arrays, field) for field in fields})]
