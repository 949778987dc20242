"""Networks that have an encoder: what fits the input, and files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from refusals import refuses
from stablespike.encoders import Encoder
from stablespike.network import files

OWN = np.array([0.1, 1 / 3, 2e-9])
ENCODERS: dict[str, Encoder] = {
    "delta": ss.DeltaEncoder((3,), OWN, "step", start=-OWN),
    "delta-first": ss.DeltaEncoder((3,), 0.1),
    "thermometer": ss.ThermometerEncoder((3,), [-0.1, 0.1]),
    "thermometer-own": ss.ThermometerEncoder((3,), [-OWN, OWN]),
    "rate": ss.RateEncoder((6,), outside="clip"),
    "random": ss.RateEncoder((6,), pattern="random", seed=(1 << 64) - 1),
    "latency": ss.LatencyEncoder((6,), -1, np.arange(6), curve="log", lowest="last"),
    "population": ss.PopulationEncoder((3,), [0.1, 0.7], 0.3, cutoff=0.2),
    "quantize": ss.QuantizeEncoder((6,), 0.1, 0.7, bits=3),
}


def with_encoder(encoder: Encoder, **options: Any) -> ss.Network:
    """A network with six inputs."""
    pixels = isinstance(encoder, ss.QuantizeEncoder)
    source = ss.PixelInput((6,), 3) if pixels else ss.SpikeInput((6,))
    weight = np.arange(-6, 6).reshape(2, 6)
    layer = ss.Dense(weight, neuron=ss.Neuron(threshold=20))
    return ss.Network(source, [layer], encoder=encoder, **options)


@pytest.mark.parametrize("name", ENCODERS)
def test_files_hold_the_encoder(tmp_path: Path, name: str) -> None:
    network = with_encoder(ENCODERS[name])
    ss.save(network, tmp_path / "net")
    found = ss.load(tmp_path / "net")
    assert found == network
    assert found.encoder == ENCODERS[name]
    ss.save(found, tmp_path / "again")
    assert (tmp_path / "net").read_bytes() == (tmp_path / "again").read_bytes()
    program = ss.compile(network, "icebreaker", steps=4)
    encoder = ENCODERS[name]
    said = f"takes a raw signal of {encoder.shape}, which a {type(encoder).__name__} encodes"
    assert said in program.report()
    ss.save_program(program, tmp_path / "program")
    assert ss.load_program(tmp_path / "program").network.encoder == ENCODERS[name]


def test_networks_differ_by_their_encoder() -> None:
    first, second = (with_encoder(ss.DeltaEncoder((3,), threshold)) for threshold in (1, 2))
    assert first != second
    assert replace(first, encoder=None) != first
    assert replace(first, encoder=second.encoder) == second


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "song"}, "encoder: unknown kind 'song'"),
        ({"threshold": 0}, "encoder: threshold must be above 0"),
        ({"threshold": {"tensor": "encoder.none"}}, "it lacks 'encoder.none'"),
        ({"tempo": 3}, "encoder: ... tempo"),
        ({"kind": []}, "encoder: unknown kind []"),
        ({"reference": None}, "encoder: reference must be one of"),
    ],
)
def test_damaged_files(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    header, tensors = files.encode_network(with_encoder(ENCODERS["delta-first"]))
    header["encoder"] |= change
    files.write(tmp_path / "net", files.NETWORK_FORMAT, files.NETWORK_VERSION, header, tensors)
    with refuses(ss.FileError, "is damaged", message):
        ss.load(tmp_path / "net")


def test_a_setting_that_is_missing_is_not_made_up(tmp_path: Path) -> None:
    header, tensors = files.encode_network(with_encoder(ENCODERS["quantize"]))
    for name in header["encoder"]:
        entry = {key: value for key, value in header["encoder"].items() if key != name}
        damaged = {**header, "encoder": entry}
        files.write(tmp_path / "net", files.NETWORK_FORMAT, files.NETWORK_VERSION, damaged, tensors)
        with refuses(ss.FileError, f"is damaged: it lacks 'encoder.{name}'"):
            ss.load(tmp_path / "net")


def test_a_number_beyond_every_float(tmp_path: Path) -> None:
    header, tensors = files.encode_network(with_encoder(ENCODERS["population"]))
    header["encoder"] |= {"width": 10**400}
    files.write(tmp_path / "net", files.NETWORK_FORMAT, files.NETWORK_VERSION, header, tensors)
    with refuses(ss.FileError, "encoder: width must be a positive finite number, not 1000"):
        ss.load(tmp_path / "net")


def test_files_of_the_version_before_load(tmp_path: Path) -> None:
    network = replace(with_encoder(ENCODERS["delta"]), encoder=None)
    header, tensors = files.encode_network(network)
    files.write(tmp_path / "net", files.NETWORK_FORMAT, 3, header, tensors)
    assert ss.load(tmp_path / "net") == network


def test_neighbouring_axes_may_be_made_one() -> None:
    layer = ss.Dense(np.ones((2, 24)), neuron=ss.Neuron(threshold=1))
    encoder = ss.DeltaEncoder((3, 4), 1)  # (2, 3, 4)
    for shape in ((2, 3, 4), (6, 4), (2, 12), (24,)):
        assert ss.Network(ss.SpikeInput(shape), [layer], encoder=encoder).encoder is encoder
    for shape in ((4, 6), (3, 8), (2, 4, 3)):
        with refuses(ValueError, "encoder must give the shape", "(2, 3, 4)", f"input is {shape}"):
            ss.Network(ss.SpikeInput(shape), [layer], encoder=encoder)


def test_encoders_that_do_not_fit() -> None:
    layer = ss.Dense(np.ones((2, 6)), neuron=ss.Neuron(threshold=1))
    with refuses(TypeError, "encoder must be an encoder, such as a DeltaEncoder, not 'delta'"):
        ss.Network(ss.SpikeInput((6,)), [layer], encoder="delta")  # type: ignore[arg-type]
    with refuses(ValueError, "encoder must give what", "DeltaEncoder gives spikes ... pixels"):
        ss.Network(ss.PixelInput((6,)), [layer], encoder=ss.DeltaEncoder((3,), 1))
    with refuses(ValueError, "QuantizeEncoder gives pixels or frames ... input is spikes"):
        ss.Network(ss.SpikeInput((6,)), [layer], encoder=ss.QuantizeEncoder((6,)))
    with refuses(ValueError, "encoder must have the bits of the network's input: 3, not 4"):
        ss.Network(ss.PixelInput((6,), 3), [layer], encoder=ss.QuantizeEncoder((6,)))
    with refuses(ValueError, "encoder must give the shape", "(2, 4) for a signal of (4,)", "(6,)"):
        ss.Network(ss.SpikeInput((6,)), [layer], encoder=ss.DeltaEncoder((4,), 1))
