"""Events as counts per step and position."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import stablespike as ss
from hypothesis import given
from hypothesis import strategies as st
from stablespike.samples import counting

SHAPE = (2, 3, 4)
EVENTS = st.lists(
    st.tuples(st.integers(0, 39), st.integers(0, 3), st.integers(0, 2), st.integers(0, 1)),
    min_size=1, max_size=60,
)


def recording(events: Any) -> Any:
    return np.array(sorted(events), [("t", "i8"), ("x", "u2"), ("y", "u2"), ("p", "u1")])


def repeated(*groups: tuple[int, int, int, int, int]) -> Any:
    """Events (t, x, y, p), each so many times."""
    return recording([tuple(event) for count, *event in groups for _ in range(count)])


@pytest.mark.parametrize("at_once", [1, 50, 1 << 22])
def test_counts_are_those_of_a_histogram(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(counting, "_AT_ONCE", at_once)
    random = np.random.default_rng(0)
    fields = [random.integers(0, size, 900) for size in (70, 4, 3, 2)]
    events = recording(zip(*fields, strict=True))
    found = ss.bin_events([events, events[:0]], SHAPE, 7, bin_time=10, start=0, bits=8)
    wanted = np.zeros((7, *SHAPE), int)
    np.add.at(wanted, (events["t"] // 10, events["p"], events["y"], events["x"]), 1)
    assert found.dtype == np.uint8
    assert np.array_equal(found[0], wanted)
    assert wanted.max() > 5
    assert not found[1].any()
    early = ss.bin_events([events], SHAPE, 5, bin_time=10, start=0, bits=16, late="drop")
    assert early.dtype == np.uint16
    assert np.array_equal(early[0], wanted[:5])
    less = ss.bin_events([events], SHAPE, 7, bin_time=10, start=0, bits=2, excess="saturate")
    assert np.array_equal(less[0], np.minimum(wanted, 3))


@given(events=EVENTS, bits=st.integers(1, 16))
def test_where_there_is_a_count_there_is_a_spike(events: Any, bits: int) -> None:
    options: Any = {"bin_time": 10, "start": 0}
    every = [*events, (0, 0, 0, 0), (39, 0, 0, 0)]  # in more than one step
    counts = ss.bin_events([recording(every)], SHAPE, 4, bits=bits, excess="saturate", **options)
    assert np.array_equal(ss.bin_events([recording(every)], SHAPE, 4, **options), counts > 0)


@given(events=EVENTS, downscale=st.integers(1, 3), merge=st.booleans())
def test_downscaled_counts_are_sums_of_pixels(events: Any, downscale: int, merge: bool) -> None:
    every = recording([*events, (0, 0, 0, 0), (39, 0, 0, 0)])
    options: Any = {"bin_time": 10, "start": 0, "bits": 8}
    full = ss.bin_events([every], SHAPE, 4, **options)[0].astype(int)
    high, wide = -(-3 // downscale), -(-4 // downscale)
    wanted = np.zeros((4, 2, high, wide), int)
    for y in range(3):
        for x in range(4):
            wanted[:, :, y // downscale, x // downscale] += full[:, :, y, x]
    if merge:
        wanted = wanted.sum(1, keepdims=True)
    small = ss.fit_events(every, downscale=downscale, merge_polarities=merge)
    found = ss.bin_events([small], wanted.shape[1:], 4, **options)
    assert np.array_equal(found[0], wanted)


def test_too_many_events_name_where_they_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_AT_ONCE", 30)  # a step at a time
    events = repeated((3, 0, 0, 0, 0), (16, 25, 3, 1, 1), (20, 26, 0, 2, 1))
    fits: Any = {"bin_time": 10, "bits": 5}
    assert ss.bin_events([events], SHAPE, 3, **fits).max() == 20
    with pytest.raises(ValueError, match=(
        r"^samples\[1\] has 16 events in step 2 at \(p, y, x\) = \(1, 1, 3\), and 4 bits count to "
        r"15: shorter steps or more bits hold them, excess 'saturate' counts them as 15$"
    )):
        ss.bin_events([events[:3], events], SHAPE, 3, bin_time=10, bits=4)
    with pytest.raises(ValueError, match=r"has 36 events in step 0 at \(x\) = \(0,\), and 1 bits"):
        ss.bin_events([{"t": np.arange(36), "x": np.zeros(36, int)}], (4,), 1, bin_time=99, bits=1)
    many = ss.bin_events([events], SHAPE, 3, bin_time=10, bits=4, excess="saturate")
    assert many[0, 2].max() == 15
    assert many[0, 0].max() == 3


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"bits": 0}, ValueError, "bits must be from 1 to 16, not 0"),
        ({"bits": 17}, ValueError, "bits must be from 1 to 16, not 17"),
        ({"bits": 2.5}, TypeError, "bits must be an integer"),
        ({"bits": 4, "excess": "drop"}, ValueError, "excess must be one of 'refuse', 'saturate'"),
        ({"excess": "saturate"}, ValueError,
         "excess 'saturate' is for counts of events: they have bits, as a FrameInput has"),
    ],
)
def test_options(options: Any, error: type[Exception], message: str) -> None:
    events = recording([(0, 0, 0, 0)])
    with pytest.raises(error, match=message):
        ss.bin_events([events], SHAPE, 3, bin_time=10, **options)
