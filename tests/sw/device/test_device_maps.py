"""Convolutions from the compiler to the result: what a program's tasks say is what golden says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from array_model import packet
from board_model import Board, board_device, same
from device_programs import golden
from random_networks import random_maps, random_network, random_samples
from stablespike.device.open import LinkDevice
from stablespike.spec.report import ReportKind

ARRAY = ss.ArrayConfig(
    cores=3, lanes=4, window=4, weight_bits=8, acc_bits=24, weight_rows=1 << 14, spike_rows=512,
    neuron_groups=64, state_groups=1024, result_bytes=8192, convolution=True, recurrence=True,
)
WIDE = replace(ARRAY, weight_bits=4, wide_weights=True)


def interpreted(program: ss.Program, shuffle: int = 0) -> tuple[LinkDevice, Board]:
    """A device that does what the tasks of the program say."""
    device, board, _ = board_device(
        program, board=Board(program, interpret=True, shuffle=shuffle)
    )
    device.load(program)
    return device, board


@pytest.mark.parametrize("seed", range(100))
def test_the_same_integers_as_golden(seed: int) -> None:
    rng = np.random.default_rng(seed)
    array = replace(
        (ARRAY, WIDE)[seed % 2], cores=int(rng.integers(1, 7)), lanes=int(rng.choice([4, 8])),
        window=int(rng.choice([1, 2, 4, 8])),
    )
    network = random_maps(rng, pixel_bits=array.window)
    steps = int(rng.integers(1, 7))
    program = ss.compile(network, array, steps)
    samples = random_samples(rng, network, 2, steps)
    device, _ = interpreted(program, seed + 1)
    carry, reference = bool(rng.random() < 0.3), golden(program)
    for trace in (True, False):
        same(
            device.run(samples, trace=trace, carry_state=carry),
            reference.run(samples, trace=trace, carry_state=carry),
        )


@pytest.mark.parametrize("convolution", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_dense_networks_on_arrays_with_convolution_and_without(seed, convolution) -> None:
    rng = np.random.default_rng(seed)
    recurrence = convolution or seed % 2 == 0
    array = replace(
        ARRAY, cores=int(rng.integers(1, 5)), convolution=convolution, recurrence=recurrence
    )
    network = random_network(rng, width=(1, 30), pixel_bits=4, recurrent=recurrence)
    steps = int(rng.integers(1, 9))
    program = ss.compile(network, array, steps)
    samples = random_samples(rng, network, 2, steps)
    device, _ = interpreted(program, seed + 1)
    same(device.run(samples, trace=True), golden(program).run(samples, trace=True))


def one_layer(shape: tuple[int, int, int], channels: int, **options: Any) -> ss.Network:
    """A convolution that is read out."""
    rng = np.random.default_rng(3)
    layer = ss.Conv2d(
        rng.integers(-3, 8, (channels, shape[0], 3, 3)), padding=1,
        neuron=ss.Neuron(threshold=90, leak=(1, None)), **options,
    )
    return ss.Network(ss.SpikeInput(shape), [layer], "membrane")


def spikes(network: ss.Network, batch: int, steps: int) -> Any:
    return np.random.default_rng(4).random((batch, steps, *network.input.shape)) < 0.3


def test_traces_are_maps() -> None:
    network = one_layer((2, 5, 6), 6, pool_after=ss.MaxPool2d(2))
    program = ss.compile(network, ARRAY, 8)
    device, _ = interpreted(program)
    result = device.run(spikes(network, 2, 8), trace=True)
    assert result.trace[0].shape == result.skeleton[0].shape == (2, 8, 6, 5, 6)
    assert result.readout.shape == (2, 6 * 5 * 6)
    same(result, golden(program).run(spikes(network, 2, 8), trace=True))


def test_more_packets_than_numbers() -> None:
    """Their numbers are modulo 1024."""
    network = replace(one_layer((1, 33, 33), 4, pool_after=ss.MaxPool2d(2)), readout="words")
    array = replace(ARRAY, cores=1, spike_rows=1024, state_groups=4096)
    program = ss.compile(network, array, 2)
    device, _ = interpreted(program)
    samples = spikes(network, 1, 2)
    same(device.run(samples, trace=True), golden(program).run(samples, trace=True))


def test_a_stream_of_maps() -> None:
    network = one_layer((3, 4, 5), 5, pool_after=ss.MaxPool2d(2))
    program = ss.compile(network, ARRAY, 4)
    whole = golden(ss.compile(network, ARRAY, 12)).run(spikes(network, 1, 12))
    device, _ = interpreted(program)
    with device.stream() as live:
        for at in (0, 4, 8):
            live.send(spikes(network, 1, 12)[0, at : at + 4])
        *_, last = live.results()
    np.testing.assert_array_equal(last.readout, whole.readout)


def test_membranes_without_room_are_not_carried() -> None:
    network = one_layer((1, 6, 6), 6)
    program = ss.compile(network, replace(ARRAY, cores=1, state_groups=71), 4)
    samples = spikes(network, 2, 4)
    for device in (golden(program), interpreted(program)[0]):
        same(device.run(samples), golden(program).run(samples))
        with pytest.raises(ValueError, match="state groups: 72 needed, 71 there; compile"):
            device.run(samples, carry_state=True)
        with pytest.raises(ValueError, match="state groups: 72 needed, 71 there; compile"):
            device.stream()
    with pytest.raises(ss.DoesNotFit, match="state groups: 72 needed, 71 there"):
        ss.compile(network, program.config, 5)


def test_packets_out_of_turn() -> None:
    network = one_layer((1, 4, 4), 4)
    program = ss.compile(network, replace(ARRAY, cores=1), 4)
    device, board = interpreted(program)
    keep = board.change

    def swapped(packets: list[list[bytes]]) -> list[list[bytes]]:
        packets[0][:2] = packets[0][1::-1]
        return packets

    def doubled(packets: list[list[bytes]]) -> list[list[bytes]]:
        packets[0].insert(16, packet(ReportKind.MEMBRANE, 0, 16, 0, [0] * 4))
        return packets

    for change, message in (
        (swapped, "MEMBRANE of layer 0, group 1, core 0: group 0 comes next"),
        (doubled, "MEMBRANE of layer 0, group 16, core 0: there are 16 groups"),
    ):
        board.change = change
        with pytest.raises(ss.LinkError, match=message):
            device.run(spikes(network, 1, 4))
    board.change = keep
    same(device.run(spikes(network, 1, 4)), golden(program).run(spikes(network, 1, 4)))


def test_cores_of_the_same_positions_that_disagree() -> None:
    """Four cores, two for the channels by two for the positions: only those of the same agree."""
    network = one_layer((1, 6, 6), 8)
    program = ss.compile(network, replace(ARRAY, cores=4), 4)
    firsts = [(tile.first_group, tile.first_cell) for tile in program.tiles[0]]
    assert firsts == [(0, 0), (1, 0), (0, 18), (1, 18)]
    device, board = interpreted(program)
    samples = np.zeros((1, 4, 1, 6, 6), dtype=bool)
    samples[0, :, 0, 0] = True  # events for the upper cores only
    result = device.run(samples)
    same(result, golden(program).run(samples))
    assert result.layer_counters["lower_bound"][0, 0] == result.layer_counters["events"][0, 0]

    def change(packets: list[list[bytes]]) -> list[list[bytes]]:
        at = next(i for i, p in enumerate(packets[1]) if p[0] & 7 == ReportKind.COUNTERS)
        packets[1][at] = packets[1][at][:4] + b"\x63\x00" + packets[1][at][6:]
        return packets

    board.change = change
    with pytest.raises(ss.LinkError, match="counted other events on one core than on another"):
        device.run(samples)
