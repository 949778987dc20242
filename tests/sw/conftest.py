"""Fixtures of the host side's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from board_model import Board
from device_model import DeviceModel, ModelTransport
from stablespike.cli import main
from stablespike.spec import PRESETS


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a network, a program and samples."""
    rng = np.random.default_rng(0)
    layers = [
        ss.Dense(rng.integers(-3, 8, (12, 9)), neuron=ss.Neuron(threshold=60)),
        ss.Dense(rng.integers(-3, 8, (4, 12)), neuron=ss.Neuron(threshold=60)),
    ]
    network = ss.Network(ss.SpikeInput((9,)), layers, "counts", 4, 4)
    ss.save(network, tmp_path / "net.safetensors")
    assert main([
        "compile", str(tmp_path / "net.safetensors"), "--array", "icebreaker", "--steps", "6",
        "-o", str(tmp_path / "program"), "-q",
    ]) == 0
    samples = rng.random((10, 6, 9)) < 0.4
    np.save(tmp_path / "samples.npy", samples)
    np.savez(tmp_path / "labelled.npz", samples=samples, labels=np.zeros(10, int))
    return tmp_path


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Board]:
    """Makes a model of a board the device at every sim: address."""

    def put(*programs: Any) -> Board:
        made = Board(*programs)
        model = DeviceModel(made.config, made.execute, made.reset)
        monkeypatch.setattr(
            "stablespike.device.open.open_transport", lambda *where: ModelTransport(model)
        )
        return made

    return put


@pytest.fixture
def dense_presets() -> Iterator[None]:
    """Removes the presets with convolution, so that messages that list presets stay the same."""
    kept = dict(PRESETS)
    for name, config in kept.items():
        if config.convolution:
            del PRESETS[name]
    yield
    # All of them anew, since messages list them in their order.
    PRESETS.clear()
    PRESETS.update(kept)
