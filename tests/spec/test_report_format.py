"""Report packets: their heads, places and counters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stablespike.spec.array import PRESETS, ArrayConfig
from stablespike.spec.report import (
    HEAD,
    PLACE,
    ReportKind,
    counter_fields,
    counter_values,
    counter_words,
)

CONFIGS = [*PRESETS.values(), ArrayConfig(lanes=64, window=16, weight_rows=1 << 20)]
CONFIGS.append(
    ArrayConfig(
        lanes=64, window=16, spike_rows=4096, neuron_groups=1023, state_groups=4096,
        convolution=True,
    )
)


@pytest.mark.parametrize("config", CONFIGS)
def test_packets_fit_their_heads(config: ArrayConfig) -> None:
    assert HEAD.width == PLACE.width == 16
    sizes = {field.name: field for field in HEAD.fields}
    assert sizes["kind"].maximum >= max(ReportKind)
    longest = max(config.row_chunks, config.lanes, sum(n for _, n in counter_words(config)))
    assert sizes["length"].maximum >= longest


@given(data=st.data(), config=st.sampled_from(CONFIGS))
def test_counters_come_back(data: st.DataObject, config: ArrayConfig) -> None:
    values = {f.name: data.draw(st.integers(0, f.maximum)) for f in counter_fields(config)}
    words = [
        values[name] >> (16 * i) & 0xFFFF
        for name, count in counter_words(config) for i in range(count)
    ]
    assert counter_values(words, config) == values


@pytest.mark.parametrize("length", [0, 8, 10])
def test_packets_of_another_length_are_refused(length: int) -> None:
    with pytest.raises(ValueError, match=f"a counter packet has 9 words, not {length}"):
        counter_values([0] * length, PRESETS["icebreaker"])
