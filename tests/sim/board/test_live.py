"""Live mode on the simulated board, with pauses of the sender and of the receiver."""

from __future__ import annotations

import time

import numpy as np
import pytest
import stablespike as ss
from test_random_maps import ARRAYS

ARRAY = ARRAYS["1x4 T4 R2"]
WINDOW = ARRAY.window
STEPS = 401
BIN = 10_000  # microseconds
FASTER = 10
FIELDS = [("t", "i8"), ("x", "i2"), ("y", "i2"), ("p", "?")]


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


def recorded(rng: np.random.Generator) -> np.ndarray:
    """Events of a bar that moves back and forth, and noise."""
    count = 9 * STEPS
    events = np.zeros(count, dtype=FIELDS)
    events["t"] = np.sort(rng.integers(0, STEPS * BIN, count))
    events["t"][-1] = STEPS * BIN - 1
    at = events["t"] // (3 * BIN) % 16
    bar = np.minimum(at, 16 - at)
    events["x"] = np.where(rng.random(count) < 0.7, bar, rng.integers(0, 9, count))
    events["y"], events["p"] = rng.integers(0, 9, count), rng.integers(0, 2, count)
    return events


@pytest.mark.parametrize("readout", ["counts", "membrane"])
def test_a_recording_in_windows_is_the_recording_in_one_piece(readout: str) -> None:
    """Nothing is dropped.

    The recording runs at ten times its speed, with pauses on both sides, and has more bytes than
    the board can buffer.
    """
    rng = np.random.default_rng(0)
    recording = recorded(rng)
    program = ss.compile(network(readout), ARRAY, STEPS)
    with ss.open_device("sim:", array=ARRAY) as device:
        device.load(program)
        expected = device.run([recording], bin_time=BIN)
        before, parts = device.link_bytes.sent, []
        with device.stream() as live:
            feed, began = live.feed(bin_time=BIN), time.monotonic()
            for events in np.array_split(recording, 150):
                due = began + events["t"][-1] / 1e6 / FASTER
                time.sleep(max(0.0, due - time.monotonic()) + (rng.random() < 0.1) * 0.02)
                feed.send(events)
                if rng.random() < 0.1:
                    time.sleep(0.01 * rng.random())
                    parts += list(live.results(wait=False))
            feed.flush()
            parts += list(live.results())
        assert device.link_bytes.sent - before > 4 * ARRAY.receive_bytes
    assert len(parts) == -(-STEPS // WINDOW)
    readouts = np.stack([part.readout[0] for part in parts])
    last = readouts.sum(axis=0) if readout == "counts" else readouts[-1]
    assert np.array_equal(last, expected.readout[0])
    for name in ("spikes", "stable"):
        layers = sum(getattr(part, name)[0] for part in parts)
        assert np.array_equal(layers, getattr(expected, name)[0])
    assert expected.spikes.min() > 0, "a layer was silent"
