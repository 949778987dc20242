from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from stablespike.samples.events import bin_events, is_recordings

FULL = [("t", "i8"), ("x", "i2"), ("y", "i2"), ("p", "?")]


def recording(*events: tuple[Any, ...], dtype: Any = FULL) -> Any:
    return np.array(list(events), dtype=dtype)


def test_axes_are_p_y_x() -> None:
    out = bin_events([recording((0, 3, 1, 1), (25, 0, 2, 0))], (2, 3, 4), 3, bin_time=10)
    assert out.shape == (1, 3, 2, 3, 4)
    assert out.dtype == bool
    assert np.argwhere(out[0]).tolist() == [[0, 1, 1, 3], [2, 0, 2, 0]]


def test_fewer_axes() -> None:
    events = recording((5, 3, 1, 1))
    assert np.argwhere(bin_events([events], (3, 4), 1, bin_time=10)).tolist() == [[0, 0, 1, 3]]
    assert np.argwhere(bin_events([events], (4,), 1, bin_time=10)).tolist() == [[0, 0, 3]]
    only_x = recording((5, 3), dtype=[("x", "u1"), ("t", "f4")])
    assert np.argwhere(bin_events([only_x], (6,), 1, bin_time=10)).tolist() == [[0, 0, 5]]


@pytest.mark.parametrize("kind", ["i8", "u4", "u8", "f8"])
@pytest.mark.parametrize("start", [0, 100])
def test_bins_are_half_open(kind: str, start: int) -> None:
    times = [0, 9, 10, 19, 20, 39]
    placed = [(start + t, i) for i, t in enumerate(times)]
    events = recording(*placed, dtype=[("t", kind), ("x", "i4")])
    out = bin_events([events], (6,), 4, bin_time=10, start=start)
    assert np.argwhere(out[0]).tolist() == [[0, 0], [0, 1], [1, 2], [1, 3], [2, 4], [3, 5]]


def test_large_integer_times_are_exact() -> None:
    base = 1 << 60
    events = recording((base + 9, 0), (base + 10, 1), dtype=[("t", "i8"), ("x", "i4")])
    out = bin_events([events], (2,), 2, bin_time=10, start=base)
    assert np.argwhere(out[0]).tolist() == [[0, 0], [1, 1]]


def test_events_that_meet_are_one_spike() -> None:
    events = recording((0, 1), (1, 1), (2, 1), dtype=[("t", "i8"), ("x", "i4")])
    assert bin_events([events], (2,), 1, bin_time=5).sum() == 1


def test_an_empty_recording_is_silent() -> None:
    events = recording((1, 0), (11, 1), dtype=[("t", "i8"), ("x", "i4")])
    out = bin_events([events, events[:0]], (2,), 2, bin_time=10)
    assert np.argwhere(out).tolist() == [[0, 0, 0], [0, 1, 1]]


@pytest.mark.parametrize("kind", ["i8", "u8", "f8"])
@pytest.mark.parametrize("binning", [{"bin_time": 10}, {"bin_count": 2}])
def test_time_does_not_go_back(kind: str, binning: Any) -> None:
    events = recording((1, 0), (11, 1), (11, 1), (5, 0), (2, 0), dtype=[("t", kind), ("x", "i4")])
    with pytest.raises(
        ValueError,
        match=r"^samples\[1\] field 't' goes back from 11(\.0)? to 5(\.0)? \(event 3\): sort the",
    ):
        bin_events([events[:3], events], (2,), 2, **binning)


def test_late_events() -> None:
    events = recording((1, 0), (20, 1), (25, 1), dtype=[("t", "i8"), ("x", "i4")])
    with pytest.raises(
        ValueError, match=r"\[0\] has 2 events behind the last of 2 steps \(event 1 at t=20\)"
    ):
        bin_events([events], (2,), 2, bin_time=10)
    assert bin_events([events], (2,), 2, bin_time=10, late="drop").sum() == 1


@pytest.mark.parametrize("kind", ["i8", "f8"])
def test_bin_count_spans_the_recording(kind: str) -> None:
    dtype = [("t", kind), ("x", "i4")]
    events = recording((0, 0), (9, 0), (10, 1), (29, 2), dtype=dtype)
    out = bin_events([events, events[:1], events[:0]], (3,), 3, bin_count=3)
    expected = [[0, 0], [1, 1], [2, 2]]
    assert np.argwhere(out[0]).tolist() == (expected if kind == "i8" else [[0, 0], [1, 1], [2, 2]])
    assert out[1].sum() == 1
    assert not out[2].any()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, r"event samples need bin_time .* or bin_count "),
        ({"bin_time": 1, "bin_count": 2}, ValueError, "not bin_time 1 and bin_count 2"),
        ({"bin_time": 0}, ValueError, "bin_time must be more than 0, not 0"),
        ({"bin_time": float("nan")}, ValueError, "bin_time must be more than 0, not nan"),
        ({"bin_time": "10"}, TypeError, "bin_time must be a number, in units of the field t"),
        ({"bin_time": True}, TypeError, "bin_time must be a number"),
        ({"bin_count": 5}, ValueError, "bin_count must be 2, the steps of a sample, not 5"),
        ({"bin_time": 10, "late": "maybe"}, ValueError, "late must be 'refuse' or 'drop', not 'm"),
        ({"bin_time": 10, "start": "x"}, ValueError, "in units of t, or 'first', not 'x'"),
        ({"bin_time": 10, "start": float("inf")}, ValueError, "start must be a finite number"),
        ({"bin_time": 10, "start": [0, 0]}, ValueError, "each of the 1 recordings, not of"),
        ({"bin_time": 10, "start": {}}, TypeError, "start must be a number"),
        ({"bin_time": 10, "start": 5}, ValueError, r"samples\[0\] field 't' must be from start=5"),
    ],
)
def test_arguments(options: Any, error: type[Exception], message: str) -> None:
    events = recording((1, 0), dtype=[("t", "i8"), ("x", "i4")])
    with pytest.raises(error, match=message):
        bin_events([events], (2,), 2, **options)


@pytest.mark.parametrize(
    ("events", "shape", "error", "message"),
    [
        (recording((0, 4, 0, 0)), (2, 3, 4), ValueError, "field 'x' must be from 0 to 3, not 4"),
        (recording((0, 0, -1, 0)), (2, 3, 4), ValueError, "field 'y' must be from 0 to 2, not -1"),
        (recording((0, 0, 0, 1)), (1, 3, 4), ValueError, "field 'p' must be from 0 to 0, not True"),
        (recording((0, 0, 0, 0)), (1, 2, 3, 4), ValueError, r"at most the axes \(p, y, x\)"),
        (recording((0, 0), dtype=[("t", "i8"), ("x", "i2")]), (2, 2), ValueError,
         "must have the field 'y'; it has t, x"),
        (recording((0, 0.5), dtype=[("t", "i8"), ("x", "f4")]), (2,), TypeError,
         "field 'x' must be integers, not float32"),
        (recording(("a", 0), dtype=[("t", "U1"), ("x", "i4")]), (2,), TypeError,
         "field 't' must be numbers"),
        (recording((float("nan"), 0), dtype=[("t", "f4"), ("x", "i4")]), (2,), ValueError,
         r"field 't' must be finite, not nan \(event 0"),
        (np.zeros((2, 2), dtype=FULL), (2, 2), ValueError, r"events, not of shape \(2, 2"),
    ],
)
def test_recordings_that_do_not_fit(
    events: Any, shape: tuple[int, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        bin_events([events], shape, 2, bin_time=10)


def test_what_recordings_are() -> None:
    events = recording((0, 0, 0, 0))
    assert is_recordings([events])
    assert is_recordings((events, events))
    assert not is_recordings([])
    assert not is_recordings(events)
    assert not is_recordings([[0, 1]])
    assert not is_recordings([np.zeros(3)])


@pytest.mark.parametrize("dtype", ["i2", "u4", "i8", "f8"])
@pytest.mark.parametrize(
    ("bin_time", "start", "step"),
    [
        (1e300, 0, 0), (1 << 80, 0, 0), (40_000, 0, 0), (1e300, -1e300, 1), (1e20, -3e20, 3),
        (1 << 62, -(1 << 63), 2), (1 << 80, -(1 << 81), 2),
    ],
)
def test_steps_longer_than_the_type_of_the_times(
    dtype: str, bin_time: float, start: float, step: int
) -> None:
    events = np.zeros(1, dtype=[("t", dtype), ("x", "u1")])
    events["t"] = 30_000
    spikes = bin_events([events], (1,), 4, bin_time=bin_time, start=start)
    assert np.flatnonzero(spikes[0, :, 0]).tolist() == [step]


@pytest.mark.parametrize("name", ["bin_time", "start"])
def test_times_no_float_holds(name: str) -> None:
    events = np.zeros(1, dtype=[("t", "i8"), ("x", "u1")])
    message = rf"{name} must be at most 1.79769e\+308 in size, not 1000"
    with pytest.raises(ValueError, match=message):
        bin_events([events], (1,), 4, **{"bin_time": 1.0, name: 10**400})


@pytest.mark.parametrize("bits", [None, 8])
@pytest.mark.parametrize("steps", [7, 1000, 60_000])
def test_more_events_than_are_handled_at_a_time(steps: int, bits: int | None) -> None:
    rng = np.random.default_rng(steps)
    events = np.zeros(70_000, [("t", "i8"), ("x", "u2"), ("y", "i4"), ("p", "?")])
    events["t"] = np.sort(rng.integers(0, 1_100_000, len(events)))
    for name, size in (("x", 3), ("y", 2), ("p", 2)):
        events[name] = rng.integers(0, size, len(events))
    length = 1_000_000 // steps
    inside = events[events["t"] < steps * length]
    counts = np.zeros((steps, 2, 2, 3), np.int64)
    np.add.at(counts, (inside["t"] // length, *(inside[n].astype(int) for n in "pyx")), 1)
    wanted = counts > 0 if bits is None else np.minimum(counts, 255)
    excess = "refuse" if bits is None else "saturate"
    binned = bin_events(
        [events], (2, 2, 3), steps, length, start=0, late="drop", bits=bits, excess=excess
    )
    assert np.array_equal(binned[0], wanted)
    events["x"][-1] = 3  # of an event that is dropped
    with pytest.raises(ValueError, match=r"'x' must be from 0 to 2, not 3 \(event 69999"):
        bin_events([events], (2, 2, 3), steps, length, start=0, late="drop")
