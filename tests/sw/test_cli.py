from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from board_model import Board
from device_model import DeviceModel, ModelTransport
from stablespike.cli import main
from stablespike.console import plain
from stablespike.program import load_program
from stablespike.spec.array import preset

Out = pytest.CaptureFixture[str]


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
    """Puts a model of a board behind every sim: address."""

    def put(*programs: Any) -> Board:
        made = Board(*programs)
        model = DeviceModel(made.config, made.execute, made.reset)
        monkeypatch.setattr(
            "stablespike.device.open_transport", lambda *where: ModelTransport(model)
        )
        return made

    return put


def call(out: Out, *arguments: Any) -> tuple[int, str, str]:
    out.readouterr()
    code = main([str(a) for a in arguments])
    captured = out.readouterr()
    return code, captured.out, captured.err


def test_help_is_light() -> None:
    code = (
        "import sys; from stablespike.cli import main; main(['--help']); "
        "heavy = {'numpy', 'torch', 'amaranth', 'cocotb', 'rich', 'matplotlib'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for verb in ("demo", "train", "compile", "run", "verify", "report", "bench", "doctor"):
        assert f"  {verb} " in done.stdout


@pytest.mark.parametrize(
    "verb", ["demo", "train", "import", "compile", "run", "verify", "report", "bench", "doctor"]
)
def test_help_of_verbs(capsys: Out, verb: str) -> None:
    code, out, _ = call(capsys, verb, "--help")
    assert code == 0
    assert "--json" in out
    assert "--quiet" in out
    assert "--verbose" in out


def test_version(capsys: Out) -> None:
    code, out, _ = call(capsys, "--version")
    assert code == 0
    assert out.startswith("stablespike 0.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "error: No such command 'nothing'. (stablespike --help lists"),
        (["demo", "--nothing"], "error: No such option: --nothing"),
        (["demo", "--images", "0"], "error: Invalid value for '--images'"),
        (["demo", "--images", "1001"], "error: images must be from 1 to 1000, not 1001"),
        (["bench", "--images", "5000"], "error: images must be from 1 to 1000, not 5000"),
        (["bench", "--device", "sim:no"], "error: 'sim:no' names no preset: sim: takes one of"),
        (["demo", "--array", "nothing"], "error: array must be an ArrayConfig or one of"),
        (["report"], "error: Missing argument 'PROGRAM'"),
        (["report", "/nothing"], "error: "),
        (["train", "nothing"], "error: "),
        (["bench", "--device", "usb:0"], "error: uri must be golden:"),
        (["bench", "--device", "sim:"], "error: 'sim:' names no preset: sim: takes one of icebr"),
    ],
)
def test_wrong_use(capsys: Out, arguments: list[str], message: str) -> None:
    code, out, err = call(capsys, *arguments)
    assert code == 2
    assert not out
    assert err.startswith(message)
    assert "Traceback" not in err


def test_no_verb_lists_them(capsys: Out) -> None:
    code, _, err = call(capsys)
    assert code == 2
    assert "Commands:" in err


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


def test_files_that_are_none(capsys: Out, files: Path) -> None:
    (files / "text").write_text("no array")
    np.savez(files / "two.npz", a=np.zeros(3), b=np.zeros(3))
    np.savez(files / "none.npz")
    np.savez(files / "empty.npz", samples=np.zeros((0, 6, 9)))
    np.save(files / "scalar.npy", np.array(3))
    whole = (files / "labelled.npz").read_bytes()
    (files / "cut.npz").write_bytes(whole[: len(whole) // 2])
    np.savez(files / "labels.npz", samples=np.zeros((2, 6, 9)), labels=np.arange(3))
    for name, message in {
        "missing.npy": "there is no file",
        "text": "is no array of numpy's",
        "cut.npz": "is no array of numpy's",
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
        assert 0 <= figures["accuracy"] <= 1
        assert figures["result"] == str(files / "out.npz")
        assert ("cycles_per_sample" in figures) == (device != "golden:")
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
        "events.npz": ["--bin-time", "7"],
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


def test_results_that_cannot_be_written(capsys: Out, files: Path) -> None:
    code, _, err = call(
        capsys, "run", files / "program", files / "samples.npy", "--device", "golden:",
        "-o", files / "nowhere" / "out.npz", "-q",
    )
    assert code == 2
    assert "out.npz cannot be written: No such file or directory" in err


def test_what_cannot_be_written_is_found_before_the_run(
    capsys: Out, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwanted(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("the device is opened")

    monkeypatch.setattr("stablespike.device.open_device", unwanted)
    monkeypatch.setattr("stablespike.demo.open_device", unwanted)
    pytest.importorskip("matplotlib")
    nowhere = files / "nowhere" / "out.npz"
    np.savez(files / "labels.npz", samples=np.zeros((2, 6, 9)), labels=np.arange(3))
    given = [files / "program", files / "samples.npy", "--device", "golden:", "-o"]
    wrong = [files / "program", files / "labels.npz", "--device", "golden:", "-o"]
    for arguments, message in (
        (["run", *given, nowhere], "out.npz cannot be written: No such file or directory"),
        (["run", *wrong, files / "out"], "labels.npz must be (2,), one per sample, not (3,)"),
        (["demo", "--picture", nowhere.with_suffix(".png")], "out.png cannot be written"),
        (["demo", "--picture", files / "picture"], "picture must end in one of"),
    ):
        code, _, err = call(capsys, *arguments)
        assert code == 2
        assert message in err

    monkeypatch.setattr("stablespike.files.load", unwanted)
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


def test_interrupted(capsys: Out, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stablespike.program.load_program", interrupt)
    code, _, err = call(capsys, "report", files / "program")
    assert code == 130
    assert err == "interrupted\n"


def test_a_fault_of_ours_is_not_hidden(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("stablespike.program.load_program", fail)
    with pytest.raises(ZeroDivisionError):
        main(["report", str(files / "program")])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("times", [1, 200])  # less and more than what is held back
def test_an_output_that_is_full(times: int) -> None:
    code = _PRINTING.format(times)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 3
    assert re.fullmatch(r"error: .*No space left on device\n", done.stderr)


@pytest.mark.parametrize("times", [1, 200])
def test_an_output_nobody_reads(times: int) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", _PRINTING.format(times)],
        stdout=write, stderr=subprocess.PIPE, text=True,
    )
    os.close(write)
    assert done.returncode == 141
    assert not done.stderr


_PRINTING = """
import sys
from stablespike import cli
@cli.app.command()
def lines():
    for _ in range({}):
        print("x" * 99)
sys.exit(cli.main(["lines"]))
"""


def test_other_errors_of_the_system(
    capsys: Out, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("stablespike.program.load_program", fail)
    code, _, err = call(capsys, "report", files / "program")
    assert code == 3
    assert err == f"error: [Errno 13] Permission denied: '{files / 'program'}'\n"


def test_log_lines(capsys: Out, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def log(path: Path) -> Any:
        logger = logging.getLogger("stablespike.sim.board")
        logger.info("detail")
        logger.warning("important")
        return load_program(path)

    monkeypatch.setattr("stablespike.program.load_program", log)
    both = "detail\nimportant\n"
    for option, lines in (("-q", ""), ("-v", both), ("-vv", both)):
        assert call(capsys, "report", files / "program", option)[2] == lines
    assert call(capsys, "report", files / "program")[2] == "important\n"
    assert call(capsys, "-q", "report", files / "program")[2] == ""


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


def test_what_an_extra_installs(capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stablespike.train", None)
    code, _, err = call(capsys, "train", "mnist-mlp")
    assert code == 3
    assert "is not installed: pip install 'stablespike[train]'" in err
    monkeypatch.setitem(sys.modules, "stablespike.golden", None)
    monkeypatch.delattr("stablespike.golden", raising=False)
    code, _, err = call(capsys, "bench", "--device", "golden:")
    assert code == 3
    assert "golden: needs PyTorch" in err


def test_doctor(capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = call(capsys, "doctor", "--json")
    checks = {check["name"]: check for check in json.loads(out)["checks"]}
    assert checks["numpy"]["found"]
    assert checks["shipped network"]["found"]
    assert code == int(any(c["needed"] and not c["found"] for c in checks.values()))
    monkeypatch.setenv("CXX", "nothing++")
    code, out, _ = call(capsys, "doctor")
    assert code == 1
    assert re.search(r"MISSING +C\+\+ compiler +\$CXX is 'nothing\+\+', which is no program", out)
    monkeypatch.delenv("CXX")
    monkeypatch.setattr("shutil.which", lambda name: None)
    code, out, _ = call(capsys, "doctor")
    assert code == 1
    assert "MISSING  C++ compiler" in out
    assert "for sim: devices: apt install g++" in out
    assert "absent   make" in out


def test_doctor_tries_the_cache(
    capsys: Out, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STABLESPIKE_CACHE", str(tmp_path / "new"))
    assert re.search(rf"ok +cache +{tmp_path}/new\n", call(capsys, "doctor")[1])
    (tmp_path / "file").touch()
    monkeypatch.setenv("STABLESPIKE_CACHE", str(tmp_path / "file"))
    code, out, _ = call(capsys, "doctor")
    assert code == 1
    assert re.search(rf"MISSING +cache +{tmp_path}/file takes no files \(File exists\)", out)


def test_demo(
    capsys: Out, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, board: Callable[..., Board]
) -> None:
    pytest.importorskip("matplotlib")
    from stablespike import demo
    from stablespike.datasets import shipped_path

    network = ss.load(shipped_path(demo.NETWORK))
    monkeypatch.setattr(demo, "_ALONE", 1)
    array = preset("icebreaker")
    made = board(*(ss.compile(network, array, steps=n) for n in (4, 16)))
    picture = tmp_path / "digit.png"
    code, out, err = call(capsys, "demo", "--images", 3, "--json", "--picture", picture)
    assert code == 0, err
    figures = json.loads(out)
    assert figures["images"] == 3
    assert figures["mismatches"] == 0
    assert figures["words"] == 3 * 2 * 138
    assert figures["array"] == "icebreaker"
    assert 0 < figures["utilization"] <= 1
    assert 0 < figures["utilization_alone"] <= 1
    assert figures["cycles_per_image"] > 100
    assert 100 < figures["link_bytes_per_image"] < 1000
    assert figures["accuracy"] in (0, 1 / 3, 2 / 3, 1)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "6 of 6 images" in err
    code, out, _ = call(capsys, "demo", "--images", 1, "--no-picture")
    assert code == 0
    assert "differences from golden" in out
    code, _, err = call(capsys, "demo", "--images", 1, "--picture", tmp_path / "no" / "x.png")
    assert code == 2
    assert "x.png cannot be written" in err

    def damage(packets: list[list[bytes]]) -> list[list[bytes]]:
        packets[0][-2] = packets[0][-2][:4] + b"\x7f" + packets[0][-2][5:]
        return packets

    made.change = damage
    assert call(capsys, "demo", "--images", 1, "--no-picture", "-q")[0] == 1


def test_a_picture_needs_matplotlib(capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.colors", None)
    code, _, err = call(capsys, "demo", "--images", 1)
    assert code == 3
    assert "a picture needs matplotlib" in err


def test_bench(capsys: Out, board: Callable[..., Board]) -> None:
    from stablespike.datasets import shipped_path
    from stablespike.demo import NETWORK

    board(ss.compile(ss.load(shipped_path(NETWORK)), preset("icebreaker"), steps=4))
    code, out, _ = call(capsys, "bench", "--images", 2, "--json")
    assert code == 0
    figures = json.loads(out)
    assert figures["images_per_second"] > 0
    assert figures["golden_images_per_second"] > 0
    assert figures["cycles_per_image"] > 0
    code, out, _ = call(capsys, "bench", "--device", "golden:", "--images", 2)
    assert code == 0
    assert "images per second" in out
    assert "cycles" not in out


class _Terminal:
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def isatty(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def test_on_a_terminal(capsys: Out, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", _Terminal(sys.stdout))
    monkeypatch.setattr(sys, "stderr", _Terminal(sys.stderr))
    monkeypatch.setenv("TERM", "dumb")
    code, out, _ = call(
        capsys, "verify", files / "program", files / "samples.npy", "--device", "golden:"
    )
    assert code == 0
    assert "different spike words" in out


def test_plain_values() -> None:
    assert plain(0.12345) == "0.1235"
    assert plain(12345.6) == "12,346"
    assert plain(1234567) == "1,234,567"
    assert plain("x") == "x"
