import pytest
from hypothesis import given
from hypothesis import strategies as st
from stablespike.spec.array import LIMITS, PRESETS, ArrayConfig
from stablespike.spec.task import LAYER_BITS, TASK_WORD_BITS, Reset, task_layout

CONFIGS = [
    ArrayConfig(),
    *PRESETS.values(),
    ArrayConfig(weight_rows=1 << 20, spike_rows=4096, neuron_groups=1023, lanes=64),
    ArrayConfig(lanes=4, spike_rows=4, neuron_groups=1, weight_rows=16, state_bits=8),
    ArrayConfig(convolution=True),
    ArrayConfig(planes=8),
    ArrayConfig(
        weight_rows=1 << 20, spike_rows=4096, neuron_groups=1023, state_groups=4096, lanes=64,
        convolution=True, recurrence=True, wide_weights=True,
    ),
    ArrayConfig(
        lanes=4, spike_rows=4, neuron_groups=1, state_groups=1, weight_rows=16, convolution=True
    ),
]


def names(layout):
    return [field.name for word in layout.words for field in word.fields]


@pytest.mark.parametrize("config", CONFIGS)
@given(data=st.data())
def test_a_task_comes_back_as_it_was(config, data):
    layout = task_layout(config)
    values = {
        field.name: data.draw(st.integers(field.minimum, field.maximum))
        for word in layout.words
        for field in word.fields
    }
    words = layout.pack(values)
    assert len(words) == layout.stride
    assert all(0 <= word < 1 << TASK_WORD_BITS for word in words)
    assert layout.unpack(words) == values


@pytest.mark.parametrize("config", CONFIGS)
def test_words_and_stride(config):
    layout = task_layout(config)
    assert all(word.width <= TASK_WORD_BITS for word in layout.words)
    assert len(layout.words) <= layout.stride < 2 * len(layout.words)
    assert len(set(names(layout))) == len(names(layout))


def test_synapse_fields_only_with_the_option():
    with_option, without = (
        names(task_layout(ArrayConfig(synaptic_current=on))) for on in (True, False)
    )
    assert {n for n in with_option if n.startswith("synapse")} == {
        "synapse_a", "synapse_a_on", "synapse_c", "synapse_c_on", "synapse_add", "synapse_on",
    }
    assert set(with_option) - set(without) == {n for n in with_option if n.startswith("synapse")}


@pytest.mark.parametrize("config", CONFIGS)
def test_fields_hold_what_the_array_has(config):
    fields = {f.name: f for word in task_layout(config).words for f in word.fields}
    assert fields["wait"].maximum >= 2 * config.spike_rows
    assert fields["source"].maximum >= config.spike_rows - 1
    assert fields["groups"].maximum >= config.neuron_groups
    if config.convolution:
        words = config.spike_rows * config.lanes
        assert fields["weights"].maximum >= config.weight_rows - 1
        for name in ("line", "width", "span", "step_x", "step_line", "first_line"):
            assert fields[name].maximum >= words
        assert fields["first_x"].minimum <= -words
        assert fields["gap"].maximum >= config.spike_rows - 1
    else:
        assert fields["rows"].maximum >= config.spike_rows
        assert fields["weights"].maximum >= config.weight_rows // config.lanes - 1
    assert fields["lanes_last"].maximum >= config.lanes
    assert fields["v_init"].minimum == -(1 << (config.state_bits - 1))
    assert fields["reset"].maximum >= max(Reset)
    assert fields["parameters"].maximum >= config.neuron_groups - 1
    assert fields["state"].maximum >= config.state_groups - 1


def test_missing_unknown_and_too_large_values():
    layout = task_layout(ArrayConfig())
    values = dict.fromkeys(names(layout), 0)
    with pytest.raises(ValueError, match="a task has the fields"):
        layout.pack({**values, "speed": 1})
    del values["last"]
    with pytest.raises(ValueError, match="a task has the fields"):
        layout.pack(values)
    with pytest.raises(ValueError, match="last must be from 0 to 1, not 2"):
        layout.pack({**values, "last": 2})


def test_every_task_of_the_longest_list_has_a_number():
    assert LIMITS["tasks"][1] <= 1 << LAYER_BITS


def test_fields_of_maps_only_with_the_option():
    with_option, without = (
        set(names(task_layout(ArrayConfig(convolution=on)))) for on in (True, False)
    )
    assert with_option - without == {
        "line", "width", "span", "height", "kernel_rows", "first_x", "first_y", "first_line",
        "step_x", "step_y", "step_line", "columns", "lines", "pool", "gap", "stateless",
        "start_x", "start_columns", "cells",
    }
    assert without - with_option == {"rows"}
