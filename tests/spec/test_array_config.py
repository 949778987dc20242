import re
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stablespike.spec.array import LIMITS, PRESETS, ArrayConfig, preset

OPTIONS = {"state", "synaptic_current", "convolution", "recurrence", "wide_weights"}


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_every_number_is_checked(name):
    low, high = LIMITS[name]
    for wrong in (low - 1, high + 1):
        message = rf"{name} must be .*from {low} to {high}, not {wrong}"
        with pytest.raises(ValueError, match=message):
            ArrayConfig(**{name: wrong})
    for wrong in (1.0, "4", None, True):
        message = f"{name} must be an integer, not {re.escape(repr(wrong))}"
        with pytest.raises(TypeError, match=message):
            ArrayConfig(**{name: wrong})


@pytest.mark.parametrize(
    "name", ["lanes", "window", "neuron_steps", "receive_bytes", "result_bytes"]
)
def test_powers_of_two(name):
    low, _high = LIMITS[name]
    wrong = low * 2 + low // 2 + 1
    with pytest.raises(ValueError, match=f"{name} must be a power of two from .*, not {wrong}"):
        ArrayConfig(**{name: wrong})


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_options_are_bools(name):
    with pytest.raises(TypeError, match=f"{name} must be True or False, not 1"):
        ArrayConfig(**{name: 1})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lanes": 32, "weight_rows": 16}, r"weight_rows must be at least lanes \(32\), not 16"),
        ({"weight_bits": 6}, "weight_bits must be 4 or 8, not 6"),
        ({"lanes": 8, "chain": 16}, r"chain must be at most lanes \(8\), not 16"),
        ({"lanes": 4, "row_beats": 8}, r"row_beats must be at most lanes \(4\), not 8"),
        ({"planes": 3}, "planes must be a power of two from 1 to 8, not 3"),
        ({"convolution": True, "planes": 2}, "planes must be 1 with convolution or .*, not 2"),
        ({"recurrence": True, "planes": 4}, "planes must be 1 with .* or recurrence, not 4"),
        (
            {"planes": 4, "acc_bits": 8, "weight_bits": 8},
            r"acc_bits must be more than weight_bits \(8\), not 8",
        ),
        (
            {"planes": 8, "acc_bits": 10},
            r"acc_bits must be at least weight_bits \+ planes - 1 \(11\), not 10",
        ),
        ({"chain": 3}, "chain must be a power of two from 1 to 16, not 3"),
        ({"banks": 2}, "banks must be 1 with convolution, without chained lanes, .*, not 2"),
        ({"chain": 4, "banks": 2, "row_beats": 2}, "banks must be 1 .* with rows in beats, .*"),
        ({"chain": 4, "banks": 2, "convolution": True}, "banks must be 1 with convolution, .*"),
        ({"lanes": 4, "chain": 4, "banks": 4}, "banks must be at most 2 for 4 lanes, not 4"),
        ({"row_beats": 16}, "row_beats must be a power of two from 1 to 8, not 16"),
        ({"window": 2, "neuron_steps": 4}, r"neuron_steps must be at most window \(2\), not 4"),
        (
            {"state_bits": 8, "fraction_bits": 5},
            r"fraction_bits must be at most state_bits - 4 \(4\), not 5",
        ),
        (
            {"weight_bits": 8, "acc_bits": 8},
            r"acc_bits must be more than weight_bits \(8\), not 8",
        ),
        ({"wide_weights": True}, "wide_weights must be False where convolution is, not True"),
        (
            {"convolution": True, "wide_weights": True, "weight_bits": 8},
            "wide_weights needs weight_bits of 4, not 8",
        ),
        (
            {"convolution": True, "lanes": 8, "row_beats": 4},
            "row_beats must be at most 2 for rows of 32 bits with convolution, not 4",
        ),
    ],
)
def test_fields_that_depend_on_each_other(changes, message):
    with pytest.raises(ValueError, match=message):
        ArrayConfig(**changes)


def test_limits_cover_the_numbers():
    assert {field.name for field in fields(ArrayConfig)} == set(LIMITS) | OPTIONS


def test_derived_sizes():
    config = ArrayConfig(cores=3, lanes=8, window=4, neuron_steps=2, neuron_groups=10)
    assert (config.slots, config.row_bits, config.row_chunks, config.passes) == (96, 32, 2, 2)
    assert ArrayConfig(lanes=4, window=1).row_chunks == 1


def test_presets():
    for name, config in PRESETS.items():
        assert preset(name) is config
    assert ArrayConfig(**PRESETS["icebreaker"].as_dict()) == PRESETS["icebreaker"]
    with pytest.raises(ValueError, match=r"array must be .* or one of \[.*'icebreaker'"):
        preset("icebreakr")


@given(st.data())
def test_all_allowed_numbers_make_an_array(data):
    powers = [1, 2, 4, 8, 16]
    window = data.draw(st.sampled_from(powers))
    weight_bits = data.draw(st.sampled_from([4, 8]))
    state_bits = data.draw(st.integers(*LIMITS["state_bits"]))
    config = ArrayConfig(
        lanes=data.draw(st.sampled_from([4, 8, 16, 32, 64])),
        window=window,
        neuron_steps=data.draw(st.sampled_from([p for p in powers if p <= window])),
        weight_bits=weight_bits,
        acc_bits=data.draw(st.integers(max(8, weight_bits + 1), 24)),
        state_bits=state_bits,
        fraction_bits=data.draw(st.integers(0, min(8, state_bits - 4))),
    )
    assert config.passes * config.neuron_steps == window
