"""Damage in the heaps of an HDF5 file, which hold its texts."""

from __future__ import annotations

import mmap
from pathlib import Path

__all__ = ["check_heaps"]

_MARK = b"GCOL\x01\0\0\0"  # of a global heap collection: signature, version, reserved bytes
_HEADER = 16  # bytes, of a collection and of an object in it


def check_heaps(path: str) -> None:
    """Refuse a file with a collection whose objects do not fill it one after another.

    Raises
    ------
    ValueError
        If it has one.
    """
    with (
        Path(path).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        start = data.find(_MARK)
        while start >= 0:
            _check(data, start)
            start = data.find(_MARK, start + len(_MARK))


def _check(data: mmap.mmap, start: int) -> None:
    end = start + int.from_bytes(data[start + 8 : start + _HEADER], "little")
    at = start + _HEADER
    while at + _HEADER <= min(end, len(data)):
        free = data[at : at + 2] == b"\0\0"
        size = int.from_bytes(data[at + 8 : at + _HEADER], "little")
        # The size of free space includes its header; objects are padded to 8 bytes.
        step = size if free else _HEADER + -(-size // 8) * 8
        if not step or at + step > end:
            raise ValueError(f"its texts are damaged at byte {at}")
        at += step
