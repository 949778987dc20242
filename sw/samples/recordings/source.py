"""What the readers of recordings have in common: the file, the arrays, and refusals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...support.errors import FileError

__all__ = ["EVENTS", "Recordings", "Source", "empty_events", "header_lines", "library", "unrolled"]

EVENTS = np.dtype(
    [("t", np.int64), ("x", np.uint16), ("y", np.uint16), ("p", np.uint8)], align=True
)
"""The events of a camera: microseconds, places from the top left, polarity."""
Events = npt.NDArray[Any]


@dataclass(frozen=True)
class Recordings:
    """What is in a file.

    Attributes
    ----------
    events : list of structured arrays
        The recordings.
    labels : array or None
        Their labels.
    several : bool
        Whether files of this kind hold several recordings.
    """

    events: list[Events]
    labels: npt.NDArray[Any] | None = None
    several: bool = False


@dataclass(frozen=True)
class Source:
    """A file that is read.

    Attributes
    ----------
    path : Path
        Where it is.
    size : int
        Its size in bytes.
    head : bytes
        Its first bytes, 64 KiB at most.
    """

    path: Path
    size: int
    head: bytes = field(repr=False)

    def values(self, dtype: Any, start: int = 0) -> npt.NDArray[Any]:
        """Everything from the byte ``start`` on, as values of a type.

        Raises
        ------
        FileError
            If it is not a whole number of these.
        """
        self._count(np.dtype(dtype), start)
        return np.fromfile(self.path, dtype, offset=start)

    def blocks(self, dtype: Any, start: int, size: int) -> Iterator[npt.NDArray[Any]]:
        """Everything from the byte ``start`` on, as arrays of ``size`` values; the last is shorter.

        Raises
        ------
        FileError
            If it is not a whole number of values.
        """
        dtype = np.dtype(dtype)
        count = self._count(dtype, start)
        with self.path.open("rb") as file:
            file.seek(start)
            for _ in range(0, count, size):
                yield np.frombuffer(file.read(size * dtype.itemsize), dtype)

    def _count(self, dtype: np.dtype[Any], start: int) -> int:
        rest = max(self.size - start, 0)
        if rest % dtype.itemsize:
            raise self.error(
                f"is truncated: {rest} bytes are not a whole number of {dtype.itemsize}-byte words"
            )
        return rest // dtype.itemsize

    def error(self, reason: str) -> FileError:
        """A refusal of this file; the reason continues a sentence that begins with its path."""
        return FileError(f"{self.path} {reason}")

    def damaged(self, error: BaseException) -> FileError:
        """A refusal because a library could not read the file."""
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return self.error(f"is damaged or truncated ({reason})")


def empty_events(count: int) -> Events:
    """An array of events, not yet filled in."""
    return np.empty(count, EVENTS)


def header_lines(
    head: bytes, mark: bytes, *ends: bytes, encoding: str = "utf-8"
) -> tuple[list[str], int]:
    """The lines at the beginning of a file, and where the data begins.

    Parameters
    ----------
    head : bytes
        The beginning of the file.
    mark : bytes
        What each line of the header begins with.
    *ends : bytes
        What the last line may be, if there is one. Otherwise the header ends before the first line
        that does not begin so, or is no text.
    encoding : str
        How its text is encoded.
    """
    lines: list[str] = []
    at = 0
    while head.startswith(mark, at):
        stop = head.find(b"\n", at)
        if stop < 0:
            break
        raw = head[at:stop].rstrip(b"\r ")
        try:
            line = raw.decode(encoding)
        except UnicodeDecodeError:
            break
        if not line.replace("\t", " ").isprintable():
            break
        lines.append(line)
        at = stop + 1
        if raw in ends:
            break
    return lines, at


def library(name: str, source: Source, what: str) -> Any:
    """A library of the extra ``events``.

    Raises
    ------
    FileError
        If it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise FileError(
            f"{source.path} is {what}, which {name} reads: pip install 'stablespike[events]'"
        ) from error


def unrolled(counts: npt.NDArray[Any], bits: int) -> npt.NDArray[np.int64]:
    """The values of a counter of so many bits that began anew whenever it fell by half its range
    or more."""
    values = counts.astype(np.int64)
    loops = np.zeros(len(values), dtype=np.int64)
    np.cumsum(values[1:] - values[:-1] <= -(1 << (bits - 1)), out=loops[1:])
    loops <<= bits
    values += loops
    return values
