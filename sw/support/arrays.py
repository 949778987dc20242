"""Arrays as users name them: by a preset, by a board that carries one, or by a TOML file."""

from __future__ import annotations

import difflib
import os
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..spec.array import PRESETS, ArrayConfig
from .errors import FileError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "ARRAY_FILE", "AnyArray", "array_code", "array_config", "array_file_line", "array_toml",
    "known_array", "preset",
]

AnyArray = ArrayConfig | str | os.PathLike[str]
"""An array, or its name: a preset, a board or a TOML file."""

_FIELDS = tuple(field.name for field in fields(ArrayConfig))
ARRAY_FILE = "array.toml"
_BASE = "preset"
_SUFFIX = ".toml"


def preset(name: str | os.PathLike[str]) -> ArrayConfig:
    """The configuration of an array.

    Parameters
    ----------
    name : str or path-like
        The name of a preset; the name of a board, for the array that it carries; or a TOML file,
        whose name ends in ``.toml``. Its keys are the fields of ``ArrayConfig``. A key ``preset``
        names a preset or a board whose fields are taken where the file has none; without it, they
        are the defaults of ``ArrayConfig``.

    Raises
    ------
    ValueError
        If there is no such preset or board; the message lists what there is.
    FileError
        If there is no such file, or it has a field that is unknown or has a wrong value; the
        message names it and its line.
    """
    if isinstance(name, os.PathLike) or (isinstance(name, str) and name.endswith(_SUFFIX)):
        return _from_file(Path(name))
    config = known_array(name)
    if config is None:
        raise ValueError(_unknown(name))
    return config


def array_config(array: AnyArray) -> ArrayConfig:
    """The configuration that an argument ``array`` stands for: itself, or as in ``preset``.

    Raises
    ------
    TypeError
        If it is neither a configuration nor a name.
    ValueError, FileError
        As in ``preset``.
    """
    if isinstance(array, ArrayConfig):
        return array
    if not isinstance(array, (str, os.PathLike)):
        raise TypeError(_unknown(array))
    return preset(array)


def known_array(name: str) -> ArrayConfig | None:
    """The array of a preset or of a board; None if there is none of that name."""
    if name in PRESETS:
        return PRESETS[name]
    array = _boards().get(name)
    return None if array is None else PRESETS[array]


def array_code(config: ArrayConfig) -> str:
    """The configuration as Python code: the name of a preset, or an ``ArrayConfig``."""
    for name, other in PRESETS.items():
        if other == config:
            return f'"{name}"'
    changed = ", ".join(f"{name}={value!r}" for name, value in _changed(config).items())
    return f"stablespike.ArrayConfig({changed})"


def array_toml(config: ArrayConfig) -> str:
    """The configuration as a TOML file, from which ``preset`` reads it."""
    # Numbers and booleans: TOML writes them as Python does, but for the capital.
    return "".join(
        f"{name} = {str(value).lower()}\n" for name, value in _changed(config).items()
    )


def array_file_line(config: ArrayConfig) -> str:
    """A line for a shell that writes the configuration to the file ``ARRAY_FILE``."""
    lines = array_toml(config).replace("\n", "\\n")
    return f"printf '{lines}' > {ARRAY_FILE}"


def _changed(config: ArrayConfig) -> dict[str, Any]:
    """The fields that differ from the defaults."""
    there = ArrayConfig().as_dict()
    return {name: value for name, value in config.as_dict().items() if there[name] != value}


def _boards() -> dict[str, str]:
    """The preset of each board by the board's name."""
    from ..boards.registry import BOARDS

    return {board.name: board.array for board in BOARDS.values()}


def _unknown(name: object) -> str:
    text = (
        f"array must be an ArrayConfig or one of {sorted(PRESETS)}, the name of a board or a "
        f"{_SUFFIX} file, not {name!r}"
    )
    names = {*PRESETS, *_boards()}
    near = difflib.get_close_matches(str(name).lower(), sorted(names), n=4, cutoff=0.6)
    return text + (f": did you mean {', '.join(near)}?" if near else "")


def _from_file(path: Path) -> ArrayConfig:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"{path} cannot be read as an array ({reason})") from error
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileError(f"{path} is no TOML file: {error}") from error
    for name in given:
        if name != _BASE and name not in _FIELDS:
            near = difflib.get_close_matches(name, (*_FIELDS, _BASE), n=1)
            hint = f"did you mean {near[0]}?" if near else f"the fields are {', '.join(_FIELDS)}"
            raise FileError(f"{_place(path, text, name)}: an array has no field {name!r}: {hint}")
    base = given.pop(_BASE, None)
    values: dict[str, Any] = {}
    if base is not None:
        config = known_array(base) if isinstance(base, str) else None
        if config is None:
            raise FileError(
                f"{_place(path, text, _BASE)}: preset must be one of {sorted(PRESETS)} or the name "
                f"of a board, not {base!r}"
            )
        values = config.as_dict()
    try:
        return ArrayConfig(**{**values, **given})
    except (TypeError, ValueError) as error:
        # The message names the field first, and then perhaps others, which may be those given.
        words = re.findall(r"\w+", str(error))
        names = [word for word in words if word in given]
        place = _place(path, text, names[0]) if names else str(path)
        raise FileError(f"{place}: {error}") from error


def _place(path: Path, text: str, name: str) -> str:
    """Where a file has a key."""
    key = re.compile(rf"""\s*\[?\s*["']?{re.escape(name)}["']?\s*[=.\]]""")
    for number, line in enumerate(text.splitlines(), 1):
        if key.match(line):
            return f"{path}, line {number}"
    return str(path)
