"""The verbs train, compile and report."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from stablespike.program.files import load_program
from stablespike.spec import PRESETS
from verbs import Out, call


def test_compile_and_report(capsys: Out, files: Path) -> None:
    code, out, _ = call(capsys, "report", files / "program")
    assert code == 0
    assert "memory of a core" in out
    code, out, err = call(
        capsys, "compile", files / "net.safetensors", "--array", "ecp5-85f", "--steps", 20,
        "-o", files / "other", "--json",
    )
    assert code == 0
    figures = json.loads(out)
    assert figures["steps"] == 20
    assert figures["windows"] == 3
    assert figures["array"]["lanes"] == 32
    assert figures["groups"] == load_program(files / "other").group_counts
    assert figures["needed"].keys() == figures["there"].keys()
    assert all(cycles > 0 for cycles in figures["cycles"].values())
    assert err == f"wrote {files / 'other'}\n"


def test_train(capsys: Out, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip("stablespike.train")
    seen: dict[str, Any] = {}

    class Trained:
        def __init__(self) -> None:
            self.test_accuracy, self.best_epoch = 0.5, 3
            self.files = {"network": tmp_path / "x.safetensors"}

    def train(recipe: str, **options: Any) -> Any:
        seen.update(options, recipe=recipe)
        options["progress"]("epoch 1")
        return Trained()

    monkeypatch.setattr(module, "train", train)
    code, out, err = call(
        capsys, "train", "mnist-mlp", "-o", tmp_path, "--epochs", 2, "--seed", 7, "--json"
    )
    assert code == 0
    assert json.loads(out) == {
        "test_accuracy": 0.5, "best_epoch": 3, "network": str(tmp_path / "x.safetensors")
    }
    assert err == "epoch 1\n"
    assert (seen["recipe"], seen["epochs"], seen["seed"]) == ("mnist-mlp", 2, 7)
    code, out, err = call(capsys, "train", "mnist-mlp", "-q")
    assert "test accuracy" in out
    assert not err


def test_errors_of_a_training_name_options(
    capsys: Out, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = pytest.importorskip("stablespike.train")
    code, _, err = call(capsys, "train", "mnist-mlp", "-o", tmp_path, "--data", tmp_path)
    assert code == 2
    assert "or name the folder it is in with $STABLESPIKE_DATA or --data\n" in err

    def train(recipe: str, **options: Any) -> Any:
        raise module.CheckpointError("x is truncated: start without resume=True")

    monkeypatch.setattr(module, "train", train)
    code, _, err = call(capsys, "train", "mnist-mlp", "--resume")
    assert (code, err) == (2, "error: x is truncated: start without --resume\n")


def test_what_an_extra_installs(capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stablespike.train", None)
    code, _, err = call(capsys, "train", "mnist-mlp")
    assert code == 3
    assert "is not installed: pip install 'stablespike[train]'" in err
    monkeypatch.setitem(sys.modules, "stablespike.golden.golden", None)
    monkeypatch.delattr("stablespike.golden.golden", raising=False)
    code, _, err = call(capsys, "bench", "--device", "golden:")
    assert code == 3
    assert "golden: needs PyTorch" in err


def test_an_array_by_a_board_or_a_file(capsys: Out, files: Path) -> None:
    own = files / "own.toml"
    own.write_text('preset = "icebreaker"\ntasks = 12\n')
    for array, tasks in ((own, 12), ("orangecrab-85f", 16)):
        code, out, err = call(
            capsys, "compile", files / "net.safetensors", "--array", array, "--steps", 6,
            "-o", files / "own", "--json",
        )
        assert code == 0, err
        assert json.loads(out)["array"]["tasks"] == tasks
    own.write_text("tasks = 12\nlane = 8\n")
    for verb in (
        ("compile", files / "net.safetensors", "--steps", 6, "-o", files / "own"), ("demo",),
        ("build", "icebreaker"),
    ):
        code, _, err = call(capsys, *verb, "--array", own)
        assert code == 2
        assert f"{own}, line 2: an array has no field 'lane': did you mean lanes?" in err


def test_the_last_line_of_a_refusal_is_a_command(capsys: Out, files: Path) -> None:
    (files / "tiny.toml").write_text('preset = "icebreaker"\nweight_rows = 16\n')
    compiled = ["compile", files / "net.safetensors", "--array", files / "tiny.toml", "--steps", 6,
                "-o", files / "fits"]
    code, _, err = call(capsys, *compiled)
    assert code == 2
    command = shlex.split(err.splitlines()[-1])
    assert command[:5] == [
        "stablespike", "compile", str(files / "net.safetensors"), "--array", "icebreaker"
    ]
    code, _, err = call(capsys, *command[1:])
    assert code == 0, err


def test_the_last_line_may_write_an_array(
    capsys: Out, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    only = {"hx8k": PRESETS["hx8k"]}
    monkeypatch.setattr("stablespike.mapping.constraints.PRESETS", only)
    (files / "tiny.toml").write_text("weight_rows = 16\nspike_rows = 4096\n")
    net = ss.Network(
        ss.SpikeInput((200,)), [ss.Dense(np.ones((99, 200)), neuron=ss.Neuron(threshold=60))]
    )
    ss.save(net, files / "wide.safetensors")
    code, _, err = call(
        capsys, "compile", "wide.safetensors", "--array", "tiny.toml", "--steps", 6, "-o", "fits"
    )
    assert code == 2
    written, _, command = err.splitlines()[-1].partition(" && ")
    subprocess.run(["bash", "-c", written], check=True)
    assert "weight_rows = " in (files / "array.toml").read_text()
    code, _, err = call(capsys, *shlex.split(command)[1:])
    assert code == 0, err
