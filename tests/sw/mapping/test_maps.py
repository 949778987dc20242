"""Maps: the layout of their words, their rows, and where they are."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import stablespike as ss
from hypothesis import given
from hypothesis import strategies as st
from stablespike.mapping.frames import computed_network
from stablespike.mapping.maps import Map, Maps, input_map, written_map

NEURON = ss.Neuron(threshold=1)


@given(
    channels=st.integers(1, 20), height=st.integers(1, 5), width=st.integers(1, 5),
    lanes=st.sampled_from([4, 8]), packed=st.booleans(), each=st.sampled_from([1, 2]),
    batch=st.integers(1, 3),
)
def test_words_are_stored_by_height_width_channel(
    channels: int, height: int, width: int, lanes: int, packed: bool, each: int, batch: int
) -> None:
    if packed:
        layout, each = Map(channels, height, width, channels), 1
    else:
        layout = written_map((channels, height, width), lanes, each)
    values = np.arange(1, 1 + batch * channels * height * width).reshape(batch, -1)
    spread = layout.spread(values)
    assert spread.shape == (batch, layout.words)
    maps = values.reshape(batch, channels, height, width)
    for y in range(height):
        for x in range(width):
            position = spread[:, (y * width + x) * layout.pitch :][:, : layout.pitch]
            own = [c * each + each - 1 for c in range(channels)]
            assert (position[:, own] == maps[:, :, y, x]).all()
            assert np.count_nonzero(position) == batch * channels
    assert (layout.gathered(spread) == values).all()
    assert layout.rows(lanes) == -(-layout.words // lanes)


def test_what_a_layer_writes_has_whole_rows_at_each_position() -> None:
    layout = written_map((5, 3, 2), 4)
    assert (layout.pitch, layout.words, layout.rows(4)) == (8, 48, 12)
    dense = written_map((5,), 4)
    assert (dense.height, dense.width, dense.rows(4)) == (1, 1, 2)


def test_the_input_is_packed_for_a_convolution_and_as_it_comes_for_a_dense_layer() -> None:
    shape, weight = (3, 4, 5), np.ones((2, 3, 2, 2))
    maps = ss.Network(ss.SpikeInput(shape), [ss.Conv2d(weight, neuron=NEURON)])
    flat = ss.Network(ss.SpikeInput(shape), [ss.Dense(np.ones((2, 60)), neuron=NEURON)])
    values = np.arange(60)
    moved = np.moveaxis(values.reshape(shape), 0, 2).reshape(-1)
    assert (input_map(maps, 8).spread(values) == moved).all()
    assert (input_map(flat, 8).spread(values) == values).all()


def test_each_plane_of_the_input_has_rows_of_its_own() -> None:
    network = ss.Network(ss.FrameInput((5,), bits=3), [ss.Dense(np.ones((2, 5)), neuron=NEURON)])
    layout = input_map(computed_network(network, "planes", 2), 4)
    assert (layout.planes, layout.rows(4)) == (4, 8)  # two of them for the third bit
    spread = layout.spread(np.arange(1, 21)).reshape(4, 8)
    assert (spread[:, :5].reshape(-1) == np.arange(1, 21)).all()
    assert not spread[:, 5:].any()


def test_channels_on_pairs_of_lanes_are_on_the_second_ones() -> None:
    layout = written_map((3,), 4, 2)
    assert layout.rows(4) == 2
    assert layout.spread(np.array([1, 2, 3])).tolist() == [0, 1, 0, 2, 0, 3, 0, 0]


def test_recurrent_maps_are_there_twice_for_each_run() -> None:
    def layer(inputs: int, emit: str = "spikes", outputs: int = 6) -> ss.Dense:
        back = np.ones((outputs, outputs))
        return ss.Dense(np.ones((outputs, inputs)), neuron=NEURON, recurrent=back, emit=emit)

    network = ss.Network(
        ss.SpikeInput((4,)), [layer(4), layer(6, "skeleton"), layer(6, "both"), layer(6)]
    )
    maps = Maps(network, ss.ArrayConfig(lanes=4))
    # A row of input, twice; of every layer two rows, twice; two addresses for skeletons; then the
    # last layer's run on the skeleton.
    assert maps.recurrent_spikes == [2, 6, 10, 14, 22]
    assert (maps.spikes, maps.skeleton) == ([0, 2, 6, 10], [0, 18, 20, 18])
    assert (maps.recurrent_rows(0), maps.total) == (2, 26)


def test_every_other_map_is_at_the_same_address() -> None:
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
def test_maps_are_behind_one_another(emits, spikes, skeleton, total) -> None:
    layers = [
        ss.Conv2d(np.ones((5, 1, 2, 2)), neuron=NEURON, emit=emits[0]),
        ss.Dense(np.ones((6, 30)), neuron=NEURON, emit=emits[1]),
        ss.Dense(np.ones((2, 6)), neuron=NEURON),
    ]
    network = ss.Network(ss.SpikeInput((1, 3, 4)), layers)
    maps = Maps(network, ss.ArrayConfig(lanes=4))
    assert (maps.inputs, maps.total) == (3, total)
    assert (maps.spikes, maps.skeleton) == (spikes, skeleton)
