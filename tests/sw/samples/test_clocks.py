"""One recording with the clocks of different cameras and files: the same spikes and counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import stablespike as ss

SHAPE, STEPS = (2, 34, 34), 20
TICKS = 1024  # of a second: float16 holds those of two seconds exactly


def saccades() -> Any:
    """A recording as long as one of N-MNIST, in ticks from 0."""
    random = np.random.default_rng(7)
    events = np.zeros(4000, [("t", "i8"), ("x", "u2"), ("y", "u2"), ("p", "u1")])
    events["t"] = np.sort(random.integers(0, 320, 4000))
    events["t"][0] = 0
    for name, size in zip("pyx", SHAPE, strict=True):
        events[name] = random.integers(0, size, 4000)
    return events


CLOCKS: dict[str, tuple[Any, Any]] = {
    # The times of ticks, and how long a tick is.
    "offset": (lambda t: t + 5_000_000, 1),
    "microseconds since 1970": (lambda t: t * 977 + 1_790_000_000_000_000, 977),
    "uint64": (lambda t: t.astype("u8") + np.uint64((1 << 63) + 11), 1),
    "uint32": (lambda t: t.astype("u4"), 1),
    "float64 seconds": (lambda t: t / TICKS, 1 / TICKS),
    "float64 seconds since 1970": (lambda t: t / TICKS + 1_790_000_000, 1 / TICKS),
    "float32 seconds": (lambda t: (t / TICKS).astype("f4"), 1 / TICKS),
    "float16 seconds": (lambda t: (t / TICKS).astype("f2"), 1 / TICKS),
}


@pytest.mark.parametrize("name", CLOCKS)
@pytest.mark.parametrize("bits", [None, 4])
def test_no_clock_moves_an_event(name: str, bits: int | None) -> None:
    events, (clock, tick) = saccades(), CLOCKS[name]
    times = clock(events["t"])
    moved = {"t": times, **{each: events[each] for each in "xyp"}}
    for length in (16, 17):
        wanted = ss.bin_events([events], SHAPE, STEPS, bin_time=length, bits=bits)
        assert (wanted.sum((0, 2, 3, 4)) > 0).sum() >= STEPS - 1
        found = ss.bin_events([moved], SHAPE, STEPS, bin_time=length * tick, bits=bits)
        assert np.array_equal(found, wanted)
    if times.dtype.kind in "iu" and tick == 1:  # a last tick has the length of a tick
        wanted = ss.bin_events([events], SHAPE, STEPS, bin_count=STEPS, bits=bits)
        assert np.array_equal(
            ss.bin_events([moved], SHAPE, STEPS, bin_count=STEPS, bits=bits), wanted
        )
