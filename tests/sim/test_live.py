"""Live mode on the simulated board: windows as they come, with pauses on both sides."""

from __future__ import annotations

import time

import numpy as np
import pytest
import stablespike as ss
from test_random_maps import ARRAYS

ARRAY = ARRAYS["1x4 T4 R2"]
WINDOW = ARRAY.window
STEPS = 41
BIN_SECONDS = 0.01
FASTER = 10


def network(readout: str) -> ss.Network:
    rng = np.random.default_rng(5)

    def weights(*shape: int) -> np.ndarray:
        return rng.integers(-8, 8, shape)

    neuron = ss.Neuron(leak=(3, None), threshold=200, reset="subtract")
    return ss.Network(
        ss.SpikeInput((2, 9, 9)),
        [
            ss.Conv2d(weights(6, 2, 3, 3), padding=1, neuron=neuron, pool_after=ss.MaxPool2d(2)),
            ss.Conv2d(weights(10, 6, 3, 3), neuron=neuron),
            ss.Dense(weights(5, 40), neuron=neuron),
        ],
        readout,
    )


@pytest.mark.parametrize("readout", ["counts", "membrane"])
def test_a_recording_in_windows_is_the_recording_in_one_piece(readout: str) -> None:
    """Ten times as fast as it was recorded, with pauses of either side: nothing is dropped."""
    rng = np.random.default_rng(0)
    recording = rng.random((1, STEPS, 2, 9, 9)) < 0.15
    program = ss.compile(network(readout), ARRAY, STEPS)
    with ss.open_device("sim:", array=ARRAY) as device:
        device.load(program)
        whole = device.run(recording)
        parts = []
        with device.stream() as live:
            began = time.monotonic()
            for first in range(0, STEPS, WINDOW):
                window = recording[0, first : first + WINDOW]
                due = (first + len(window)) * BIN_SECONDS / FASTER
                time.sleep(max(0.0, began + due - time.monotonic()))
                live.send(window)
                if rng.random() < 0.3:
                    time.sleep(0.01 * rng.random())
                    parts += list(live.results(wait=False))
            parts += list(live.results())
    assert len(parts) == -(-STEPS // WINDOW)
    readouts = np.stack([part.readout[0] for part in parts])
    last = readouts.sum(axis=0) if readout == "counts" else readouts[-1]
    assert np.array_equal(last, whole.readout[0])
    for name in ("spikes", "stable"):
        layers = sum(getattr(part, name)[0] for part in parts)
        assert np.array_equal(layers, getattr(whole, name)[0])
    assert whole.spikes.min() > 0, "a layer was silent"
