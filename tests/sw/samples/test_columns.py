"""Recordings as other libraries give them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from stablespike.samples.columns import as_recordings, column, is_events
from stablespike.samples.events import bin_events, is_recordings

SHAPE, STEPS = (2, 4, 5), 4
EVENTS = np.array(
    [(3, 1, 2, 1), (10, 3, 0, 0), (25, 4, 1, 1), (39, 2, 3, 0)],
    dtype=[("t", "u8"), ("x", "u2"), ("y", "u2"), ("p", "?")],
)
COLUMNS = {name: EVENTS[name] for name in EVENTS.dtype.names}


class Frame:
    """A table in the manner of pandas and polars: column names, and columns by name."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self._columns = columns

    @property
    def columns(self) -> list[str]:
        return list(self._columns)

    def __getitem__(self, name: str) -> Series:
        return Series(self._columns[name])

    def __iter__(self) -> Any:
        return iter(self._columns)


class Series:
    """A column that numpy can read."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self._values, dtype)


class Table(Frame):
    """A table in the manner of Arrow, whose columns are not their names."""

    @property
    def column_names(self) -> list[str]:
        return list(self._columns)

    @property
    def columns(self) -> Any:
        return [np.zeros(2), np.zeros(2)]


class Loose:
    """A container in the manner of evt3."""

    def __init__(self) -> None:
        self.t, self.x, self.y, self.p = (EVENTS[name] for name in "txyp")

    def to_dict(self) -> dict[str, Any]:
        return dict(COLUMNS)


def renamed(*kind: Any) -> Any:
    return np.array(EVENTS.tolist(), dtype=list(zip(kind, ("u8", "u2", "u2", "?"), strict=True)))


FORMS = {
    "titled p": lambda: renamed("t", "x", "y", ("p", "on")),
    "titled on": lambda: renamed("t", "x", "y", ("on", "p")),
    "timestamp and polarity": lambda: renamed("timestamp", "x", "y", "polarity"),
    "ts and on": lambda: renamed("ts", "x", "y", "on"),
    "dict": lambda: dict(COLUMNS),
    "dict of lists": lambda: {name: values.tolist() for name, values in COLUMNS.items()},
    "dict of other names": lambda: {
        "x": EVENTS["x"], "y": EVENTS["y"], "polarity": EVENTS["p"].astype("u1"),
        "timestamp": EVENTS["t"],
    },
    "frame": lambda: Frame(COLUMNS),
    "frame of other names": lambda: Frame(
        {"timestamp": EVENTS["t"], "x": EVENTS["x"], "y": EVENTS["y"], "polarity": EVENTS["p"]}
    ),
    "arrow": lambda: Table(COLUMNS),
    "attributes": lambda: Loose(),
    "record array": lambda: EVENTS.view(np.recarray),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_spikes(form: str) -> None:
    events = FORMS[form]()
    assert is_events(events)
    assert is_recordings([events])
    expected = bin_events([EVENTS], SHAPE, STEPS, bin_time=10)
    np.testing.assert_array_equal(bin_events([events], SHAPE, STEPS, bin_time=10), expected)


def test_columns_of_torch() -> None:
    torch = pytest.importorskip("torch")
    columns = {name: torch.tensor(values.astype("i8")) for name, values in COLUMNS.items()}
    expected = bin_events([EVENTS], SHAPE, STEPS, bin_time=10)
    np.testing.assert_array_equal(bin_events([columns], SHAPE, STEPS, bin_time=10), expected)


def test_the_fields_own_name_comes_first() -> None:
    both = {**COLUMNS, "polarity": EVENTS["p"] ^ True}
    assert column("events", both, "p").tolist() == EVENTS["p"].tolist()


def test_an_array_of_recordings_is_a_list_of_them() -> None:
    array = np.empty(2, object)
    array[0], array[1] = EVENTS, EVENTS[:3]
    assert is_recordings(array)
    expected = bin_events(list(array), SHAPE, STEPS, bin_time=10)
    np.testing.assert_array_equal(bin_events(array, SHAPE, STEPS, bin_time=10), expected)
    assert isinstance(as_recordings(array), list)
    assert as_recordings(EVENTS) is EVENTS
    assert not is_recordings(np.array([None, None]))


@pytest.mark.parametrize("value", [np.zeros(3), [1, 2], "txyp", None, 3, np.array([None])])
def test_what_is_no_recording(value: Any) -> None:
    assert not is_events(value)
    with pytest.raises(TypeError, match="events must be an array of events, not a "):
        column("events", value, "t")


@pytest.mark.parametrize(
    ("events", "error", "message"),
    [
        ({}, ValueError, r"must have the field 'p' \(or 'polarity' or 'on'\); it has none$"),
        ({**COLUMNS, "x": EVENTS["x"][:2]}, ValueError, "as many values in every field"),
        ({**COLUMNS, "t": EVENTS["t"][:2]}, ValueError, "as many times as places, not 2 and 4"),
        ({**COLUMNS, "x": EVENTS["x"][None]}, ValueError, r"a list of events, not of shape \(1, 4"),
        ({**COLUMNS, "p": [1, -1, 1, -1]}, ValueError, r"not -1 \(event 1\): pol.* with p > 0$"),
        ({**COLUMNS, "t": EVENTS["t"].astype("m8[us]")}, TypeError, r"with .astype\('int64'\)"),
        ({**COLUMNS, "y": ["0", "1", "2", "3"]}, TypeError, "field 'y' must be an array of numb"),
        ({**COLUMNS, "y": np.ma.masked_array(EVENTS["y"])}, TypeError, "must have no mask"),
        ({**COLUMNS, "x": [0.0, 1.0, 2.0, 3.0]}, TypeError, "'x' must be integers, not float64"),
    ],
)
def test_what_is_refused(events: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        bin_events([events], SHAPE, STEPS, bin_time=10)
