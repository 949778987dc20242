"""Recordings of 5-byte events, as in N-MNIST and N-Caltech101."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .source import Recordings, Source, empty_events

__all__ = ["decode_atis", "is_nmnist", "read_atis"]

_EVENT_BYTES = 5
# An event in this row is a tick of the camera's clock, which says that this much time has passed.
_OVERFLOW_Y, _OVERFLOW_US = 240, 1 << 13
_SIDE = 34  # pixels of N-MNIST
_SURE = 32  # events, of which any other file would not have all at such places and times


def decode_atis(data: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """The events in bytes.

    An event has five bytes: x, y, then the polarity in the most significant bit and 23 bits of
    time. An event at y = 240 is not a spike. It says that another 2**13 microseconds have passed.

    Parameters
    ----------
    data : (5 * events,) uint8 array
        The bytes.
    """
    raw = data.reshape(-1, _EVENT_BYTES)
    passed = raw[:, 1] == _OVERFLOW_Y
    times = (raw[:, 2].astype(np.int64) & 0x7F) << 16 | raw[:, 3].astype(np.int64) << 8 | raw[:, 4]
    events = empty_events(len(raw))
    events["t"] = times + _OVERFLOW_US * np.cumsum(passed)
    events["x"], events["y"], events["p"] = raw[:, 0], raw[:, 1], raw[:, 2] >> 7
    spikes: npt.NDArray[Any] = events[~passed]
    return spikes


def read_atis(source: Source) -> Recordings:
    """A recording without a header."""
    if source.size % _EVENT_BYTES:
        raise source.error(
            f"is truncated: {source.size} bytes are not a whole number of 5-byte events"
        )
    return Recordings([decode_atis(source.values("u1"))])


def is_nmnist(source: Source) -> bool:
    """Whether a file is one of N-MNIST for sure: the format has no mark of its own.

    Its size must be that of whole events, at least 32, all within 34 x 34 pixels and in the order
    of their times, which are not all the same.
    """
    if source.size % _EVENT_BYTES or source.size < _SURE * _EVENT_BYTES:
        return False
    whole = len(source.head) // _EVENT_BYTES * _EVENT_BYTES
    events = decode_atis(np.frombuffer(source.head[:whole], np.uint8))
    return bool(
        len(events) >= _SURE
        and events["x"].max() < _SIDE
        and events["y"].max() < _SIDE
        and (events["t"][1:] >= events["t"][:-1]).all()
        and events["t"][0] < events["t"][-1]
    )
