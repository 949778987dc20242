"""Recordings of Prophesee's cameras: EVT2, EVT3 and DAT."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from ..words import popcount
from .source import Recordings, Source, empty_events, header_lines, library, unrolled

__all__ = ["read_dat", "read_evt2", "read_evt3"]

_BLOCK_WORDS = 1 << 15  # decoded at a time, so that their parts stay in the cache
_TIME_HIGH_2, _KINDS_2 = 8, (0, 1, 8, 0xA, 0xE, 0xF)  # off, on, time, trigger, other, continued
_KINDS_3 = (2, 0, 6, 8, 4, 5, 3, 7, 0xA, 0xE, 0xF)
_ALONE_3, _VECTORS_3 = 2, {4: 12, 5: 8}  # a vector has a bit for each of so many places
_RECORD_BYTES, _KINDS_DAT = 8, (0x00, 0x0C)


def _header(source: Source) -> tuple[list[str], int]:
    return header_lines(source.head, b"%", b"% end")


def _count_kinds(
    source: Source, kinds: npt.NDArray[np.uint8], known: tuple[int, ...]
) -> dict[int, int]:
    """How many words there are of each type; those that a format does not have are refused.
    ``known`` begins with the usual ones."""
    counts: dict[int, int] = {}
    left = len(kinds)
    for kind in known:
        if not left:
            return counts
        counts[kind] = int(np.count_nonzero(kinds == kind))
        left -= counts[kind]
    if left:
        first = int(np.argmin(np.isin(kinds, known)))
        raise source.error(
            f"is damaged or of another format: it has a word of the type 0x{kinds[first]:X}, which "
            f"{'EVT2' if known is _KINDS_2 else 'EVT3'} does not have"
        )
    return counts


def _sensor(lines: list[str]) -> dict[str, int]:
    """The size of the sensor by its axes, where the header gives it."""
    text, found = "\n".join(lines), {}
    for axis, pattern in (
        ("x", r"^% (?:geometry (\d{1,5})x|Width (\d{1,5})|format .*width=(\d{1,5}))"),
        ("y", r"^% (?:geometry \d+x(\d{1,5})|Height (\d{1,5})|format .*height=(\d{1,5}))"),
    ):
        if match := re.search(pattern, text, re.MULTILINE):
            found[axis] = int(next(filter(None, match.groups())))
    return found


def _check_places(source: Source, sensor: dict[str, int], events: Any) -> None:
    """Refuse events, whose fields are found by their names, outside of the sensor."""
    for axis, size in sensor.items():
        most = int(events[axis].max(initial=0))
        if most >= size:
            raise source.error(
                f"is damaged: it has an event at {axis}={most}, and its header says that {axis} "
                f"is below {size}"
            )


def read_evt2(source: Source) -> Recordings:
    """EVT2: words of 32 bits. Events before the first word of time have none, and are left out."""
    lines, start = _header(source)
    words = source.values("<u4", start)
    kinds = (words >> 28).astype(np.uint8)
    _count_kinds(source, kinds, _KINDS_2)
    high_at = np.flatnonzero(kinds == _TIME_HIGH_2)
    highs = unrolled(words[high_at] & 0xFFF_FFFF, 28) << 6
    first = int(high_at[0]) if len(high_at) else len(words)
    words, kinds = words[first:], kinds[first:]
    events = empty_events(int(np.count_nonzero(kinds <= 1)))
    filled = passed = 0
    for at in range(0, len(words), _BLOCK_WORDS):
        word, kind = words[at : at + _BLOCK_WORDS], kinds[at : at + _BLOCK_WORDS]
        last = np.cumsum(kind == _TIME_HIGH_2)
        is_event = kind <= 1
        chosen = word[is_event]
        block = events[filled : filled + len(chosen)]
        block["t"] = highs[last[is_event] + (passed - 1)] + (chosen >> 22 & 0x3F)
        block["x"], block["y"] = chosen >> 11 & 0x7FF, chosen & 0x7FF
        block["p"] = chosen >> 28
        filled += len(chosen)
        passed += int(last[-1])
    _check_places(source, _sensor(lines), events)
    return Recordings([events])


def read_evt3(source: Source) -> Recordings:
    """EVT3: words of 16 bits, decoded by evt3. Events before the first time are left out."""
    evt3 = library("evt3", source, "an EVT3 recording")
    lines, start = _header(source)
    sensor = _sensor(lines)
    most = sum(_events_in(source, words) for words in source.blocks("<u2", start, _BLOCK_WORDS))
    events = empty_events(most)
    decoder, filled = evt3.Decoder(), 0
    for words in source.blocks("<u2", start, _BLOCK_WORDS):
        found = decoder.feed(words.tobytes())
        _check_places(source, sensor, {"x": found.x, "y": found.y})
        block = events[filled : filled + len(found)]
        block["t"], block["x"], block["y"] = found.timestamp, found.x, found.y
        block["p"] = found.polarity
        filled += len(found)
    return Recordings([events[:filled]])


def _events_in(source: Source, words: npt.NDArray[np.uint16]) -> int:
    """How many events there are in words of EVT3, in vectors and alone."""
    kinds = (words >> 12).astype(np.uint8)  # a comparison takes half as long
    counts = _count_kinds(source, kinds, _KINDS_3)
    count = counts.get(_ALONE_3, 0)
    for kind, size in _VECTORS_3.items():
        if counts.get(kind):
            count += int(popcount(words[kinds == kind] & ((1 << size) - 1)).sum())
    return count


def read_dat(source: Source) -> Recordings:
    """DAT: records of 8 bytes. In version 1 a place is in 17 bits, in version 2 in 28."""
    lines, start = _header(source)
    said = re.search(r"^% Version (\d{1,3})", "\n".join(lines), re.MULTILINE)
    if said is None or int(said[1]) not in (1, 2):
        version = f"of version {said[1]}" if said else "of a version that its header does not say"
        raise source.error(f"is a DAT file {version}: versions 1 and 2 are read")
    kind = source.head[start : start + 2]
    if len(kind) < 2:
        raise source.error("is a truncated DAT file: it ends before its events")
    if kind[0] not in _KINDS_DAT or kind[1] != _RECORD_BYTES:
        raise source.error(
            f"is a DAT file of type 0x{kind[0]:02X} with records of {kind[1]} bytes: events of "
            "type 0x0C with 8 bytes are read"
        )
    records = source.values([("t", "<u4"), ("place", "<u4")], start + 2)
    events = empty_events(len(records))
    x_bits, y_bits = (14, 14) if int(said[1]) == 2 else (9, 8)
    events["t"] = unrolled(records["t"], 32)
    place = np.ascontiguousarray(records["place"])
    del records
    events["x"] = place & (1 << x_bits) - 1
    events["y"] = place >> x_bits & (1 << y_bits) - 1
    events["p"] = place >> x_bits + y_bits & (0xF if x_bits == 14 else 1)
    _check_places(source, _sensor(lines), events)
    return Recordings([events])
