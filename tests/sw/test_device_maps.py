"""Convolutions from the compiler to the result: what a program's tasks say is what golden says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import stablespike as ss
from board_model import Board, board_device, same
from device_programs import golden
from random_networks import random_maps, random_samples
from stablespike.device import LinkDevice

ARRAY = ss.ArrayConfig(
    cores=3, lanes=4, window=4, weight_bits=8, acc_bits=24, weight_rows=1 << 14, spike_rows=512,
    neuron_groups=64, state_groups=1024, result_bytes=8192, convolution=True,
)


def interpreted(program: ss.Program, shuffle: int = 0) -> tuple[LinkDevice, Board]:
    """A device that does what the tasks of the program say."""
    device, board, _ = board_device(
        program, board=Board(program, interpret=True, shuffle=shuffle)
    )
    device.load(program)
    return device, board


@pytest.mark.parametrize("seed", range(60))
def test_the_same_integers_as_golden(seed: int) -> None:
    rng = np.random.default_rng(seed)
    array = replace(
        ARRAY, cores=int(rng.integers(1, 7)), lanes=int(rng.choice([4, 8])),
        window=int(rng.choice([1, 2, 4, 8])),
    )
    network = random_maps(rng, pixel_bits=array.window, recurrent=False)
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
