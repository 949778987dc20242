"""Training runs, and the results they give."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from stablespike.datasets import shipped_mnist, shipped_path

torch = pytest.importorskip("torch")

from stablespike.spec import reference  # noqa: E402
from stablespike.train import RECIPES, Result, entry, train  # noqa: E402
from stablespike.train.model import Model, exported  # noqa: E402
from stablespike.train.run import Run  # noqa: E402
from training import SMALL, events, membranes, shipped_as_data, small_run  # noqa: E402, F401


def test_result_is_the_exported_networks_own(tmp_path: Path):
    lines: list[str] = []
    result = train(SMALL, out=tmp_path, progress=lines.append)
    images, labels = shipped_mnist()
    out, spikes = membranes(result.network, images, SMALL.steps)
    assert result.test == pytest.approx((out.argmax(1) == labels).mean())
    right = out[-SMALL.held_out :].argmax(1) == labels[-SMALL.held_out :]
    assert result.validation == pytest.approx(right.mean(), abs=1e-6)
    assert result.active == pytest.approx(spikes.any(0).sum(1).mean(), rel=1e-5)
    assert result.spikes == pytest.approx(spikes.sum((0, 2)).mean(), rel=1e-5)
    assert result.pixels == pytest.approx((images > 15).sum((1, 2)).mean(), rel=1e-5)
    assert lines[0].startswith("epoch 1/2: loss ")
    assert "test accuracy" in lines[2]
    assert lines[3] == "test samples on which the golden model differs: 0"

    figures = json.loads(Path(result.files["figures"]).read_text())
    assert figures == json.loads(json.dumps(result.summary()))
    assert (figures["recipe"], figures["epochs"], figures["threads"]) == ("custom", 2, 1)
    assert figures["torch_device"] == "cpu"
    assert figures["golden_differences"] == 0


    assert ss.load(result.files["network"]) == result.network


def test_samples_on_which_the_golden_model_differs_are_counted(monkeypatch: pytest.MonkeyPatch):
    """The network differs from the model in a threshold or in the biases of the last layer."""
    images, _ = shipped_mnist()
    frozen: list[Any] = []

    def other(change: str, model: Model) -> Any:
        network = exported(model)
        frozen.append(network)
        hidden, last = network.layers
        if change == "threshold":
            theta = hidden.neuron.threshold - (np.arange(12) == np.argmax(hidden.bias))
            hidden = ss.Dense(hidden.weight, hidden.bias, neuron=replace(
                hidden.neuron, threshold=theta))
        else:
            last = ss.Dense(last.weight, last.bias + 1, neuron=last.neuron)
        return ss.Network(network.input, (hidden, last), readout="membrane")


    for change in ("threshold", "bias"):
        monkeypatch.setattr(entry, "exported", partial(other, change))
        result = train(SMALL, epochs=1)
        (out, spikes), (seen, fired) = (
            membranes(each, images, SMALL.steps) for each in (frozen[-1], result.network)
        )
        want = (out != seen).any(1) | (spikes != fired).any((0, 2))
        assert result.golden_differences == want.sum() > 0


@pytest.mark.parametrize(("choose", "chosen"), [("best", 2), ("last", 3)])
def test_which_epoch_is_chosen(choose: str, chosen: int, monkeypatch: pytest.MonkeyPatch):
    held_out = iter((0.3, 0.5, 0.4))
    monkeypatch.setattr(Run, "accuracy", lambda run, samples: next(held_out))
    result = train(replace(SMALL, choose=choose), epochs=3)
    assert (result.best_epoch, result.validation) == (chosen, 0.5 if chosen == 2 else 0.4)


def test_learns():
    result = train(replace(SMALL, hidden=32, batch=50), epochs=12)
    assert result.validation > 0.7


def test_same_seed_same_network_other_seed_another():
    first, again, other = (train(SMALL, epochs=1, seed=seed) for seed in (5, 5, 6))
    assert first.network == again.network
    assert first.network != other.network


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"recipe": "mnist-cnn"}, ValueError, "no recipe 'mnist-cnn': there are mnist-mlp"),
        ({"recipe": 3}, ValueError, "no recipe 3"),
        ({"epochs": 0}, ValueError, "epochs must be from 1 .*not 0"),
        ({"epochs": 1.5}, TypeError, "epochs.*integer.*1.5"),
        ({"seed": -1}, ValueError, "seed must be from 0 to 2147483647, not -1"),
        ({"seed": 1 << 70}, ValueError, "seed must be from 0 to 2147483647, not 1180591620717"),
        ({"threads": True}, TypeError, "threads.*integer.*True"),
        ({"torch_device": "tpu"}, ValueError, "torch_device.*cpu.*.*'tpu'"),
    ],
)
def test_refused_arguments(arguments: dict[str, Any], error: type[Exception], match: str):
    with pytest.raises(error, match=match):
        train(**arguments)


def test_training_keeps_weights_within_the_accumulators():
    plan = replace(SMALL, acc_bits=9)
    network = train(plan, epochs=2).network
    high = max(np.maximum(layer.weight, 0).sum(1).max() for layer in network.layers)
    low = min(np.minimum(layer.weight, 0).sum(1).min() for layer in network.layers)
    assert 128 < high < 256
    assert -256 <= low < -128


@pytest.mark.usefixtures("events")
def test_learns_from_events():
    plan = replace(
        SMALL, dataset="nmnist-small", side=17, hidden=32, batch=20, held_out=80, norm=True,
        shift=0.0, gamma=0.1, beta=1.0, epochs=8,
    )
    result = train(plan)
    assert result.test > 0.7
    assert result.golden_differences == 0
    assert 0 < result.skeleton_rate < result.firing_rate < 1


def test_losses_change_what_is_learned():
    plan = replace(SMALL, hidden=32, batch=50).plain()
    plain, steady, drawn = (
        train(replace(plan, beta=beta, spike_detach=detach), epochs=4)
        for beta, detach in ((0.0, "none"), (30.0, "none"), (30.0, "skeleton"))
    )
    assert steady.firing_rate - steady.skeleton_rate < plain.firing_rate - plain.skeleton_rate
    assert drawn.firing_rate < 0.8 * plain.firing_rate


def test_devices_that_trained_are_told(tmp_path: Path):
    train(SMALL, out=tmp_path)
    file = tmp_path / "custom.checkpoint.pt"
    kept = torch.load(file, weights_only=True)
    kept["figures"].update(epoch=1, best_epoch=1, devices="cuda")
    torch.save(kept, file)
    assert train(SMALL, out=tmp_path, resume=True).torch_device == "cuda, cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch has no GPU")
def test_a_gpu_is_exact():
    for plan in (SMALL, RECIPES["mnist-conv"]):
        result = train(replace(plan, held_out=500), epochs=1, torch_device="cuda")
        assert (result.golden_differences, result.torch_device) == (0, "cuda")


def test_nothing_left_to_train_on():
    with pytest.raises(ValueError, match=r"held_out.*less than the 1000 training samples"):
        small_run(replace(SMALL, held_out=1000), 0)


def test_labels_beyond_the_classes():
    with pytest.raises(ValueError, match=r"classes.*more than the highest label, 9.*9"):
        small_run(replace(SMALL, classes=9), 0)


def test_shipped_network_is_the_recipes_and_reads_the_shipped_images():

    network = ss.load(shipped_path("mnist-mlp.safetensors"))
    plan = RECIPES["mnist-mlp"]
    assert network.input == ss.PixelInput(shape=(1, 28, 28), bits=plan.pixel_bits)
    assert [layer.weight.shape for layer in network.layers] == [(plan.hidden, 784), (10, 128)]
    for layer in network.layers:
        assert np.maximum(layer.weight, 0).sum(1).max() < 2 ** (plan.acc_bits - 1)
        assert np.minimum(layer.weight, 0).sum(1).min() >= -(2 ** (plan.acc_bits - 1))
    images, labels = shipped_mnist()
    out, _ = membranes(network, images, plan.steps)
    assert (out.argmax(1) == labels).mean() >= 0.98

    pixels = (images[:3].reshape(3, 1, 28, 28) >> 4).astype(int)
    for sample, want in zip(pixels, out[:3], strict=True):
        assert reference.run(network, sample, plan.steps, plan.steps).readout == want.tolist()


def test_summary_leaves_out_the_network():
    assert "network" not in Result.summary(train(SMALL, epochs=1))
