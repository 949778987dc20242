"""Maps: the order of their words, their rows, and where they lie."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import stablespike as ss
from hypothesis import given
from hypothesis import strategies as st
from stablespike.mapping.maps import Map, Maps, input_map, written_map

NEURON = ss.Neuron(threshold=1)


@given(
    channels=st.integers(1, 20), height=st.integers(1, 5), width=st.integers(1, 5),
    lanes=st.sampled_from([4, 8]), packed=st.booleans(), each=st.sampled_from([1, 2]),
    batch=st.integers(1, 3),
)
def test_words_lie_height_width_channel(
    channels: int, height: int, width: int, lanes: int, packed: bool, each: int, batch: int
) -> None:
    lying = written_map((channels, height, width), lanes, each)
    if packed:
        lying, each = Map(channels, height, width, channels), 1
    values = np.arange(1, 1 + batch * channels * height * width).reshape(batch, -1)
    spread = lying.spread(values)
    assert spread.shape == (batch, lying.words)
    maps = values.reshape(batch, channels, height, width)
    for y in range(height):
        for x in range(width):
            place = spread[:, (y * width + x) * lying.pitch :][:, : lying.pitch]
            mine = [c * each + each - 1 for c in range(channels)]
            assert (place[:, mine] == maps[:, :, y, x]).all()
            assert np.count_nonzero(place) == batch * channels
    assert (lying.gathered(spread) == values).all()
    assert lying.rows(lanes) == -(-lying.words // lanes)


def test_what_a_layer_writes_has_whole_rows_at_each_place() -> None:
    lying = written_map((5, 3, 2), 4)
    assert (lying.pitch, lying.words, lying.rows(4)) == (8, 48, 12)
    dense = written_map((5,), 4)
    assert (dense.height, dense.width, dense.rows(4)) == (1, 1, 2)


def test_the_input_is_packed_for_a_convolution_and_as_it_comes_for_a_dense_layer() -> None:
    shape, weight = (3, 4, 5), np.ones((2, 3, 2, 2))
    maps = ss.Network(ss.SpikeInput(shape), [ss.Conv2d(weight, neuron=NEURON)])
    flat = ss.Network(ss.SpikeInput(shape), [ss.Dense(np.ones((2, 60)), neuron=NEURON)])
    values = np.arange(60)
    moved = np.moveaxis(values.reshape(shape), 0, 2).reshape(-1)
    assert (input_map(maps).spread(values) == moved).all()
    assert (input_map(flat).spread(values) == values).all()


def test_channels_on_pairs_of_lanes_lie_on_the_second_ones() -> None:
    lying = written_map((3,), 4, 2)
    assert lying.rows(4) == 2
    assert lying.spread(np.array([1, 2, 3])).tolist() == [0, 1, 0, 2, 0, 3, 0, 0]


def test_own_spikes_lie_twice_for_each_run() -> None:
    def layer(inputs: int, emit: str = "spikes", outputs: int = 6) -> ss.Dense:
        back = np.ones((outputs, outputs))
        return ss.Dense(np.ones((outputs, inputs)), neuron=NEURON, recurrent=back, emit=emit)

    network = ss.Network(
        ss.SpikeInput((4,)), [layer(4), layer(6, "skeleton"), layer(6, "both"), layer(6)]
    )
    maps = Maps(network, ss.ArrayConfig(lanes=4))
    # A row of input, twice; of every layer two rows, twice; two places for skeletons; the last run.
    assert maps.recurrent_spikes == [2, 6, 10, 14, 22]
    assert (maps.spikes, maps.skeleton) == ([0, 2, 6, 10], [0, 18, 20, 18])
    assert (maps.recurrent_rows(0), maps.total) == (2, 26)


def test_every_other_map_lies_in_the_same_place() -> None:
    sizes = [8, 20, 12, 9, 40, 3]
    layers = [
        ss.Dense(np.ones((outputs, inputs)), neuron=NEURON) for inputs, outputs in pairwise(sizes)
    ]
    maps = Maps(ss.Network(ss.SpikeInput((8,)), layers), ss.ArrayConfig(lanes=4))
    assert (maps.inputs, maps.spikes, maps.total) == (2, [0, 4, 9, 4, 9], 19)


@pytest.mark.parametrize(
    ("emits", "spikes", "skeleton", "total"),
    [
        # The input takes 3 rows, twice; the maps between take 2 * 3 * 2 and 2.
        (("spikes", "spikes"), [0, 6, 18], [0, 18, 20], 20),
        (("skeleton", "spikes"), [0, 6, 18], [0, 6, 20], 20),
        (("spikes", "both"), [0, 6, 18], [0, 18, 20], 22),
    ],
)
def test_maps_lie_behind_one_another(emits, spikes, skeleton, total) -> None:
    layers = [
        ss.Conv2d(np.ones((5, 1, 2, 2)), neuron=NEURON, emit=emits[0]),
        ss.Dense(np.ones((6, 30)), neuron=NEURON, emit=emits[1]),
        ss.Dense(np.ones((2, 6)), neuron=NEURON),
    ]
    network = ss.Network(ss.SpikeInput((1, 3, 4)), layers)
    maps = Maps(network, ss.ArrayConfig(lanes=4))
    assert (maps.inputs, maps.total) == (3, total)
    assert (maps.spikes, maps.skeleton) == (spikes, skeleton)
