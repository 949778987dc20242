import pytest
from hypothesis import given
from hypothesis import strategies as st
from stablespike.spec.report import COUNTERS, HEAD, PLACE, ReportKind, counter_values
from stablespike.spec.task import LAYER_BITS


def test_heads_are_words():
    assert HEAD.width == PLACE.width == 16
    sizes = {field.name: field for field in HEAD.fields}
    assert sizes["kind"].maximum >= max(ReportKind)
    assert sizes["layer"].width == LAYER_BITS
    assert sizes["length"].maximum >= 2 * len(COUNTERS)


@given(st.lists(st.integers(0, 2**32 - 1), min_size=len(COUNTERS), max_size=len(COUNTERS)))
def test_counters_are_low_and_high_words(values):
    words = [half for value in values for half in (value & 0xFFFF, value >> 16)]
    assert list(counter_values(words).values()) == values
    assert tuple(counter_values(words)) == COUNTERS


@pytest.mark.parametrize("length", [0, 1, 2 * len(COUNTERS) - 1, 2 * len(COUNTERS) + 2])
def test_a_packet_of_another_length(length):
    message = f"a counter packet has {2 * len(COUNTERS)} words, not {length}"
    with pytest.raises(ValueError, match=message):
        counter_values([0] * length)
