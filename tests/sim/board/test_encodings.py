"""Windows in each encoding, and with half words, on a simulated board."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import stablespike as ss
from agreement import agree
from stablespike.device.open import Device
from stablespike.device.windows import Batch, encode_windows
from stablespike.mapping.maps import input_map
from stablespike.spec.encoding import encodings

ARRAY = ss.ArrayConfig(
    lanes=16, window=8, neuron_steps=4, chain=4, row_beats=2, weight_rows=2048, spike_rows=128,
    neuron_groups=8, state_groups=128, tasks=8, synaptic_current=False, convolution=True,
)
SHAPE = (2, 12, 12)


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    with ss.open_device("sim:", array=ARRAY) as device:
        yield device


def compiled(source: ss.SpikeInput | ss.PixelInput, threshold: int) -> ss.Program:
    rng = np.random.default_rng(0)
    neuron = ss.Neuron(threshold=threshold, leak=(2, None))
    layers = [
        ss.Conv2d(rng.integers(-7, 8, (8, 2, 3, 3)), stride=2, neuron=neuron),
        ss.Dense(rng.integers(-7, 8, (10, 8 * 5 * 5)), neuron=ss.Neuron(threshold=9)),
    ]
    return ss.compile(ss.Network(source, layers), ARRAY, 20)


@pytest.mark.parametrize("bits", [4, 8, 3])
def test_pixels(device: Device, bits: int) -> None:
    program = compiled(ss.PixelInput(SHAPE, bits), 3 << bits)
    assert program.half_words == (bits <= 4)
    rng = np.random.default_rng(bits)
    density = np.array([0, 0.02, 0.3, 1]).reshape(4, 1, 1, 1)
    agree(device, program, rng.integers(0, 1 << bits, (4, *SHAPE)) * (rng.random(SHAPE) < density))


def test_spikes(device: Device) -> None:
    program = compiled(ss.SpikeInput(SHAPE), 5)
    rng = np.random.default_rng(0)
    density = np.array([0.001, 0.03, 0.5]).reshape(3, 1, 1, 1, 1)
    samples = rng.random((3, program.steps, *SHAPE)) < density
    values, lengths = samples.reshape(3, program.steps, -1), np.full(3, program.steps)
    words = Batch(values, lengths, np.ones(3, bool)).words(8)
    layout = input_map(program.network, program.config.lanes).spread(words)
    chosen = set(encode_windows(layout.reshape(9, -1), ARRAY).encodings.tolist())
    assert chosen == set(encodings(ARRAY))
    agree(device, program, samples)
