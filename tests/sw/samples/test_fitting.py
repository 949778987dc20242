"""Events of larger sensors, made to fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import stablespike as ss
from hypothesis import given
from hypothesis import strategies as st

EVENTS = np.array(
    [(5, 10, 20, 1), (7, 13, 23, 0), (9, 9, 20, 1), (11, 14, 20, 1), (12, 10, 24, 0)],
    [("t", "u8"), ("x", "u2"), ("y", "u2"), ("p", "?")],
)


def test_crop_comes_before_downscale() -> None:
    found = ss.fit_events(EVENTS, crop=(10, 20, 4, 4), downscale=2)
    assert found.dtype.names == ("t", "x", "y", "p")
    assert found.dtype["t"] == np.uint64
    assert [tuple(each) for each in found.tolist()] == [(5, 0, 0, True), (7, 1, 1, False)]


@given(
    places=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 7), st.integers(0, 1)), min_size=1),
    downscale=st.integers(1, 3),
)
def test_spikes_are_the_or_of_pixels(places: Any, downscale: int) -> None:
    events = np.array(
        [(t, *place) for t, place in enumerate(places)],
        [("t", "i8"), ("x", "i8"), ("y", "i8"), ("p", "i8")],
    )
    small = ss.fit_events(events, downscale=downscale, merge_polarities=True)
    high, wide = -(-8 // downscale), -(-10 // downscale)
    found = ss.bin_events([small], (1, high, wide), 1, bin_time=1000)[0, 0, 0]
    spikes = ss.bin_events([events], (2, 8, 10), 1, bin_time=1000)[0, 0].any(axis=0)
    for y in range(high):
        for x in range(wide):
            square = np.s_[y * downscale :, x * downscale :]
            assert found[y, x] == spikes[square][:downscale, :downscale].any()


def test_other_tables_and_fields() -> None:
    columns = {"timestamp": [1, 2], "x": [4, 5], "y": [0, 1], "polarity": [0, 1]}
    found = ss.fit_events(columns, downscale=2)
    assert found.dtype.names == ("t", "x", "y", "p")
    assert found["x"].tolist() == [2, 2]
    del columns["polarity"]
    assert ss.fit_events(columns, merge_polarities=True).dtype.names == ("t", "x", "y")
    del columns["y"]
    assert ss.fit_events(columns, downscale=5)["x"].tolist() == [0, 1]
    with pytest.raises(ValueError, match="events must have the field 'y'; it has timestamp, x"):
        ss.fit_events(columns, crop=(0, 0, 5, 5))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"crop": (0, 0, 5, 4), "downscale": 2}, ValueError, "width and the height of crop, 5 and"),
        ({"crop": (0, 0, 5)}, TypeError, r"crop must be four integers, \(x0, y0, width, height\)"),
        ({"crop": (0, -1, 5, 4)}, ValueError, "crop must be from 0 to"),
        ({"crop": (0, 0, 0, 4)}, ValueError, "crop must be from 1 to"),
        ({"downscale": 0}, ValueError, "downscale must be from 1 to"),
        ({"downscale": 1.5}, TypeError, "downscale must be an integer"),
        ({"merge_polarities": 1}, TypeError, "merge_polarities must be True or False, not 1"),
        ({"events": [EVENTS]}, TypeError, "events must be one recording, not a list"),
    ],
)
def test_what_is_refused(options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ss.fit_events(**{"events": EVENTS, **options})


def test_a_larger_sensor_is_told_how_to_fit() -> None:
    with pytest.raises(ValueError, match=r"not 10 .*: stablespike.fit_events crops or"):
        ss.bin_events([EVENTS], (2, 30, 8), 4, bin_time=10)
