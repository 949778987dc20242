"""Options that verbs share, and exit codes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from ..spec.array import PRESETS
from .console import level

__all__ = [
    "ARRAY_HELP", "CHECK_FAILED", "DEVICE_FAILED", "DONE", "INTERRUPTED", "UNREAD", "WRONG_USE",
    "Json", "Quiet", "Timeout", "Uri", "Verbose", "naming", "needs", "npz_file", "pasting",
    "taking", "whole_numbers",
]

DONE, CHECK_FAILED, WRONG_USE, DEVICE_FAILED, INTERRUPTED, UNREAD = 0, 1, 2, 3, 130, 141


# -q and -v are taken before and after the verb, so both callbacks may be called twice.
def _louder(count: int) -> int:
    if count:
        level.value = max(level.value, count)
    return count


def _quieter(quiet: bool) -> bool:
    if quiet:
        level.value = -1
    return quiet


Verbose = Annotated[
    int,
    typer.Option(
        "-v",
        "--verbose",
        count=True,
        callback=_louder,
        help="Print more; given twice, print tracebacks.",
    ),
]
Quiet = Annotated[
    bool, typer.Option("-q", "--quiet", callback=_quieter, help="Print results and errors only.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Uri = Annotated[
    str,
    typer.Option(
        "--device",
        help="golden: | sim:<array> | sim:<board>?link=<kind> | serial:[<port>][?baud=N] | "
        "udp:<host> | spi: | tcp:<host>:<port>",
    ),
]
ARRAY_HELP = "a preset, the name of a board, or a .toml file"
"""What options that name an array take."""
Timeout = Annotated[
    float | None, typer.Option(help="Seconds without an answer after which to give a device up.")
]


def whole_numbers(name: str, text: str | None, form: str) -> tuple[int, ...] | None:
    """Return the whole numbers of an option that are separated by commas.

    Raises
    ------
    ValueError
        If there is anything else.
    """
    if text is None:
        return None
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise ValueError(f"{name} must be {form}, not {text!r}") from None


def npz_file(out: Path) -> Path:
    """Return the ``.npz`` file to write, with that ending.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    from ..network.files import check_writable

    # numpy would add the ending by itself, and the file would not be where it was checked.
    named = out.suffix == ".npz" or not out.name  # "." and "/" have none, and are refused
    target = out if named else out.with_name(out.name + ".npz")
    check_writable(target)
    return target


def taking(group: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Turn the fields of a dataclass into options of a verb, whose first argument gets them."""
    # typer finds options in the signature of a function: it gets one with both groups of them.
    hints = get_type_hints(group, include_extras=True)
    # Options that a group inherits are shown behind its own.
    inherited = [name for base in group.__mro__[1:-1] for name in get_type_hints(base)]
    shared = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in sorted(fields(group), key=lambda field: field.name in inherited)
    ]

    def decorated(verb: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(verb, include_extras=True)
        _, *others = inspect.signature(verb).parameters.values()
        own = [
            other.replace(annotation=hints[other.name], kind=inspect.Parameter.KEYWORD_ONLY)
            for other in others
        ]

        @functools.wraps(verb)
        def called(**values: Any) -> None:
            verb(group(**{field.name: values.pop(field.name) for field in fields(group)}), **values)

        parameters = [*shared, *own]
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {one.name: one.annotation for one in parameters}
        return called

    return decorated


@contextmanager
def naming(options: dict[str, str]) -> Iterator[None]:
    """Name the options of the command line in errors that name the arguments of a function."""
    try:
        yield
    except ValueError as error:
        text = str(error)
        for argument, option in options.items():
            text = text.replace(argument, option)
        error.args = (text,)
        raise


@contextmanager
def pasting(command: Callable[[str], str]) -> Iterator[None]:
    """Let the last line of a ``DoesNotFit`` be the command that would do.

    Parameters
    ----------
    command : callable
        The command with another ``--array``.
    """
    from ..support.arrays import ARRAY_FILE, array_file_line
    from ..support.errors import DoesNotFit

    try:
        yield
    except DoesNotFit as error:
        if error.array is None:
            raise
        name = next((name for name, other in PRESETS.items() if other == error.array), None)
        if name is not None:
            raise error.with_line(command(name)) from None
        line = f"{array_file_line(error.array)} && {command(ARRAY_FILE)}"
        raise error.with_line(line) from None


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Turn a failing import into an error that names the extra to install."""
    from ..support.errors import ToolError

    try:
        yield
    except ImportError as error:
        raise ToolError(
            f"{error.name or error} is not installed: pip install 'stablespike[{extra}]'"
        ) from error
