"""Options are refused where they mean nothing, whatever the device."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import stablespike as ss
import torch
from stablespike.cli import main
from stablespike.device.open import Device
from stablespike.program.files import save_program


@pytest.fixture
def device() -> Iterator[Device]:
    layer = ss.Dense(np.ones((2, 3)), neuron=ss.Neuron(threshold=20))
    network = ss.Network(ss.SpikeInput((3,)), [layer])
    with ss.open_device("golden:") as device:
        device.load(ss.compile(network, "icebreaker", 4))
        yield device


def test_flags_are_no_other_truth(device: Device) -> None:
    with pytest.raises(TypeError, match="trace must be True or False, not 'no'"):
        device.stream(trace="no")
    with pytest.raises(TypeError, match="counters must be True or False, not 1"):
        device.run(np.zeros((1, 4, 3)), counters=1)


@pytest.mark.parametrize("options", [{"start": 5}, {"start": float("nan")}, {"late": "drop"}])
def test_event_options_are_for_events(device: Device, options: dict) -> None:
    (name,) = options
    with pytest.raises(ValueError, match=f"{name} is for event arrays"):
        device.run(np.zeros((1, 4, 3)), **options)


@pytest.mark.parametrize("timeout", [-5, 0, float("inf")])
@pytest.mark.parametrize("uri", ["golden:", "sim:icebreaker", "serial:/dev/none", "tcp:here:1"])
def test_a_timeout_is_positive(uri: str, timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout must be a positive number"):
        ss.open_device(uri, timeout=timeout)


def test_tensors_numpy_has_no_type_for(device: Device) -> None:
    with pytest.raises(TypeError, match="samples must be an array of integers"):
        device.run(torch.zeros(1, 4, 3, dtype=torch.bfloat16))


def test_labels_are_integers(tmp_path, device: Device, capsys) -> None:
    save_program(device.program, tmp_path / "p.st")
    np.savez(tmp_path / "s.npz", samples=np.zeros((2, 4, 3)), labels=np.array(["a", "b"]))
    code = main(["run", str(tmp_path / "p.st"), str(tmp_path / "s.npz"), "--device", "golden:",
                 "-o", str(tmp_path / "r.npz")])
    assert code == 2
    assert "must be integers, not <U1" in capsys.readouterr().err
    assert not (tmp_path / "r.npz").exists()
