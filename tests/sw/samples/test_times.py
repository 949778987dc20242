"""Steps of events against fractions: nothing is rounded, whatever the types."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stablespike.samples.events import bin_events
from stablespike.samples.times import LAST, Bins

FLOATS = st.floats(-1e6, 1e6, width=32) | st.floats(-1e300, 1e300)


@given(
    st.one_of(
        st.lists(st.integers(-(1 << 63), LAST), min_size=1, max_size=20).map(
            lambda each: np.array(sorted(each), "i8")
        ),
        st.lists(st.integers(0, (1 << 64) - 1), min_size=1, max_size=20).map(
            lambda each: np.array(sorted(each), "u8")
        ),
        st.lists(FLOATS, min_size=1, max_size=20).map(lambda each: np.array(sorted(each))),
    ),
    st.floats(1e-300, 1e300) | st.integers(1, 1 << 66) | st.floats(2**-10, 2**-6, width=16),
    st.sampled_from([0, 1e-3, 0.25, 1 << 40]),
    st.sampled_from([1, 4, 1000, LAST]),
)
def test_steps_are_those_of_fractions(when: Any, length: Any, before: Any, steps: int) -> None:
    start = Fraction(when[0].item()) - Fraction(before)
    bins = Bins(start, Fraction(length))
    wanted = [min(int((Fraction(t.item()) - start) // Fraction(length)), steps) for t in when]
    if max(wanted) > LAST:  # a step that no int64 holds
        return
    assert bins.steps(when, steps).tolist() == wanted
    assert [min(bins.step(t), steps) for t in when] == wanted


@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
@pytest.mark.parametrize(("length", "steps"), [(0.01, 150), (0.004, 400), (0.001, 1500)])
def test_float_seconds(kind: str, length: float, steps: int) -> None:
    rng = np.random.default_rng(0)
    events = np.zeros(3000, [("t", kind), ("x", "u2")])
    events["t"], events["x"] = np.sort(rng.random(3000) * 1.4), np.arange(3000) % 700
    spikes = bin_events([events], (700,), steps, bin_time=length, start=0)
    wanted = np.zeros((steps, 700), bool)
    wanted[[int(Fraction(float(t)) // Fraction(length)) for t in events["t"]], events["x"]] = True
    assert np.array_equal(spikes[0], wanted)


def clock(*times: Any, kind: str = "i8") -> Any:
    events = np.zeros(len(times), [("t", kind), ("x", "u1")])
    events["t"], events["x"] = times, range(len(times))
    return events


def steps(recordings: Any, count: int, **options: Any) -> list[list[int]]:
    """For each recording, the step of each of its events."""
    spikes = bin_events(recordings, (8,), count, **options)
    return [np.flatnonzero(each.T.any(1)).tolist() and np.argwhere(each.T)[:, 1].tolist()
            for each in spikes]


@pytest.mark.parametrize("offset", [0, 7, 1_700_000_000_000_000, (1 << 63) + 5])
@pytest.mark.parametrize("binning", [{"bin_time": 10}, {"bin_count": 4}])
def test_bins_begin_with_the_first_event(offset: int, binning: Any) -> None:
    events = clock(*(offset + t for t in (0, 10, 25, 39)), kind="u8" if offset >> 63 else "i8")
    assert steps([events], 4, start="first", **binning) == [[0, 1, 2, 3]]
    if offset != 7:
        assert steps([events], 4, **binning) == [[0, 1, 2, 3]]


def test_a_clock_that_begins_with_the_recording_counts_from_0() -> None:
    assert steps([clock(7, 17, 32, 39)], 4, bin_time=10) == [[0, 1, 3, 3]]
    assert steps([clock(10, 17, 32, 39)], 4, bin_time=10) == [[0, 0, 2, 2]]
    assert steps([clock(-1, 9, 10)], 4, bin_time=10) == [[0, 1, 1]]


def test_each_recording_has_its_own_start() -> None:
    recordings = [clock(100, 110, 125), clock(205, 215, 239)]
    assert steps(recordings, 4, bin_time=10, start="first") == [[0, 1, 2], [0, 1, 3]]
    assert steps(recordings, 4, bin_time=10, start=[95, 200]) == [[0, 1, 3], [0, 1, 3]]
    assert steps(recordings, 4, bin_time=10, start=[95, "first"]) == [[0, 1, 3], [0, 1, 3]]


def test_a_count_leaves_no_step_out() -> None:
    events = np.zeros(100, [("t", "i4"), ("x", "u1")])
    events["t"] = np.arange(100)
    spikes = bin_events([events], (1,), 60, bin_count=60)
    assert spikes.all()
    wanted = [t * 60 // 100 for t in range(100)]
    numbered = events.astype([("t", "i4"), ("x", "u1")])
    numbered["x"] = np.arange(100)
    found = bin_events([numbered], (100,), 60, bin_count=60)[0]
    assert np.argwhere(found.T)[:, 1].tolist() == wanted


def test_nothing_left_and_everything_in_one_step_name_the_start() -> None:
    events = clock(1_700_000_000_000_000, 1_700_000_000_000_039)
    with pytest.raises(ValueError, match=r"samples\[0\] has no event in the 4 steps.*start says"):
        bin_events([events], (8,), 4, bin_time=10, start=0, late="drop")
    with pytest.raises(ValueError, match=r"all of its 2 events in step 3 of 4: .*start says"):
        bin_events([events], (8,), 4, bin_count=4, start=0)
    with pytest.raises(ValueError, match=r"all of its 2 events in step 0 of 4: .*bin_time how"):
        bin_events([events], (8,), 4, bin_time=1000)
    assert steps([clock(5, 5)], 4, bin_time=10) == [[0, 0]], "one time, one step"


def test_times_of_more_than_64_bits_are_refused() -> None:
    if np.dtype(np.longdouble).itemsize == 8:
        pytest.skip("no such type here")
    with pytest.raises(TypeError, match="must have at most 64 bits"):
        bin_events([clock(1, 2, kind="g")], (8,), 2, bin_time=1)


def test_recordings_have_lengths_of_their_own() -> None:
    events = np.array([(0, 0), (4, 1), (25, 1)], [("t", "i8"), ("x", "i8")])
    options: dict[str, Any] = {"bin_time": 10, "start": 0}
    own = bin_events([events, events[:2]], (2,), 4, lengths=[3, 1], **options)
    assert own.shape == (2, 4, 2)
    assert np.argwhere(own).tolist() == [[0, 0, 0], [0, 0, 1], [0, 2, 1], [1, 0, 0], [1, 0, 1]]
    with pytest.raises(ValueError, match=r"samples\[1\] has 1 events behind the last of 2 steps"):
        bin_events([events, events], (2,), 4, lengths=[3, 2], **options)
    cut = bin_events([events], (2,), 4, lengths=[2], late="drop", **options)
    assert np.argwhere(cut).tolist() == [[0, 0, 0], [0, 0, 1]]
    with pytest.raises(ValueError, match=r"lengths must be \(1,\), one per recording, not \(2,\)"):
        bin_events([events], (2,), 4, lengths=[1, 2], **options)
    with pytest.raises(ValueError, match="lengths must be whole numbers from 1 to 4, not 5"):
        bin_events([events], (2,), 4, lengths=[5], **options)
    with pytest.raises(ValueError, match="lengths is for events with bin_time"):
        bin_events([events], (2,), 4, bin_count=4, lengths=[3])
