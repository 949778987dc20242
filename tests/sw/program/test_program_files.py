"""Program files: what was saved is loaded, also what the version before this one saved."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from stablespike.network import files

SAVED = Path(__file__).parent / "saved"
"""Files written at version 0.1.0 by the code below: ``save_program`` of a compiled network."""

ARRAY = ss.ArrayConfig(
    cores=2, lanes=4, neuron_steps=2, spike_rows=128, state_groups=128, weight_rows=2048,
    convolution=True, recurrence=True, wide_weights=True,
)
STEPS = 6


def saved_network() -> ss.Network:
    """A network with every kind of layer, pool, reset and readout option that a file has."""
    rng = np.random.default_rng(7)
    layers = [
        ss.Conv2d(
            rng.integers(-8, 8, (5, 2, 3, 3)), rng.integers(-50, 50, 5), padding=1,
            pool_before=ss.SumPool2d(2),
            neuron=ss.Neuron(
                leak=(1, 4), threshold=rng.integers(20, 300, 5), reset="zero", compare="gt",
                v_init=-3,
            ),
        ),
        ss.Conv2d(
            rng.integers(-100, 100, (4, 5, 2, 2)), pool_after=ss.MaxPool2d(2), weight_bits=8,
            neuron=ss.Neuron(threshold=200, reset_timing="next_step"), emit="skeleton",
        ),
        ss.Dense(
            rng.integers(-8, 8, (6, 4)), recurrent=rng.integers(-8, 8, (6, 6)), emit="both",
            neuron=ss.Neuron(threshold=40, synapse_leak=(2, None)),
        ),
        ss.Dense(
            rng.integers(-8, 8, (3, 6)), neuron=ss.Neuron(threshold=30, fires=False, reset="none")
        ),
    ]
    return ss.Network(ss.PixelInput((2, 6, 6), 4), layers, "membrane", 4, 4)


def dense_program() -> ss.Program:
    layers = [
        ss.Dense(np.arange(a * b).reshape(b, a) % 16 - 8, neuron=ss.Neuron(threshold=20))
        for a, b in pairwise((5, 10, 3))
    ]
    array = ss.ArrayConfig(lanes=4, weight_rows=64, spike_rows=32, neuron_groups=8, tasks=4)
    return ss.compile(ss.Network(ss.SpikeInput((5,)), layers), array, 9)


def same_images(one: ss.Program, other: ss.Program) -> bool:
    return len(one.images) == len(other.images) and all(
        mine.keys() == theirs.keys() and all((mine[space] == theirs[space]).all() for space in mine)
        for mine, theirs in zip(one.images, other.images, strict=True)
    )


def test_a_network_of_the_last_version_loads() -> None:
    assert ss.load(SAVED / "network.safetensors") == saved_network()


@pytest.mark.parametrize(
    ("name", "device"), [("program.safetensors", None), ("program-golden.safetensors", "golden:")]
)
def test_a_program_of_the_last_version_loads(name: str, device: str | None) -> None:
    program = ss.load_program(SAVED / name)
    assert (program.network, program.config, program.steps, program.device) == (
        saved_network(), ARRAY, STEPS, device,
    )
    assert same_images(program, ss.compile(saved_network(), ARRAY, STEPS, device))


def test_a_program_is_read_back(tmp_path: Path) -> None:
    program = dense_program()
    ss.save_program(program, tmp_path / "p.safetensors")
    again = ss.load_program(tmp_path / "p.safetensors")
    assert (again.network, again.config, again.steps) == (program.network, program.config, 9)
    assert same_images(again, program)


def test_a_truncated_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    ss.save_program(dense_program(), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ss.FileError, match="truncated"):
        ss.load_program(path)


def test_a_damaged_program_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.safetensors"
    ss.save_program(dense_program(), path)
    header, tensors = files.read(path, "stablespike program", 5)
    steps = header.pop("steps")
    files.write(path, "stablespike program", 5, header, tensors)
    with pytest.raises(ss.FileError, match="is no valid program: it lacks 'steps'; compile"):
        ss.load_program(path)

    def too_large(*_: Any, **__: Any) -> None:
        raise MemoryError("Unable to allocate 16.0 GiB")

    files.write(path, "stablespike program", 5, {**header, "steps": steps}, tensors)
    monkeypatch.setattr("stablespike.program.files.compile", too_large)
    with pytest.raises(ss.FileError, match="is no valid program: Unable to allocate"):
        ss.load_program(path)


def test_a_directory_is_no_program(tmp_path: Path) -> None:
    with pytest.raises(ss.FileError, match="is a directory"):
        ss.load_program(tmp_path)
