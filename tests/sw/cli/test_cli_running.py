"""The verbs run and verify."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from board_model import Board
from recording_files import EVENTS, aedat2, evt2
from stablespike.program.files import load_program
from verbs import Out, call


def test_files_that_are_none(capsys: Out, files: Path) -> None:
    (files / "text").write_text("no array")
    np.savez(files / "two.npz", a=np.zeros(3), b=np.zeros(3))
    np.savez(files / "none.npz")
    np.savez(files / "objects.npz", samples=np.array([None]))
    (files / "folder").mkdir()
    np.savez(files / "empty.npz", samples=np.zeros((0, 6, 9)))
    np.save(files / "scalar.npy", np.array(3))
    whole = (files / "labelled.npz").read_bytes()
    (files / "cut.npz").write_bytes(whole[: len(whole) // 2])
    np.savez(files / "labels.npz", samples=np.zeros((2, 6, 9)), labels=np.arange(3))
    for name, message in {
        "missing.npy": "there is no file",
        "text": r"text is no file of samples that can be read: .* numpy.savez\n$",
        "cut.npz": r"cut.npz is a damaged .npz file \(.*\): save samples with numpy.save or savez",
        "objects.npz": r"objects.npz: samples holds Python objects.* numpy.savez\(path, \*record",
        "folder": r"folder cannot be read \(Is a directory\)",
        "two.npz": "must have an array 'samples', or event arrays only; it has a, b",
        "none.npz": "has no arrays in it",
        "empty.npz": "samples must hold at least 1 sample, not 0",
        "scalar.npy": r"samples must be \(batch, ...\), not \(\)",
        "labels.npz": r"labels in .* must be \(2,\), one per sample, not \(3,\)",
    }.items():
        code, _, err = call(
            capsys, "run", files / "program", files / name, "--device", "golden:",
            "-o", files / "out.npz", "-q",
        )
        assert code == 2
        assert re.search(message, err), err
        assert "pickle" not in err
    code, _, err = call(
        capsys, "run", files / "net.safetensors", files / "samples.npy", "--device", "golden:",
        "-o", files / "out.npz",
    )
    assert code == 2
    assert "net.safetensors" in err


def test_run(capsys: Out, files: Path, board: Callable[..., Board]) -> None:
    program = load_program(files / "program")
    board(program)
    outputs = {}
    for device in ("golden:", "sim:icebreaker"):
        code, out, err = call(
            capsys, "run", files / "program", files / "labelled.npz", "--device", device,
            "-o", files / "out", "--trace", "--json", "--batch", 3,
        )
        assert code == 0, err
        figures = json.loads(out)
        assert figures["samples"] == 10
        assert len(figures["prediction"]) == 10
        assert 0 <= figures["accuracy"] <= 1
        assert figures["result"] == str(files / "out.npz")
        assert ("cycles_per_sample" in figures) == (device != "golden:")
        lost = [name for name in figures if name.startswith("lost_")]
        assert len(lost) == (0 if device == "golden:" else 4)
        assert "4 of 4 batches" in err
        with np.load(files / "out.npz") as loaded:
            outputs[device] = {name: loaded[name] for name in loaded.files}
    a, b = outputs.values()
    for name in ("readout", "prediction", "spikes", "stable", "trace_0", "skeleton_1"):
        np.testing.assert_array_equal(a[name], b[name])
    code, out, _ = call(
        capsys, "run", files / "program", files / "samples.npy", "--device", "golden:",
        "-o", files / "plain.npz",
    )
    assert code == 0
    assert "samples" in out
    with np.load(files / "plain.npz") as loaded:
        np.testing.assert_array_equal(loaded["readout"], a["readout"])
        assert "trace_0" not in loaded.files


def test_run_time_axis_and_events(capsys: Out, files: Path) -> None:
    samples = np.load(files / "samples.npy")
    np.save(files / "other.npy", samples.swapaxes(0, 1))
    recordings = []
    for sample in samples:
        step, x = np.nonzero(sample)
        events = np.zeros(len(x), dtype=[("t", "i8"), ("x", "i2")])
        events["t"], events["x"] = 7 * step, x
        recordings.append(events)
    np.savez(files / "events.npz", *recordings)
    np.save(files / "one.npy", recordings[0])
    np.save(files / "flat.npy", np.zeros(4))
    readouts = []
    for name, options in {
        "samples.npy": [],
        "other.npy": ["--time-axis", "0", "--batch", "4"],
        "events.npz": ["--bin-time", "7", "--start", "0"],
    }.items():
        code, _, err = call(
            capsys, "run", files / "program", files / name, "--device", "golden:",
            "-o", files / "out.npz", *options,
        )
        assert code == 0, err
        with np.load(files / "out.npz") as loaded:
            readouts.append(loaded["readout"])
    np.testing.assert_array_equal(readouts[0], readouts[1])
    np.testing.assert_array_equal(readouts[0], readouts[2])
    common = ["--device", "golden:", "-o", files / "out.npz"]
    assert call(
        capsys, "run", files / "program", files / "one.npy", "--bin-time", 7, *common
    )[0] == 0
    code, _, err = call(capsys, "run", files / "program", files / "events.npz", *common)
    assert code == 2
    assert "event samples need bin_time" in err
    code, _, err = call(
        capsys, "run", files / "program", files / "flat.npy", "--time-axis", 0, *common
    )
    assert code == 2
    assert "samples must be (steps, batch, ...) with time_axis 0, not (4,)" in err


def test_labels_are_integers(capsys: Out, files: Path) -> None:
    np.savez(files / "named.npz", samples=np.zeros((2, 6, 9)), labels=np.array(["a", "b"]))
    code, _, err = call(
        capsys, "run", files / "program", files / "named.npz", "--device", "golden:",
        "-o", files / "out.npz",
    )
    assert code == 2
    assert "must be an array of integers, not of <U1" in err
    assert not (files / "out.npz").exists()


def test_results_that_cannot_be_written(capsys: Out, files: Path) -> None:
    code, _, err = call(
        capsys, "run", files / "program", files / "samples.npy", "--device", "golden:",
        "-o", files / "nowhere" / "out.npz", "-q",
    )
    assert code == 2
    assert "out.npz cannot be written: No such file or directory" in err


def test_results_are_written_whole_or_not_at_all(
    capsys: Out, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(file: Any, **arrays: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    out = files / "out.npz"
    out.write_bytes(b"before")
    there = set(files.iterdir())
    monkeypatch.setattr("numpy.savez_compressed", fail)
    code, _, err = call(
        capsys, "run", files / "program", files / "samples.npy", "--device", "golden:", "-o", out,
        "-q",
    )
    assert code == 2
    assert err == f"error: {out} cannot be written: No space left on device\n"
    assert out.read_bytes() == b"before"
    assert set(files.iterdir()) == there


def test_what_cannot_be_written_is_found_before_the_run(
    capsys: Out, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwanted(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("the device is opened")

    monkeypatch.setattr("stablespike.device.open.open_device", unwanted)
    monkeypatch.setattr("stablespike.cli.demo.open_device", unwanted)
    pytest.importorskip("matplotlib")
    nowhere = files / "nowhere" / "out.npz"
    np.savez(files / "labels.npz", samples=np.zeros((2, 6, 9)), labels=np.arange(3))
    given = [files / "program", files / "samples.npy", "--device", "golden:", "-o"]
    wrong = [files / "program", files / "labels.npz", "--device", "golden:", "-o"]
    for arguments, message in (
        (["run", *given, nowhere], "out.npz cannot be written: No such file or directory"),
        (["run", *given, "."], "error: . cannot be written: it is a folder; give it another name"),
        (["run", *wrong, files / "out"], "labels.npz must be (2,), one per sample, not (3,)"),
        (["demo", "--picture", nowhere.with_suffix(".png")], "out.png cannot be written"),
        (["demo", "--picture", files / "picture"], "picture must end in one of"),
    ):
        code, _, err = call(capsys, *arguments)
        assert code == 2
        assert message in err

    monkeypatch.setattr("stablespike.network.files.load", unwanted)
    code, _, err = call(
        capsys, "compile", files / "net.safetensors", "--array", "icebreaker", "--steps", 4,
        "-o", nowhere,
    )
    assert code == 2
    assert "out.npz cannot be written" in err


def test_verify(capsys: Out, files: Path, board: Callable[..., Board]) -> None:
    made = board(load_program(files / "program"))
    arguments = (
        "verify", files / "program", files / "samples.npy", "--device", "sim:icebreaker",
    )
    code, out, _ = call(capsys, *arguments, "--json", "--batch", 4)
    assert code == 0
    figures = json.loads(out)
    assert figures["mismatches"] == 0
    assert figures["samples"] == 10
    assert figures["words"] == 2 * 10 * 2 * (12 + 4)
    assert figures["first"] is None

    def damage(packets: list[list[bytes]]) -> list[list[bytes]]:
        first = packets[0][0]
        packets[0][0] = first[:4] + bytes((first[4] ^ 2,)) + first[5:]
        return packets

    made.change = damage
    code, out, _ = call(capsys, *arguments, "--json")
    assert code == 1
    assert json.loads(out)["word_mismatches"] == 20
    first = json.loads(out)["first"]
    assert (first["sample"], first["layer"], first["step"], first["neuron"]) == (0, 0, 1, 0)
    code, out, _ = call(capsys, *arguments)
    assert code == 1
    assert "first difference: spike: sample 0, layer 0, step 1, neuron 0: expected" in out


def test_a_device_that_is_not_there(capsys: Out, files: Path) -> None:
    for verb in ("run", "verify"):
        options = ["-o", files / "out.npz"] if verb == "run" else []
        code, _, err = call(
            capsys, verb, files / "program", files / "samples.npy", "--device", "serial:/dev/none",
            *options,
        )
        assert code == 3
        assert err.startswith("error: serial:/dev/none cannot be opened")
    code, _, err = call(capsys, "bench", "--device", "tcp:127.0.0.1:1", "-vv")
    assert code == 3
    assert "Traceback" in err


def test_run_recordings_of_a_camera(capsys: Out, tmp_path: Path) -> None:
    import stablespike as ss

    weight = np.random.default_rng(0).integers(-8, 8, (4, 12))
    neuron = ss.Neuron(threshold=20, leak=(1, 2))
    network = ss.Network(input=ss.SpikeInput((1, 3, 4)), layers=[ss.Dense(weight, neuron=neuron)])
    ss.save_program(ss.compile(network, "icebreaker", steps=11), tmp_path / "program")
    small = ss.fit_events(EVENTS, downscale=2, merge_polarities=True)
    np.save(tmp_path / "small.npy", small)
    (tmp_path / "camera.raw").write_bytes(evt2(EVENTS))
    common = ["--device", "golden:", "-o", tmp_path / "out.npz", "--bin-time", 2500]
    fit = ["--downscale", 2, "--merge-polarities"]
    words = {}
    for name, options in {
        "small.npy": [], "camera.raw": fit, "crop.raw": [*fit, "--crop", "0,0,8,6"],
    }.items():
        (tmp_path / "crop.raw").write_bytes(evt2(EVENTS))
        code, _, err = call(
            capsys, "run", tmp_path / "program", tmp_path / name, "--trace", *options, *common
        )
        assert code == 0, err
        with np.load(tmp_path / "out.npz") as loaded:
            words[name] = loaded["trace_0"].tolist()
    assert words["small.npy"] == words["camera.raw"] == words["crop.raw"]
    code, _, err = call(capsys, "verify", tmp_path / "program", tmp_path / "camera.raw",
                        "--device", "golden:", "--bin-time", 2500, *fit)
    assert code == 0, err
    for options, message in {
        ("--crop", "1,2"): "crop must be four integers",
        ("--crop", "a,0,1,1"): "crop must be X0,Y0,WIDTH,HEIGHT, not 'a,0,1,1'",
        (): "field 'p' must be from 0 to 0, not 1",
    }.items():
        code, _, err = call(
            capsys, "run", tmp_path / "program", tmp_path / "camera.raw", *options, *common
        )
        assert code == 2
        assert message in err
    np.save(tmp_path / "dense.npy", np.zeros((1, 11, 1, 3, 4)))
    code, _, err = call(
        capsys, "run", tmp_path / "program", tmp_path / "dense.npy", *common[:4], *fit
    )
    assert code == 2
    assert "downscale and merge_polarities are for events; " in err


def test_run_recordings_into_frames(capsys: Out, tmp_path: Path) -> None:
    import stablespike as ss

    weight = np.random.default_rng(0).integers(-8, 8, (4, 2))
    neuron = ss.Neuron(threshold=20, leak=(1, 2))
    network = ss.Network(input=ss.FrameInput((1, 2), 1), layers=[ss.Dense(weight, neuron=neuron)])
    ss.save_program(ss.compile(network, "icebreaker", steps=2), tmp_path / "program")
    head = "#!AER-DAT2.0\r\n"  # which does not say the chip
    (tmp_path / "dvs.aedat").write_bytes(aedat2(EVENTS, head=head))
    arguments = [
        "run", tmp_path / "program", tmp_path / "dvs.aedat", "--device", "golden:",
        "-o", tmp_path / "out.npz", "--bin-time", 13_000, "--downscale", 6,
    ]
    code, _, err = call(capsys, *arguments)
    assert code == 2
    assert "say which with format: 'aedat2-dvs128'" in err
    arguments += ["--format", "aedat2-dvs128"]
    code, _, err = call(capsys, *arguments)
    assert code == 2
    assert "samples[0] has 7 events in step 0 at (y, x) = (0, 0), and 1 bits count to 1" in err
    code, _, err = call(capsys, *arguments, "--excess", "saturate", "--trace")
    assert code == 0, err
    small = ss.fit_events(EVENTS, downscale=6)
    frames = ss.bin_events([small], (1, 2), 2, bin_time=13_000, bits=1, excess="saturate")
    assert frames.any()
    with ss.open_device("golden:") as device, np.load(tmp_path / "out.npz") as found:
        device.load(ss.load_program(tmp_path / "program"))
        assert found["trace_0"].tolist() == device.run(frames, trace=True).trace[0].tolist()


def test_a_file_of_torch_is_refused(capsys: Out, files: Path) -> None:
    torch = pytest.importorskip("torch")
    for name, zipped in {"new.pt": True, "old.pt": False}.items():
        samples = torch.zeros((3, 6, 9))
        torch.save(samples, files / name, _use_new_zipfile_serialization=zipped)
        code, out, err = call(
            capsys, "run", files / "program", files / name, "--device", "golden:",
            "-o", files / "out.npz",
        )
        assert code == 2
        assert not out
        assert re.search(r"torch.save, .* not loaded: .*numpy.savez\(path, samples=", err), err


def test_a_raw_signal(capsys: Out, files: Path, board: Callable[..., Board]) -> None:
    """What a program takes whose network has an encoder, with and without --encoded."""
    encoder = ss.ThermometerEncoder((3,), [-0.5, 0, 0.25])
    network = load_program(files / "program").network
    program = ss.compile(
        replace(network, encoder=encoder), load_program(files / "program").config, 6
    )
    ss.save_program(program, files / "raw")
    board(program)
    signal = np.random.default_rng(3).normal(size=(5, 6, 3)).astype(np.float32)
    np.save(files / "signal.npy", signal)
    np.save(files / "encoded.npy", encoder.encode(signal).reshape(5, 6, 9))
    found = []
    for name, options in {"signal": (), "encoded": ("--encoded",)}.items():
        arguments = (files / "raw", files / f"{name}.npy", "--device", "sim:icebreaker", *options)
        code, _, err = call(capsys, "run", *arguments, "-o", files / "out", "--batch", 2)
        assert code == 0, err
        with np.load(files / "out.npz") as loaded:
            found.append(loaded["readout"])
        code, out, err = call(capsys, "verify", *arguments, "--json")
        assert (code, json.loads(out)["mismatches"]) == (0, 0), err
    np.testing.assert_array_equal(*found)
    assert found[0].any()
    code, _, err = call(
        capsys, "run", files / "raw", files / "encoded.npy", "--device", "golden:",
        "-o", files / "out",
    )
    assert code == 2
    assert "samples must be (batch, steps, 3), the raw signal that the ThermometerEncoder" in err
    code, _, err = call(
        capsys, "run", files / "program", files / "samples.npy", "--device", "golden:", "--encoded",
        "-o", files / "out",
    )
    assert code == 2
    assert "encoded is for networks with an encoder" in err
