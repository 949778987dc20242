"""A small training run on the images that come with the project, and what it is compared with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from stablespike.datasets import EVENT_DTYPE, shipped_mnist

torch = pytest.importorskip("torch")

from stablespike.train import Recipe, data  # noqa: E402
from stablespike.train.data import Samples  # noqa: E402
from stablespike.train.run import Run  # noqa: E402

SMALL = Recipe(hidden=12, batch=100, held_out=200, epochs=2)


@pytest.fixture(autouse=True)
def shipped_as_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "mnist", lambda split, path=None: shipped_mnist())


def small_run(plan: Recipe, seed: int) -> tuple[np.ndarray, Run]:
    images, labels = shipped_mnist()
    samples = Samples(torch.from_numpy(images), torch.from_numpy(labels).long())
    return images, Run("small", plan, seed, samples)


def membranes(network: Any, images: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute readout and hidden spikes (steps, batch, hidden) in int64, by the numerics page."""
    hidden, last = network.layers
    one = 2**network.fraction_bits
    pixels = images.reshape(len(images), -1).astype(np.int64) >> (8 - network.input.bits)
    current = hidden.bias + one * (pixels @ hidden.weight.T)
    v, out, trace = np.zeros_like(current), np.zeros((len(images), 10), np.int64), []

    def leaked(value: np.ndarray, neuron: Any) -> np.ndarray:
        a, c = (0 * value if shift is None else value >> shift for shift in neuron.leak)
        return value - a + (c if neuron.leak.add else -c)

    for _ in range(steps):
        u = np.clip(leaked(v, hidden.neuron) + current, -(2**15), 2**15 - 1)
        spike = u >= hidden.neuron.threshold
        v = u - spike * hidden.neuron.threshold
        trace.append(spike)
        drive = last.bias + one * (spike @ last.weight.T)
        out = np.clip(leaked(out, last.neuron) + drive, -(2**15), 2**15 - 1)
    return out, np.stack(trace)


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recordings in which most events of a class have the same x."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 600).astype(np.uint8)
    recordings = []
    for label in labels:
        recording = np.zeros(80, EVENT_DTYPE)
        recording["t"] = np.sort(rng.integers(0, 300_000, 80))
        recording["x"] = np.where(rng.random(80) < 0.7, 3 * label + 2, rng.integers(0, 34, 80))
        recording["y"], recording["p"] = rng.integers(0, 34, 80), rng.integers(0, 2, 80)
        recordings.append(recording)
    monkeypatch.setattr(data, "small_recordings", lambda path: (recordings, labels))
