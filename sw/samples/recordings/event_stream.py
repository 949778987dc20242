"""Event Stream recordings (``.es``), which count y from the bottom: turned here."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .source import Recordings, Source, empty_events

__all__ = ["EVENT_STREAM_MAGIC", "read_event_stream"]

EVENT_STREAM_MAGIC = b"Event Stream"
_HEADER_BYTES, _DVS, _EVENT_BYTES = 20, 1, 5
_PASSED_US, _NOTHING, _PASSED = 127, 0xFE, 0xFF
"""The bytes between events: one says nothing, the other that so much time has passed."""


def read_event_stream(source: Source) -> Recordings:
    """Events of a DVS, in version 2."""
    head = source.head[:_HEADER_BYTES]
    if len(head) < _HEADER_BYTES:
        raise source.error("is a truncated Event Stream file: its header has no end")
    major, kind = head[12], head[15]
    if major != 2 or kind != _DVS:
        raise source.error(
            f"is an Event Stream of version {major} and type {kind}: version 2 and type {_DVS} "
            "(DVS) are read"
        )
    width, height = np.frombuffer(head, "<u2", 2, 16).tolist()
    data = source.values("u1", _HEADER_BYTES)
    starts, passed = _event_starts(source, data)
    events = empty_events(len(starts))
    times = (data[starts] >> 1).astype(np.int64)
    events["t"] = np.cumsum(times + passed * _PASSED_US)
    events["p"] = data[starts] & 1
    for at, (field, size) in enumerate((("x", width), ("y", height))):
        low, high = data[starts + (1 + 2 * at)], data[starts + (2 + 2 * at)]
        values = low | high.astype(np.uint16) << 8
        if len(values) and values.max() >= size:
            raise source.error(
                f"is damaged: it has an event at {field}={values.max()}, and its header says that "
                f"{field} is below {size}"
            )
        events[field] = values if field == "x" else size - 1 - values
    return Recordings([events])


def _event_starts(
    source: Source, data: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where each event begins, and how many times the time passed before it.

    Between single bytes, events follow each other every five bytes. So the next single byte is the
    first that looks like one among those at the same place in groups of five.
    """
    looks = [
        at + _EVENT_BYTES * np.flatnonzero(data[at::_EVENT_BYTES] >= _NOTHING)
        for at in range(_EVENT_BYTES)
    ]
    here = [0] * _EVENT_BYTES  # in each list, the first one that is not behind us
    runs: list[npt.NDArray[np.int64]] = []
    singles: list[int] = []
    counts: list[int] = []
    at = events = 0
    while at < len(data):
        group = at % _EVENT_BYTES
        found, first = looks[group], here[group]
        first += int(np.searchsorted(found[first:], at)) if first < len(found) else 0
        here[group] = first
        stop = int(found[first]) if first < len(found) else len(data)
        if stop > at:
            runs.append(np.arange(at, stop, _EVENT_BYTES))
            events += len(runs[-1])
        if first < len(found):
            if data[stop] == _PASSED:
                singles.append(stop)
                counts.append(events)
            stop += 1
        at = stop
    starts = np.concatenate([np.zeros(0, np.int64), *runs])
    if len(starts) and starts[-1] + _EVENT_BYTES > len(data):
        raise source.error("is truncated: it ends in the midst of an event")
    passed = np.bincount(np.array(counts, np.int64), minlength=events + 1)[:events]
    return starts, passed
