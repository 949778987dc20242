"""Encoders beside those of snnTorch and SpikingJelly, where they agree and where they do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import stablespike as ss

RNG = np.random.default_rng(11)
PARTS = RNG.integers(0, 1025, (4, 300)) / 1024  # exact in float32


def apart(ours: Any, theirs: Any, steps: int) -> int:
    """How many spikes are at other steps; those that lie between two steps may be."""
    late = np.asarray(theirs).argmax(axis=0) - ours.argmax(axis=1)
    between = ((steps - 1) * (1 - PARTS)) % 1 == 0.5
    assert set(np.unique(late[between]).tolist()) <= {0, 1}
    return int((late[~between] != 0).sum())


@pytest.mark.parametrize("padding", [True, False])
def test_delta_of_neighbours_is_that_of_snntorch(padding: bool) -> None:
    spikegen = pytest.importorskip("snntorch.spikegen")
    import torch

    signal = RNG.integers(-5, 6, (3, 40, 7)).cumsum(axis=1) / 8
    encoder = ss.DeltaEncoder((7,), 0.5, "previous", "first" if padding else 0)
    theirs = spikegen.delta(
        torch.from_numpy(signal).transpose(0, 1), threshold=0.5, padding=padding, off_spike=True
    ).transpose(0, 1)
    down, up = encoder.encode(signal).swapaxes(0, 2).swapaxes(1, 2)
    assert down.any()
    np.testing.assert_array_equal(up.astype(int) - down, theirs.numpy())


@pytest.mark.parametrize("steps", [2, 5, 9, 30])
def test_linear_latency_is_that_of_both(steps: int) -> None:
    spikegen = pytest.importorskip("snntorch.spikegen")
    encoding = pytest.importorskip("spikingjelly.activation_based.encoding")
    import torch

    ours = ss.LatencyEncoder((300,), lowest="last").encode(PARTS, steps)
    parts = torch.from_numpy(PARTS).float()
    theirs = spikegen.latency(parts, num_steps=steps, threshold=1e-9, normalize=True, linear=True)
    assert apart(ours, theirs, steps) == 0
    encoder = encoding.LatencyEncoder(steps)
    assert apart(ours, torch.stack([encoder(parts) for _ in range(steps)]), steps) == 0


def test_log_latency_is_that_of_spikingjelly() -> None:
    encoding = pytest.importorskip("spikingjelly.activation_based.encoding")
    import torch

    ours = ss.LatencyEncoder((300,), curve="log", lowest="last").encode(PARTS, 12)
    encoder = encoding.LatencyEncoder(12, "log")
    parts = torch.from_numpy(PARTS)
    theirs = torch.stack([encoder(parts) for _ in range(12)])
    np.testing.assert_array_equal(ours.argmax(axis=1), theirs.numpy().argmax(axis=0))
