"""What users pass becomes exact integers, or an error that names the value and what is allowed."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, dataclass, field
from typing import Any

import numpy as np
import pytest
from refusals import refuses
from stablespike.support.immutable import Equal, checked_shape, put
from stablespike.support.values import (
    as_array,
    exact_choice,
    exact_floats,
    exact_int,
    exact_integers,
    positive,
    signed_bits,
    signed_range,
)


@pytest.mark.parametrize("bits", [1, 2, 8, 24])
def test_ranges_of_signed_numbers(bits: int) -> None:
    low, high = signed_range(bits)
    assert high - low == (1 << bits) - 1
    assert signed_bits(low, high) == bits
    assert signed_bits(low - 1, high) == signed_bits(low, high + 1) == bits + 1


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3)])
def test_integers_of_any_type_are_taken(value: Any) -> None:
    number = exact_int("x", value, 0, 7)
    assert number == 3
    assert type(number) is int


@pytest.mark.parametrize(
    ("value", "error"), [(True, TypeError), (3.0, TypeError), ("3", TypeError), (8, ValueError)]
)
def test_other_values_are_refused(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=rf"^x must .*from 0 to 7, not {re.escape(repr(value))}$"):
        exact_int("x", value, 0, 7)


def test_choices() -> None:
    assert exact_choice("reset", "zero", ("zero", "none")) == "zero"
    with pytest.raises(ValueError, match="reset must be one of 'zero', 'none', not 'no'"):
        exact_choice("reset", "no", ("zero", "none"))


@pytest.mark.parametrize(
    "value", [0, -1.5, float("inf"), float("nan"), True, "1", pytest.param(10**400, id="huge")]
)
def test_what_is_not_positive(value: Any) -> None:
    assert positive("scale", 1) == 1.0
    with pytest.raises(ValueError, match="scale must be a positive finite number, not"):
        positive("scale", value)


def test_arrays_are_copied_and_cannot_be_written() -> None:
    given = np.array([[1, 2]], dtype=np.int8)
    array = exact_integers("weight", given, -8, 7)
    given[0, 0] = 5
    assert array.tolist() == [[1, 2]]
    assert array.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 3
    for value in ([[1.0, 2.0]], [[True, False]]):
        assert exact_integers("weight", value, -8, 7).tolist() == [[int(i) for i in value[0]]]


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ([[1, 9]], ValueError, r"from -8 to 7, not 9 \(at \[0, 1\]\)"),
        (0.5, ValueError, r"whole numbers from -8 to 7, not 0\.5$"),
        ([[1], [1, 2]], ValueError, "not a ragged list"),
        ([1j], TypeError, "array of integers, not of complex128"),
        (np.ma.masked_array([1], mask=True), TypeError, r"no mask: .*\.filled"),
    ],
)
def test_elements_that_are_refused(value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^weight must .*{message}"):
        exact_integers("weight", value, -8, 7)


def test_tensors() -> None:
    torch = pytest.importorskip("torch")
    assert as_array("x", torch.ones(2, requires_grad=True)).tolist() == [1.0, 1.0]


def test_shapes() -> None:
    assert checked_shape("shape", [2, np.int8(3)]) == (2, 3)
    for value in ((), 3, "2"):
        with pytest.raises(TypeError, match="shape must be a tuple of at least one size, not"):
            checked_shape("shape", value)
    with pytest.raises(ValueError, match=r"shape\[1\] must be from 1 to \d+, not 0"):
        checked_shape("shape", (1, 0))


@dataclass(frozen=True, eq=False)
class Pair(Equal):
    values: Any
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        put(self, values=exact_integers("values", self.values, 0, 9))


def test_objects_with_arrays_are_equal_by_content() -> None:
    assert Pair([1, 2]) == Pair(np.array([1, 2]), "another name")
    assert Pair([1, 2]) != Pair([1, 3])
    assert Pair([1, 2]) != (1, 2)
    with pytest.raises(TypeError, match="unhashable"):
        hash(Pair([1]))
    with pytest.raises(FrozenInstanceError):
        Pair([1]).values = 3  # type: ignore[misc]


def test_exact_floats() -> None:
    for value in ([1, -(1 << 53), 1 << 53], np.float16([0.1, 65504]), np.float32([0.1]), [True]):
        found = exact_floats("x", value)
        assert found.dtype == np.float64
        assert (found == np.asarray(value)).all()
    for bad in ([1 << 53, (1 << 53) + 1], np.array([0, (1 << 63) + 2], np.uint64)):
        with refuses(ValueError, "x must be from", "exact in float64, not", f"{bad[1]} (at [1])"):
            exact_floats("x", bad)
    with refuses(ValueError, "x must be finite numbers", "not nan: leave it out"):
        exact_floats("x", np.nan, "leave it out")
    if np.finfo(np.longdouble).nmant > 52:
        longer = np.longdouble(1) + np.finfo(np.longdouble).eps
        with refuses(ValueError, "x must be finite numbers, each exact in float64"):
            exact_floats("x", longer)
