"""Dataclasses of plain values, read back from what JSON made of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

__all__ = ["from_plain"]

Special = Mapping[Any, Callable[[Any], Any]]


def from_plain(kind: Any, value: Any, name: str, special: Special) -> Any:
    """Return ``value`` as an instance of a type, every part of it checked.

    Keys of a dictionary that are no fields of the dataclass are not looked at: a newer version may
    have more of them.

    Parameters
    ----------
    kind : type
        bool, int, float, str, None, a tuple or a union of types, or a dataclass of them.
    value : object
        What JSON gave: dictionaries for dataclasses, lists for tuples.
    name : str
        Name of the value in messages.
    special : mapping of type to callable
        Functions that make instances of types which are read in a way of their own.

    Raises
    ------
    KeyError
        Naming the field that is missing.
    TypeError, ValueError
        Naming the first value of another type, or one that is not finite.
    """
    if kind in special:
        return special[kind](value)
    if is_dataclass(kind):
        return _dataclass(kind, value, name, special)
    if get_origin(kind) in (Union, UnionType):
        kinds = get_args(kind)
        if value is None and NoneType in kinds:
            return None
        (other,) = (each for each in kinds if each is not NoneType)
        return from_plain(other, value, name, special)
    if get_origin(kind) is tuple:
        return _tuple(get_args(kind), value, name, special)
    return _plain(kind, value, name)


def _dataclass(kind: Any, value: Any, name: str, special: Special) -> Any:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dictionary, not {value!r}")
    hints = get_type_hints(kind)
    made = {}
    for field in fields(kind):
        inner = f"{name}.{field.name}"
        if field.name in value:
            made[field.name] = from_plain(hints[field.name], value[field.name], inner, special)
        elif field.default is MISSING:
            raise KeyError(inner)
    return kind(**made)


def _tuple(kinds: tuple[Any, ...], value: Any, name: str, special: Special) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"{name} must be a list, not {value!r}")
    if kinds[1:] == (...,):
        kinds = kinds[:1] * len(value)
    if len(kinds) != len(value):
        raise ValueError(f"{name} must have {len(kinds)} entries, not {len(value)}")
    pairs = enumerate(zip(kinds, value, strict=True))
    return tuple(from_plain(kind, each, f"{name}[{i}]", special) for i, (kind, each) in pairs)


def _plain(kind: Any, value: Any, name: str) -> Any:
    # A bool is an int to Python, and JSON may write a whole float without its point.
    allowed = (int, float) if kind is float else (kind,)
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{name} must be of type {kind.__name__}, not {value!r}")
    if kind is float and not math.isfinite(value):
        raise ValueError(f"{name} must be finite, not {value!r}")
    return kind(value)
