"""Recordings of jAER: AEDAT 2, whose addresses mean what the camera's chip makes of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .source import Recordings, Source, empty_events, header_lines

__all__ = ["AEDAT2_MAGIC", "CHIPS", "read_aedat2"]

AEDAT2_MAGIC = b"#!AER-DAT2.0"
_ENDS = b"#End Of ASCII Header", b"# End of ASCII Header"  # of jAER, and of AedatTools
_HEADER_MOST = 1 << 24  # settings of a camera take some 100 KiB
_BLOCK_WORDS = 1 << 14  # decoded at a time, so that their parts stay in the cache
_WORDS = np.dtype([("place", ">u4"), ("t", ">u4")])


@dataclass(frozen=True)
class Chip:
    """How a chip packs a pixel into an address.

    jAER's decoders (``DVS128.java``, ``DavisBaseCamera.java``) agree with it. They turn x, which
    counts from the right in the file, and leave y, which counts from the bottom.

    Attributes
    ----------
    name : str
        Its name, for messages.
    classes : str
        Pattern of the names, in small letters, of jAER's classes for it.
    width, height : int
        Its pixels.
    x_shift, x_bits, y_shift, y_bits, p_shift : int
        Where the fields of an address are.
    bright : int
        The polarity bit of an event that became brighter.
    other : int
        Bits of which one is set in words that are no pixels: samples of frames and of the inertial
        sensor, and marks of external inputs.
    """

    name: str
    classes: str
    width: int
    height: int
    x_shift: int
    x_bits: int
    y_shift: int
    y_bits: int
    p_shift: int
    bright: int
    other: int

    @property
    def used(self) -> int:
        """The bits that an address of a pixel may have."""
        x, y = (1 << self.x_bits) - 1 << self.x_shift, (1 << self.y_bits) - 1 << self.y_shift
        return x | y | 1 << self.p_shift


def _davis(name: str, classes: str, width: int, height: int) -> Chip:
    return Chip(name, classes, width, height, 12, 10, 22, 9, 11, 1, 1 << 31 | 1 << 10)


CHIPS = {
    # An event that became brighter has the polarity bit 0, whatever iniVation's page says of it.
    "dvs128": Chip("DVS128", "dvs128", 128, 128, 1, 7, 8, 7, 0, 0, 1 << 31 | 1 << 15),
    "davis240": _davis("DAVIS240", "davis240[abc]?", 240, 180),
    "davis346": _davis("DAVIS346", "davis346(?:[abc]|red|blue|cbsi)?", 346, 260),
}
"""The chips whose addresses are known."""


def read_aedat2(chip: str | None = None) -> Callable[[Source], Recordings]:
    """The reader of AEDAT 2: words of 32 bits for a place and a time.

    Parameters
    ----------
    chip : str or None
        One of ``CHIPS``; by default the header's line ``# AEChip:`` says it.
    """

    def read(source: Source) -> Recordings:
        lines, start = _header(source)
        found = CHIPS[chip] if chip else _told(source, lines)
        events = empty_events(max(source.size - start, 0) // _WORDS.itemsize)
        filled = last = loops = 0
        for words in source.blocks(_WORDS, start, _BLOCK_WORDS):
            place, times = words["place"].astype(np.uint32), words["t"].astype(np.int64)
            pixels = place & found.other == 0
            if not pixels.all():
                place, times = place[pixels], times[pixels]
            if not len(place):
                continue
            block = events[filled : filled + len(place)]
            _decode(source, found, place, block)
            # The counter of 32 bits began anew whenever it fell by half its range or more.
            fell = np.cumsum(np.diff(times, prepend=last) <= -(1 << 31))
            block["t"] = times + (fell + loops << 32)
            filled, last, loops = filled + len(place), int(times[-1]), loops + int(fell[-1])
        return Recordings([events[:filled]])

    return read


def _header(source: Source) -> tuple[list[str], int]:
    """The lines of the header, which may be longer than the part of the file that is read first:
    jAER writes all settings of the camera into it."""
    head = source.head
    while True:
        # Names of users are in the character set of the machine that wrote them.
        lines, start = header_lines(head, b"#", *_ENDS, encoding="latin-1")
        rest, whole = head[start:], len(head) == source.size
        # Without a last line, an event may begin as a line does: it is not all text.
        text = rest.decode("latin-1").rstrip("\r").replace("\t", " ").isprintable()
        more = rest.startswith(b"#") and text if rest else not whole
        if not more or (lines and lines[-1].encode("latin-1") in _ENDS):
            return lines, start
        if whole or len(head) >= _HEADER_MOST:
            end = "end" if whole else f"end within {_HEADER_MOST} bytes"
            raise source.error(f"is a truncated AEDAT 2 file: its header has no {end}")
        with source.path.open("rb") as file:
            head = file.read(2 * len(head))


def _told(source: Source, lines: list[str]) -> Chip:
    """The chip that a header names."""
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("# AEChip:")]
    for name in names:
        for chip in CHIPS.values():
            if re.fullmatch(chip.classes, name.rpartition(".")[2].lower()):
                return chip
    said = f"names {names[0]}" if any(names) else "does not name the camera's chip"
    *most, last = (chip.name for chip in CHIPS.values())
    forms = ", ".join(repr(f"aedat2-{name}") for name in CHIPS)
    raise source.error(
        f"is an AEDAT 2 file whose header {said}: recordings of {', '.join(most)} and {last} are "
        f"read; if it is one of these, say which with format: {forms}"
    )


def _decode(
    source: Source, chip: Chip, place: npt.NDArray[np.uint32], events: npt.NDArray[Any]
) -> None:
    """Write the places and polarities of pixels."""
    wrong = place & (~chip.used & 0xFFFF_FFFF) != 0
    if wrong.any():
        first = place[int(np.argmax(wrong))]
        raise source.error(
            f"is damaged or of another chip: it has an address 0x{first:08X}, which is none of "
            f"{chip.name}"
        )
    for field, size, shift, bits in (
        ("x", chip.width, chip.x_shift, chip.x_bits), ("y", chip.height, chip.y_shift, chip.y_bits)
    ):
        values = place >> shift & (1 << bits) - 1
        if values.max() >= size:
            raise source.error(
                f"is damaged or of another chip: it has an event at {field}={values.max()}, and "
                f"{field} of {chip.name} is below {size}"
            )
        events[field] = size - 1 - values
    events["p"] = (place >> chip.p_shift & 1) == chip.bright
