from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from stablespike.datasets import shipped_mnist

torch = pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

import inference_and  # noqa: E402
import mnist10k  # noqa: E402
import runs  # noqa: E402
import stable_spike  # noqa: E402
import stablespike as ss  # noqa: E402
from stablespike.train import RECIPES, Diverged, data  # noqa: E402


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Options of an experiment of four networks of 12 hidden neurons on the shipped images."""
    monkeypatch.setattr(data, "mnist", lambda split, path=None: shipped_mnist())
    plan = replace(RECIPES["mnist-baseline-t2"], hidden=12, batch=100, held_out=200)
    monkeypatch.setitem(RECIPES, "mnist-baseline-t2", plan)
    return [
        "--out", str(tmp_path / "runs.jsonl"), "--work", str(tmp_path / "work"),
        "--datasets", "mnist", "--steps", "2", "--losses", "baseline", "both", "--gammas", "0.1",
        "--seeds", "2", "--epochs", "2", "--counted", "20",
    ]


def test_experiments_from_training_to_tables(
    small: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    stable_spike.main(small)
    out = capsys.readouterr().out
    assert out.startswith("4 runs, 0 there\n")
    lines = runs.read_lines(tmp_path / "runs.jsonl")
    assert [(line["losses"], line["seed"]) for line in lines] == [
        ("baseline", 0), ("both", 0), ("baseline", 1), ("both", 1)
    ]
    assert "### mnist, T = 2, 2 epochs" in out
    assert "| both | 1 | 0.1 | - | 2 |" in out
    check_a_line(lines[1], tmp_path / "work")

    cut = tmp_path / "runs.jsonl"
    whole = cut.read_text()
    cut.write_text(whole[:-40])
    stable_spike.main(small)
    assert capsys.readouterr().out.startswith("1 runs, 3 there\n")
    again = runs.read_lines(cut)
    assert {**again[3], "seconds": 0} == {**lines[3], "seconds": 0}

    options = [
        "--runs", str(cut), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "and.jsonl"),
        "--counted", "20",
    ]
    inference_and.main(options)
    assert "| mnist | 2 | both | 1.0 | 0.1 | 2 |" in capsys.readouterr().out
    found = runs.read_lines(tmp_path / "and.jsonl")
    assert [line["accuracy"] for line in found] == [line["test"] for line in again]
    assert all(line["skeleton_sops"] < line["sops"] for line in found)
    inference_and.main(options)
    assert runs.read_lines(tmp_path / "and.jsonl") == found


def check_a_line(line: dict[str, Any], work: Path) -> None:
    """Rates and SOPs are those of the network that was kept, on the golden model."""
    network = ss.load(stable_spike.folder(work, line) / "custom.safetensors")
    images, labels = shipped_mnist()
    pixels = (images >> 4).reshape(-1, 1, 28, 28)
    golden = ss.Golden(network).run(pixels, 2, trace=True)
    assert line["test"] == pytest.approx((golden.prediction == labels).mean())
    assert line["firing_rate"] == pytest.approx(golden.spike_counts[:, 0].mean() / 24, rel=1e-5)
    assert line["skeleton_rate"] == pytest.approx(golden.stable_counts[:, 0].mean() / 12, rel=1e-5)
    bits = np.unpackbits((images[:20] >> 4).reshape(20, -1), axis=1).sum(1)
    sops = 12 * bits + 10 * golden.spike_counts[:20, 0]
    assert line["sops"] == pytest.approx(sops.mean())
    assert line["cycles"] > 0


def test_a_stopped_run_goes_on(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    whole, part = tmp_path / "whole", tmp_path / "part"
    run = stable_spike.wanted(stable_spike.arguments(small))[1]
    want = stable_spike.execute(run, None, whole, 5)
    original, epochs = stable_spike.train, []

    def stop(line: str) -> None:
        epochs.append(line)
        raise KeyboardInterrupt

    monkeypatch.setattr(
        stable_spike, "train", lambda *given, **named: original(*given, **named, progress=stop)
    )
    with pytest.raises(KeyboardInterrupt):
        stable_spike.execute(run, None, part, 5)
    monkeypatch.setattr(stable_spike, "train", original)
    assert epochs[0].startswith("epoch 1/2")
    found = stable_spike.execute(run, None, part, 5)
    assert {**found, "seconds": 0} == {**want, "seconds": 0}


def test_a_run_that_diverges_is_told_apart(
    small: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    original = stable_spike.train

    def train(plan: Any, **options: Any) -> Any:
        if plan.beta and options["seed"] == 1:
            raise Diverged("the loss is nan in batch 3 of epoch 1")
        return original(plan, **options)

    monkeypatch.setattr(stable_spike, "train", train)
    stable_spike.main(small)
    out = capsys.readouterr().out
    assert "seed=1 fold=0 epochs=2: the loss is nan in batch 3 of epoch 1" in out
    assert "2 epochs, 1 diverged" in out
    assert "| both | 1 | 0.1 | - | 1 |" in out
    options = inference_and.arguments(["--runs", str(tmp_path / "runs.jsonl")])
    assert len(list(inference_and.networks(options, set()))) == 3


def test_nothing_to_measure_says_so(tmp_path: Path):
    with pytest.raises(SystemExit, match=r"does not exist: run stable_spike\.py first"):
        inference_and.main(["--runs", str(tmp_path / "none")])


def test_folds_and_gammas_are_all_wanted():
    options = stable_spike.arguments(["--seeds", "3", "--gammas", "0.1", "1", "--steps", "2"])
    runs_wanted = stable_spike.wanted(options)
    # Baseline, spike, two of noise, two of both; MNIST and five folds.
    assert len(runs_wanted) == 3 * 6 * 6
    assert len({stable_spike.identity(run) for run in runs_wanted}) == len(runs_wanted)
    assert {run["fold"] for run in runs_wanted if run["dataset"] == "nmnist-small"} == set(range(5))
    assert stable_spike.plan_of(runs_wanted[-1]).gamma == 1.0


def test_only_what_a_loss_has_is_swept():
    options = stable_spike.arguments([
        "--datasets", "mnist", "--steps", "4", "--seeds", "1", "--gammas", "0.1", "1",
        "--spike-detach", "none", "skeleton", "--noise-detach", "clean", "--betas", "1", "10",
    ])
    kinds = [stable_spike.identity(run)[2:7] for run in stable_spike.wanted(options)]
    assert len(set(kinds)) == len(kinds) == 1 + 4 + 2 + 8
    assert kinds[0] == ("baseline", 0.0, 0.0, "none", "none")
    assert ("spike", 10.0, 0.0, "skeleton", "none") in kinds
    assert ("noise", 0.0, 1.0, "none", "clean") in kinds


def test_lines_that_are_no_runs(tmp_path: Path):
    file = tmp_path / "x.jsonl"
    assert runs.read_lines(file) == []
    runs.add_line(file, {"a": 1})
    file.write_text(file.read_text() + '{"b": ')
    assert runs.read_lines(file) == [{"a": 1}]
    assert json.loads(file.read_text()) == {"a": 1}
    file.write_text("[3]\n")
    with pytest.raises(ValueError, match=r"x.jsonl line 1 is not a finished run"):
        runs.read_lines(file)


def test_paired_tests():
    ours, theirs = [0.5, 0.7, 0.6, 0.9, 0.8], [0.4, 0.65, 0.5, 0.7, 0.79]
    found = runs.paired(ours, theirs)
    assert found["difference"] == pytest.approx(0.092)
    assert found["t_test"] == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)
    assert found["sign_flips"] == pytest.approx(2 / 32)  # all five of one sign
    assert math.isnan(runs.paired([0.5], [0.4])["t_test"])
    assert math.isnan(runs.paired([0.5, 0.6], [0.4, 0.5])["t_test"])


def test_only_seeds_with_the_same_folds_are_paired():
    def run(losses: str, seed: int, fold: int, test: float) -> dict[str, Any]:
        weights = (0.0, 0.0) if losses == "baseline" else (1.0, 0.1)
        key = ("nmnist-small", 2, losses, *weights, "none", "none", seed, fold, 3)
        figures = dict.fromkeys(("skeleton_rate", "firing_rate", "sops", "cycles"), 1.0)
        key_of = dict(zip(stable_spike.KEY, key, strict=True))
        return {**key_of, **figures, "consistency": None, "test": test}

    lines = [run("baseline", seed, fold, 0.5) for seed in (0, 1, 2) for fold in (0, 1)]
    lines += [run("both", seed, fold, 0.6 + seed / 100) for seed in (0, 1) for fold in (0, 1)]
    lines += [run("both", 2, 0, 1.0)]
    row = stable_spike.summary(lines).splitlines()[-1].split(" | ")
    assert row[:5] == ["| both", "1", "0.1", "-", "5"]
    assert row[7] == "+10.50%"
    assert row[12] == "-"


def test_selected_and_margins():
    assert inference_and.selected([3, 1, 2, 2], 0.5).tolist() == [True, False, True, False]
    assert inference_and.margins(np.array([[5, 1, 3], [2, 2, 0]])).tolist() == [2, 0]
    right = np.array([True, False])
    assert inference_and.accuracy(right, np.array([False, False])) is None
    assert inference_and.accuracy(right, np.array([True, True])) == 0.5


def test_fitted_biases_recover_what_the_skeleton_lost():
    """A class that wins by its bias: its membrane is moved back."""
    rng = np.random.default_rng(0)
    neuron = ss.Neuron(threshold=1)
    network = ss.Network(
        input=ss.SpikeInput((4,)),
        layers=(
            ss.Dense(8 * np.eye(4, dtype=int) - (np.eye(4, dtype=int)), neuron=neuron),
            ss.Dense(np.eye(4, dtype=int), [0, 0, 0, 400], neuron=ss.Neuron(fires=False)),
        ),
        readout="membrane", fraction_bits=4,
    )
    labels = rng.integers(0, 4, 400)
    samples = np.zeros((400, 3, 4), int)
    samples[np.arange(400), :, labels] = 1
    skeleton = inference_and.emitting(network, "skeleton")
    before = inference_and.ran(skeleton, samples, 3).prediction
    bias = inference_and.fitted_bias(network, samples, labels, 3)
    fitted = inference_and.emitting(network, "skeleton", bias)
    assert (before == 3).all()
    assert (inference_and.ran(fitted, samples, 3).prediction == labels).all()


def test_mnist_on_the_board_with_as_many_steps_as_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The golden device in place of the simulated board."""
    devices = ss.open_device
    monkeypatch.setattr(mnist10k.ss, "open_device", lambda uri: devices("golden:"))
    monkeypatch.setattr(mnist10k, "mnist", lambda split: shipped_mnist(6))
    file = tmp_path / "figures.json"
    for asked, steps in (([], 4), (["--steps", "2"], 2)):
        monkeypatch.setattr(sys, "argv", ["mnist10k.py", "-o", str(file), *asked])
        assert mnist10k.main() == 0
        figures = json.loads(file.read_text())
        assert (figures["network"], figures["steps"]) == ("mnist-mlp", steps)
