"""The command line imports NIR files and torch modules."""

import json
import re

import numpy as np
import pytest
import stablespike as ss
from stablespike.cli import main

nir = pytest.importorskip("nir")
pytest.importorskip("snntorch")

MODEL = """
import torch
from beside import neuron


def build():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 8), neuron(), torch.nn.Linear(8, 3), neuron())


def jelly():
    from spikingjelly.activation_based import neuron

    return torch.nn.Sequential(torch.nn.Linear(6, 8), neuron.IFNode(v_threshold=0.25))


def quiet():
    module = build()
    for each in (module[0], module[2]):
        torch.nn.init.zeros_(each.bias)
    return module


made = build()
linear = torch.nn.Linear(6, 8)
number = lambda: 3
weights = linear.state_dict


def broken():
    raise KeyError("weights.pt")
"""
BESIDE = """
import snntorch


def neuron():
    return snntorch.Leaky(beta=0.5, threshold=0.25, init_hidden=True)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with models and samples, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "beside.py").write_text(BESIDE)
    (tmp_path / "fails.py").write_text("import no_such_package\n")
    (tmp_path / "text.nir").write_text("text")
    rng = np.random.default_rng(0)
    net = ss.Network(ss.SpikeInput((6,)), [
        ss.Dense(rng.integers(-8, 8, (5, 6)), neuron=ss.Neuron(leak=(1, None), threshold=64)),
    ])
    graph = ss.to_nir(net)
    for node in (graph, *graph.nodes.values()):
        node.metadata = {}
    nir.write("plain.nir", graph)
    np.savez("spikes.npz", samples=rng.random((9, 4, 6)) < 0.5, labels=rng.integers(0, 3, 9))
    np.savez("events.npz", a=np.zeros(3, [("t", "i8"), ("x", "i2"), ("y", "i2"), ("p", "i2")]))
    np.save("pixels.npy", rng.integers(0, 16, (9, 2, 3)))
    return tmp_path


def call(capsys, *arguments):
    code = main(["import", *arguments, "-o", "net.safetensors"])
    out, err = capsys.readouterr()
    return code, out, err


SAID = ("--dt", "1e-4", "--reset", "subtract", "--reset-timing", "same_step")


def test_a_nir_file(capsys, folder):
    code, out, err = call(capsys, "plain.nir", *SAID, "--steps", "5")
    assert code == 0
    assert "assumed: forward Euler with dt = 0.0001" in out
    assert "leak 0.5 asked, 0.5 used (shifts 1, None), error +0" in out
    assert "exact for up to 5 steps: 0 spikes differ" in out
    assert "wrote net.safetensors" in err
    loaded = ss.load("net.safetensors")
    assert loaded.layers[0].neuron.compare == "gt"
    assert str(loaded.fidelity) == out.rstrip()
    assert main(["report", "net.safetensors"]) == 0
    assert capsys.readouterr().out == out
    code, out, _ = call(
        capsys, "plain.nir", *SAID, "--v-init", "2", "--sample-shape", "2,3", "--pixels", "4",
        "--input-scale", "0.25", "--steps", "3", "--calibration", "pixels.npy", "--json",
    )
    assert code == 0
    figures = json.loads(out)
    assert figures["count"] == 9
    assert figures["network"] == "net.safetensors"
    assert ss.load("net.safetensors").input == ss.PixelInput((2, 3), 4)


def test_recordings_for_calibration_and_test(capsys, folder):
    rng = np.random.default_rng(3)
    recordings = []
    for _ in range(20):
        events = np.zeros(30, [("t", "i8"), ("x", "u2")])
        events["t"], events["x"] = np.sort(rng.integers(0, 50, 30)), rng.integers(0, 12, 30)
        recordings.append(events)
    np.savez("camera.npz", *recordings, labels=rng.integers(0, 5, 20))
    small = [ss.fit_events(each, downscale=2) for each in recordings]
    binning = {"bin_time": 10, "start": 0, "late": "drop"}
    np.save("binned.npy", ss.bin_events(small, (6,), 4, **binning))
    said = ["plain.nir", *SAID, "--weight-bits", "4", "--steps", "4"]
    options = ["--bin-time", "10", "--start", "0", "--late", "drop", "--downscale", "2"]
    found = {}
    for samples, given in (("binned.npy", []), ("camera.npz", options)):
        code, out, err = call(
            capsys, *said, "--calibration", samples, "--test", samples, "--json", *given
        )
        assert code == 0, err
        found[samples] = json.loads(out)
        network = ss.load("net.safetensors")
        found[samples]["weight"] = network.layers[0].weight.tolist()
    assert found["camera.npz"].pop("accuracy") is not None
    assert found["binned.npy"].pop("accuracy") is None
    found["camera.npz"].pop("accuracy_source"), found["binned.npy"].pop("accuracy_source")
    assert found["camera.npz"] == found["binned.npy"]


def test_a_module(capsys, folder):
    for name in ("build", "made"):
        code, out, _ = call(
            capsys, f"model.py:{name}", "--sample-shape", "6", "--calibration", "spikes.npz",
            "--weight-bits", "8", "--json",
        )
        assert code == 0
        figures = json.loads(out)
        assert figures["accuracy"] is not None
        assert figures["layers"][0]["spikes"]["total"] == 9 * 4 * 8
        assert ss.load("net.safetensors").weight_bits == 8


def test_an_array_and_test_samples(capsys, folder):
    code, out, _ = call(
        capsys, "model.py:build", "--sample-shape", "6", "--array", "icebreaker",
        "--calibration", "spikes.npz", "--test", "spikes.npz", "--json",
    )
    assert code == 0
    figures = json.loads(out)
    assert (figures["array"], figures["misses"]) == ("icebreaker", [])
    assert figures["samples"] == "9 test samples, 4 steps"
    assert figures["accuracy"] is not None
    assert main(["report", "net.safetensors", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == figures


def test_silence_is_said_in_every_form(capsys, folder):
    np.save("quiet.npy", np.zeros((20, 4, 6)))
    plain = ("model.py:quiet", "--sample-shape", "6", "--calibration", "quiet.npy")
    code, out, err = call(capsys, *plain)
    assert code == 0
    assert out.startswith("warning: no neuron of any layer ever fired on these samples")
    assert "FidelityWarning" not in err
    code, out, err = call(capsys, *plain, "--json")
    figures = json.loads(out, parse_constant=pytest.fail)
    assert figures["warnings"][0].startswith("no neuron of any layer ever fired")
    assert figures["silent"] is True
    assert figures["exact"] is False
    assert figures["same_prediction"] is None
    assert figures["layers"][0]["spikes"]["overlap"] is None
    assert "warning: no neuron of any layer ever fired" in err


def test_a_network_without_a_report(capsys, folder):
    neuron = ss.Neuron(threshold=1)
    ss.save(ss.Network(ss.SpikeInput((3,)), [ss.Dense(np.ones((2, 3)), neuron=neuron)]), "made")
    assert main(["report", "made"]) == 2
    assert "made is a network without the report of an import" in capsys.readouterr().err
    assert main(["report", "none"]) == 2
    assert "none does not exist; expected a stablespike program" in capsys.readouterr().err


def test_a_module_of_spikingjelly_on_pixels(capsys, folder):
    pytest.importorskip("spikingjelly.activation_based")
    code, out, err = call(
        capsys, "model.py:jelly", "--sample-shape", "2,3", "--pixels", "4", "--steps", "3",
        "--input-scale", "0.0625",
    )
    assert code == 2  # nothing flattens its input
    assert not out
    assert "the module cannot be called with one sample of (1, 2, 3) (RuntimeError" in err
    code, out, _ = call(
        capsys, "model.py:jelly", "--sample-shape", "6", "--pixels", "4", "--steps", "3",
        "--input-scale", "0.0625",
    )
    assert code == 0
    assert "random pixels (seed 0; no calibration given), 3 steps" in out


def test_frames_and_a_zero(capsys, folder):
    np.save("frames.npy", np.random.default_rng(0).integers(0, 16, (9, 4, 6)))
    shared = ("--sample-shape", "6", "--input-scale", "0.125", "--input-zero", "8")
    for model in (("model.py:build",), ("plain.nir", *SAID)):
        code, out, _ = call(
            capsys, *model, *shared, "--frames", "4", "--calibration", "frames.npy",
        )
        assert code == 0
        assert "input: (6,) frames of 4 bits, new in every step, counted from 8, times 0.125" in out
        assert ss.load("net.safetensors").input == ss.FrameInput((6,), 4, zero=8)
    code, out, _ = call(capsys, "model.py:build", *shared, "--pixels", "4", "--steps", "3")
    assert code == 0
    assert ss.load("net.safetensors").input == ss.PixelInput((6,), 4, zero=8)


def test_a_nir_file_of_another_program(capsys, folder):
    one = np.ones(5, np.float32)
    tau = one * 1e-3 / np.log(2)
    nir.write("rockpool.nir", nir.NIRGraph.from_list(
        nir.Linear(np.ones((5, 6), np.float32)),
        nir.LIF(tau=tau, r=tau / 2e-3, v_leak=0 * one, v_threshold=one),
    ))
    code, out, _ = call(capsys, "rockpool.nir", "--writer", "rockpool")
    assert code == 0
    assert "decays of exp(-dt / tau) with dt = 0.001" in out
    rule = (*SAID[2:], "--dt", "1e-3", "--integration", "exponential")
    code, out, _ = call(capsys, "rockpool.nir", *rule, "--writer", "plain")
    assert code == 0
    assert "written by" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plain.nir", "--writer", "lava"], "writer must be one of 'rockpool', 'spyx'"),
        (["plain.nir", *SAID, "--integration", "exact"], "integration must be one of 'euler'"),
        (["plain.nir"], "dt, reset must be given: dt: layer0 (LIF)"),
        (["no.nir"], "no.nir does not exist; expected a NIR file"),
        (["text.nir"], "text.nir is not a NIR file"),
        (["plain.nir", *SAID, "--v-init", "rest"], "v_init must be 'v_leak', 'v_reset' or"),
        (["plain.nir", *SAID, "--sample-shape", "six"], "sample_shape must be sizes between"),
        (["plain.nir", *SAID, "--pixels", "4"],
         "sample_shape, input_scale, steps must be given: sample_shape with pixels"),
        (["plain.nir", "--pixels", "4", "--steps", "3"],
         "sample_shape, input_scale, dt, reset must be given: sample_shape with pixels"),
        (["model.py:build", "--pixels", "4"],
         "sample_shape, input_scale, steps must be given: sample_shape for a torch module"),
        (["plain.nir", *SAID, "--frames", "4"],
         "sample_shape, input_scale must be given: sample_shape with frames"),
        (["plain.nir", *SAID, "--frames", "4", "--input-zero", "2", "--calibration", "pixels.npy"],
         "sample_shape, input_scale must be given: sample_shape with frames"),
        (["model.py:build", "--pixels", "4", "--frames", "4"],
         "pixels=4 and frames=4 must not both be given"),
        (["model.py:build", "--input-zero", "4"],
         "input_zero=4 must not be given without pixels or frames"),
        (["model.py:build", "--sample-shape", "6", "--frames", "4", "--input-zero", "16"],
         "zero must be from 0 to 15, not 16"),
        (["plain.nir", *SAID, "--frames", "17"], "bits must be from 1 to 16, not 17"),
        (["plain.nir", *SAID, "--array", "icebreakr"], "array must be an ArrayConfig or one of"),
        (["plain.nir", *SAID, "--calibration", "events.npz", "--bin-time", "1"],
         "calibration: steps must be given for recordings"),
        (["plain.nir", *SAID, "--steps", "4", "--calibration", "events.npz"],
         "calibration: event samples need bin_time"),
        (["plain.nir", *SAID, "--crop", "0,0,2,2", "--downscale", "2"],
         "crop, downscale must not be given without recordings for calibration or test"),
        (["plain.nir", *SAID, "--calibration", "spikes.npz", "--downscale", "2"],
         "crop, downscale and merge_polarities are for events; spikes.npz has none"),
        (["plain.nir", *SAID, "--calibration", "spikes.npz", "--bin-time", "2"],
         "bin_time is for event arrays, which these samples are not: leave it out"),
        (["plain.nir", *SAID, "--calibration", "model.py"], "model.py is no file of samples"),
        (["model.py"], "say what in it is the model, model.py:NAME"),
        (["model.py:build"], "sample_shape must be given for a torch module"),
        (["model.py:build", *SAID], "dt, reset, reset_timing must not be given: a torch module"),
        (["model.py:other", "--sample-shape", "6"], "model.py has no other"),
        (["model.py:broken", "--sample-shape", "6"], "model.py:broken fails: KeyError"),
        (["model.py:number", "--sample-shape", "6"], "the model must be a torch.nn.Module, not 3"),
        (["model.py:weights", "--sample-shape", "6"], "not a dictionary of its weights: make the"),
        (["model.py:linear", "--sample-shape", "6"], "it has no neurons known here"),
        (["none.py:build", "--sample-shape", "6"], "none.py does not exist; expected a Python"),
        (["fails.py:build", "--sample-shape", "6"], "fails.py:build fails: ModuleNotFoundError"),
        (["model.py:build", "--sample-shape", "7"], "the module cannot be called with one sample"),
    ],
)
def test_wrong_use(capsys, folder, arguments, message):
    code, out, err = call(capsys, *arguments)
    assert code == 2
    assert not out
    assert re.search(re.escape(message), err)
    assert not (folder / "net.safetensors").exists()


def test_as_few_leaks_as_asked_for(folder):
    (folder / "several.py").write_text(
        "import snntorch, torch\n"
        "made = torch.nn.Sequential(torch.nn.Linear(6, 8), snntorch.Leaky(\n"
        "    beta=torch.linspace(0.2, 0.9, 8), threshold=0.25, init_hidden=True, output=True))\n"
    )
    for most, limit in (([], 8), (["--leaks", "2"], 2)):
        arguments = ["import", "several.py:made", "--sample-shape", "6", "-o", "net.safetensors"]
        assert main([*arguments, *most]) == 0
        kinds, _ = ss.load("net.safetensors").layers[0].neuron.kinds(8)
        assert 2 <= len(kinds) <= limit
