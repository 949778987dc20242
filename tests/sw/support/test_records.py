"""Dataclasses there and back through JSON."""

import json
from dataclasses import asdict, dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses
from stablespike.support.records import from_plain


@dataclass(frozen=True)
class Inner:
    """A part."""

    pair: tuple[int | None, str]
    many: tuple[float, ...] = ()


@dataclass(frozen=True)
class Outer:
    """A whole."""

    name: str
    share: float | None
    flag: bool
    parts: tuple[Inner, ...]
    part: Inner | None = None


INNER = st.builds(
    Inner, st.tuples(st.none() | st.integers(), st.text()),
    st.lists(st.floats(allow_nan=False, allow_infinity=False)).map(tuple),
)


@given(st.builds(
    Outer, st.text(), st.none() | st.floats(0, 1), st.booleans(),
    st.lists(INNER).map(tuple), st.none() | INNER,
))
def test_there_and_back(made):
    assert from_plain(Outer, json.loads(json.dumps(asdict(made))), "it", {}) == made


GOOD = {"name": "a", "share": 0.5, "flag": True, "parts": [{"pair": [1, "x"]}]}


def test_what_may_be_left_out():
    made = from_plain(Outer, {**GOOD, "newer": 3, "share": 1}, "it", {})
    assert made == Outer("a", 1.0, True, (Inner((1, "x")),))
    assert isinstance(made.share, float)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"name": 3}, TypeError, "it.name must be of type str, not 3"),
        ({"share": "0.5"}, TypeError, "it.share must be of type float, not '0.5'"),
        ({"share": True}, TypeError, "it.share must be of type float, not True"),
        ({"share": float("inf")}, ValueError, "it.share must be finite, not inf"),
        ({"flag": 1}, TypeError, "it.flag must be of type bool, not 1"),
        ({"parts": {}}, TypeError, "it.parts must be a list, not {}"),
        ({"parts": [[]]}, TypeError, "it.parts[0] must be a dictionary, not []"),
        ({"parts": [{"pair": [1]}]}, ValueError, "it.parts[0].pair must have 2 entries, not 1"),
        ({"part": {"pair": [None, None]}}, TypeError, "it.part.pair[1] must be of type str"),
        ({"part": {}}, KeyError, "it.part.pair"),
    ],
)
def test_the_first_value_that_is_wrong_is_named(changes, error, message):
    with refuses(error, message):
        from_plain(Outer, {**GOOD, **changes}, "it", {})


def test_types_that_are_read_in_a_way_of_their_own():
    assert from_plain(int | None, "7", "it", {int: int}) == 7
