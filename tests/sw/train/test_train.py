from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stablespike.datasets import EVENT_DTYPE, shipped_mnist, shipped_path

torch = pytest.importorskip("torch")

from stablespike.spec import reference  # noqa: E402
from stablespike.train import (  # noqa: E402
    RECIPES,
    Result,
    data,
    entry,
    firing_rate,
    train,
)
from stablespike.train.data import distorted, read  # noqa: E402
from stablespike.train.model import Model, exported  # noqa: E402
from stablespike.train.run import Run  # noqa: E402
from training import SMALL, shipped_as_data, small_run  # noqa: E402, F401


def membranes(network: Any, images: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Readout and hidden spikes (steps, batch, hidden) in plain int64, from the numerics page."""
    hidden, last = network.layers
    one = 2**network.fraction_bits
    pixels = images.reshape(len(images), -1).astype(np.int64) >> (8 - network.input.bits)
    current = hidden.bias + one * (pixels @ hidden.weight.T)
    v, out, trace = np.zeros_like(current), np.zeros((len(images), 10), np.int64), []

    def leaked(value: np.ndarray, neuron: Any) -> np.ndarray:
        return value - sum(value >> shift for shift in neuron.leak if shift is not None)

    for _ in range(steps):
        u = np.clip(leaked(v, hidden.neuron) + current, -(2**15), 2**15 - 1)
        spike = u >= hidden.neuron.threshold
        v = u - spike * hidden.neuron.threshold
        trace.append(spike)
        drive = last.bias + one * (spike @ last.weight.T)
        out = np.clip(leaked(out, last.neuron) + drive, -(2**15), 2**15 - 1)
    return out, np.stack(trace)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"leak": (None, None), "readout_leak": (2, None)},
        {"leak": (2, 3), "readout_leak": (1, 1), "steps": 7},
        {"fraction_bits": 0, "weight_bits": 8, "acc_bits": 16, "pixel_bits": 2},
    ],
)
def test_exported_integers_compute_what_the_frozen_model_does(change: dict[str, Any]):
    plan = replace(SMALL, **change)
    images, run = small_run(plan, 3)
    run.one_epoch()
    with torch.no_grad():
        got, spikes = run.model(read(torch.from_numpy(images), plan))
    network = exported(run.model)
    want, trace = membranes(network, images, plan.steps)
    assert np.array_equal(got.numpy().astype(np.int64), want)
    assert np.array_equal(spikes.numpy().astype(bool), trace)
    assert 0 < trace.mean() < 1


def test_saturated_membranes_too():
    plan = replace(SMALL, weight_bits=8, acc_bits=20)
    images, run = small_run(plan, 1)
    with torch.no_grad():
        run.model.hidden[0].weights.latent.mul_(40)
        run.model.bound()
        run.model.hidden[0].log_theta.fill_(7.0)
        run.model.bias.fill_(900.0)
        got, _ = run.model(read(torch.from_numpy(images), plan))
    want, _ = membranes(exported(run.model), images, plan.steps)
    assert np.array_equal(got.numpy().astype(np.int64), want)
    assert (want == 2**15 - 1).any()


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

    import stablespike as ss

    assert ss.load(result.files["network"]) == result.network


def test_samples_on_which_the_golden_model_differs_are_counted(monkeypatch: pytest.MonkeyPatch):
    """Of a network that is not the frozen model: one threshold is 1 lower, or one last bias."""
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

    import stablespike as ss

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
        ({"epochs": 0}, ValueError, "epochs must be at least 1, not 0"),
        ({"epochs": 1.5}, TypeError, "epochs must be an integer, not 1.5"),
        ({"seed": -1}, ValueError, "seed must be at least 0, not -1"),
        ({"threads": True}, TypeError, "threads must be an integer, not True"),
        ({"torch_device": "tpu"}, ValueError, "torch_device must be one of cpu.*, not 'tpu'"),
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


def test_only_the_side_of_a_neuron_that_does_not_fit_is_scaled():
    weights = Model(SMALL, torch.zeros(784), torch.Generator().manual_seed(0)).hidden[0].weights
    with torch.no_grad():
        weights.latent[3] = torch.where(torch.arange(784) < 700, 6.0, -1.0)
    before = weights.latent.detach().clone()
    weights.bound(SMALL.acc_bits)
    after = weights.latent.detach()
    assert after[3, :700].unique().tolist() == pytest.approx([6 * 0.98 * 2048 / 4200])
    assert after[3, 700:].unique().tolist() == [-1.0]
    others = torch.arange(12) != 3
    assert torch.equal(after[others], before[others].clamp(-8.49, 7.49))


def test_weights_beyond_the_accumulators_are_refused():
    model = Model(SMALL, torch.zeros(784), torch.Generator().manual_seed(0))
    model.hidden[0].weights.latent.data[5] = -3.0
    with pytest.raises(ValueError, match=r"neuron 5 of layers\[0\] .* -2352 and 0, .*acc_bits=12"):
        exported(model)


GOLDEN = [
    {"norm": True},
    {"norm": True, "steps": 2, "weight_bits": 8, "acc_bits": 16},
    {"quantizer": "brevitas-channel"},
    {"quantizer": "brevitas-channel", "norm": True, "weight_bits": 8, "acc_bits": 16},
    {"quantizer": "brevitas-power-of-two", "steps": 2},
    {"reset": "zero", "compare": "gt", "synapse_leak": (2, None)},
    {"reset": "none", "leak": (1, 2), "readout_leak": (2, None)},
    {"reset_timing": "next_step", "norm": True, "beta": 1.0, "gamma": 0.1},
    {"gamma": 1.0, "noise_detach": "clean", "beta": 0.5, "spike_detach": "skeleton"},
    {"dataset": "nmnist-small", "side": 17, "norm": True, "steps": 3, "shift": 2.0},
    {"dataset": "nmnist-small", "side": 34, "steps": 5, "beta": 1.0, "fold": 4},
]


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recordings whose class is where most events are."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 600).astype(np.uint8)
    recordings = []
    for label in labels:
        recording = np.zeros(80, EVENT_DTYPE)
        recording["t"] = np.sort(rng.integers(0, 300_000, 80))
        recording["x"] = np.where(rng.random(80) < 0.7, 3 * label + 2, rng.integers(0, 34, 80))
        recording["y"], recording["p"] = rng.integers(0, 34, 80), rng.integers(0, 2, 80)
        recordings.append(recording)
    monkeypatch.setattr(data, "_recordings", lambda path: (recordings, labels))


@pytest.mark.usefixtures("events")
@pytest.mark.parametrize("change", GOLDEN)
def test_frozen_model_is_the_golden_model(change: dict[str, Any]):
    import stablespike as ss

    plan = replace(SMALL, **change)
    if plan.quantizer != "steps":
        pytest.importorskip("brevitas")
    run = Run("small", plan, 2, data.load(plan, "train", None))
    run.one_epoch()
    run.one_epoch()
    samples = data.load(plan, "test", None)
    membranes, spikes = run.evaluated(samples)
    inputs = read(samples.inputs, plan).numpy().astype(np.int64)
    network = exported(run.model)
    if plan.events:
        shaped = inputs.swapaxes(0, 1).reshape(-1, plan.steps, 2, plan.side, plan.side)
        golden = ss.Golden(network).run(shaped, trace=True)
    else:
        golden = ss.Golden(network).run(inputs.reshape(-1, 1, 28, 28), plan.steps, trace=True)
    assert np.array_equal(golden.readout, membranes.numpy().astype(np.int64))
    assert np.array_equal(golden.spikes[0], spikes.numpy().swapaxes(0, 1).astype(bool))
    assert 0 < golden.spikes[0].mean() < 1


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


def test_shifted_recordings():
    spikes = torch.zeros(40, 3, 2, 5, 5, dtype=torch.bool)
    spikes[:, 1, 0, 2, 1] = True
    plan = replace(SMALL.plain(), dataset="nmnist-small", side=17, shift=2.5)
    moved = distorted(spikes, plan, torch.Generator().manual_seed(0))
    assert moved.shape == spikes.shape
    where = moved.nonzero()
    assert set(map(tuple, where[:, 1:3].tolist())) == {(1, 0)}
    assert (where[:, 3].min(), where[:, 3].max()) == (0, 4)
    assert (where[:, 4].min(), where[:, 4].max()) == (0, 3)
    assert len(where) < 40  # some leave the map


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


def test_recordings_are_distorted_alike_in_every_step():
    spikes = torch.zeros(30, 3, 2, 17, 17, dtype=torch.uint8)
    spikes[:, :, :, 4:7, 8] = 1
    plan = replace(SMALL, dataset="nmnist-small", side=17, rotate=30.0, shift=2.0, elastic=1.0)
    moved = distorted(spikes, plan, torch.Generator().manual_seed(0))
    assert moved.dtype == spikes.dtype
    assert set(moved.unique().tolist()) == {0, 1}
    assert (moved == moved[:, :1, :1]).all()
    assert len(moved[:, 0, 0].unique(dim=0)) > 20


def test_every_recipe_is_of_data_there_is():
    for name, plan in RECIPES.items():
        assert plan.dataset.split("-")[0] == name.split("-")[0], name
    assert (RECIPES["mnist-mlp-2step"].hidden, RECIPES["mnist-mlp-2step"].steps) == (256, 2)
    both, noise = RECIPES["nmnist-both-t2"], RECIPES["fashion-noise-t4"]
    assert (both.steps, both.beta > 0, both.gamma > 0) == (2, True, True)
    assert (noise.steps, noise.beta, noise.gamma > 0) == (4, 0.0, True)


def test_values_that_are_not_finite_are_not_exported():
    model = Model(SMALL, torch.zeros(784), torch.Generator().manual_seed(0))
    model.bias.data[1] = float("nan")
    with pytest.raises(ValueError, match="bias is not finite: train again from the last good"):
        exported(model)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"fold": 1}, "fold must be from 0 to 0, not 1"),
        ({"dataset": "nmnist-small", "side": 28}, "side must divide the 34 pixels of nmnist"),
        ({"dataset": "cifar"}, "dataset must be one of 'mnist'"),
        ({"side": 13}, "side must divide the 28 pixels of mnist: 13"),
        ({"weight_bits": 5}, "weight_bits must be 4 or 8, not 5"),
        ({"steps": 0}, "steps must be from 1 to"),
        ({"steps": 1, "beta": 1.0}, "steps must be at least 2 with beta=1.0 and gamma=0.0"),
        ({"gamma": -1.0}, "gamma must be at least 0, not -1.0"),
        ({"beta": float("nan")}, "beta must be at least 0, not nan"),
        ({"rate": 0.0}, "rate must be more than 0, not 0.0"),
        ({"spike_detach": "all"}, "spike_detach must be one of 'none', 'skeleton', 'rate'"),
        ({"choose": "first"}, "choose must be one of 'best', 'last', not 'first'"),
        ({"reset": "hard"}, "reset must be one of 'subtract', 'zero', 'none'"),
        ({"rotate": float("nan")}, "rotate must be from 0 to 180, not nan"),
        ({"rotate": 181}, "rotate must be from 0 to 180, not 181"),
        ({"smoothing": 2}, "smoothing must be at least 0 and less than 1, not 2"),
        ({"scale": 5}, "scale must be at least 0 and less than 1, not 5"),
        ({"elastic": float("inf")}, "elastic must be at least 0, not inf"),
        ({"shift": -3}, "shift must be at least 0, not -3"),
        ({"shear": -0.1}, "shear must be at least 0, not -0.1"),
        ({"width": float("inf")}, "width must be more than 0, not inf"),
        ({"acc_bits": 18, "pixel_bits": 8}, "must add up to at most 25, not 26: sums of more"),
    ],
)
def test_refused_recipes(change: dict[str, Any], match: str):
    with pytest.raises(ValueError, match=match):
        replace(SMALL, **change)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"rotate": "x"}, "rotate must be a number, not 'x'"),
        ({"rate": "x"}, "rate must be a number, not 'x'"),
        ({"beta": True}, "beta must be a number, not True"),
        ({"gamma": None}, "gamma must be a number, not None"),
        ({"norm": "no"}, "norm must be True or False, not 'no'"),
        ({"mirror": 1}, "mirror must be True or False, not 1"),
        ({"weight_bits": 4.0}, "weight_bits must be an integer from 4 to 8, not 4.0"),
        ({"epochs": 2.0}, "epochs must be an integer"),
    ],
)
def test_recipes_of_wrong_types(change: dict[str, Any], match: str):
    with pytest.raises(TypeError, match=match):
        replace(SMALL, **change)


def test_nothing_left_to_train_on():
    with pytest.raises(ValueError, match="held_out must be less than the 1000 training samples"):
        small_run(replace(SMALL, held_out=1000), 0)


def test_elastic_displacements_are_bicubic():
    knots = torch.randn(3, 2, 7, 7, generator=torch.Generator().manual_seed(0))
    smooth = data._smooth(7, 28)
    want = torch.nn.functional.interpolate(knots, 28, mode="bicubic", align_corners=False)
    assert torch.allclose(smooth @ knots @ smooth.T, want, atol=1e-5)


def test_labels_beyond_the_classes():
    with pytest.raises(ValueError, match="classes must be more than the highest label, 9, not 9"):
        small_run(replace(SMALL, classes=9), 0)


def test_what_brevitas_is_installed_with(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "brevitas", None)
    with pytest.raises(ModuleNotFoundError, match=r"'brevitas-channel' needs .*stablespike\[train"):
        small_run(replace(SMALL, quantizer="brevitas-channel"), 0)


def test_brevitas_scales_are_learned_and_go_into_the_thresholds():
    """The integers of a model whose weights, thresholds and scales are all twice as large are the
    same."""
    pytest.importorskip("brevitas")
    plan = replace(SMALL, quantizer="brevitas-channel")
    _, run = small_run(plan, 1)
    hidden, before = run.model.hidden[0], exported(run.model)
    scale = hidden.weights()[1].detach()
    with torch.no_grad():
        for value in hidden.weights.parameters():
            value.mul_(2.0)
        hidden.log_theta.add_(float(np.log(2.0)))
    assert exported(run.model) == before
    assert scale.shape == (12, 1)
    assert run.model.weights()[1].numel() == 1
    run.one_epoch()
    assert not torch.allclose(hidden.weights()[1], 2 * scale)
    _, run = small_run(replace(plan, quantizer="brevitas-power-of-two"), 1)
    power = run.model.hidden[0].weights()[1].detach()
    assert float(power.log2()) == round(float(power.log2()))


def test_batch_normalisation_is_folded():
    """Spikes of the frozen model are those of real batch normalisation with a threshold of 1, where
    rounding to the grid does not decide."""
    _, run = small_run(replace(SMALL, norm=True, leak=(None, None), steps=1), 4)
    run.one_epoch()
    model, hidden = run.model.eval(), run.model.hidden[0]
    inputs = read(run.held.inputs, run.plan)
    with torch.no_grad():
        sums = inputs @ hidden.weights()[0].T
        normed = (sums - hidden.center) / (hidden.spread * hidden.log_theta.exp()) + hidden.bias
        _, spikes = model(inputs)
    clear = (normed - 1).abs() > 0.01
    assert clear.float().mean() > 0.9
    assert torch.equal(spikes[0][clear], (normed >= 1).float()[clear])
    assert 0 < spikes.mean() < 1


@pytest.mark.parametrize("change", [{}, {"norm": True}, {"readout_leak": (1, None), "steps": 1}])
def test_the_classifier_of_rates_gives_the_scores_of_the_spikes(change: dict[str, Any]):
    """Without a leak, or with a single step; its bias is added in each of them."""
    plan = replace(SMALL, **change)
    _, run = small_run(plan, 3)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        run.model.bias.copy_(5 * torch.randn(10, generator=generator))
        out, spikes = run.model(read(run.held.inputs, plan))
        classified = run.model.classify(firing_rate(spikes))
        scores = run.model.scores(out)
    assert torch.allclose(classified, scores, rtol=1e-5)
    assert float(scores.std()) > 0


def test_running_statistics_follow_the_batches():
    _, run = small_run(replace(SMALL, norm=True), 4)
    model, hidden = run.model.train(), run.model.hidden[0]
    inputs = read(run.held.inputs[:50], run.plan)
    with torch.no_grad():
        for _ in range(100):
            model(inputs)
        sums = inputs @ hidden.weights()[0].T
    assert torch.allclose(hidden.center, sums.mean(0), rtol=1e-3, atol=1e-2)
    assert torch.allclose(hidden.spread, sums.std(0, correction=0), rtol=1e-3)


def test_distorted_images_stay_images():
    images = torch.from_numpy(shipped_mnist(64)[0])
    bent = distorted(images, SMALL, torch.Generator().manual_seed(0))
    assert bent.shape == images.shape
    assert bent.dtype == torch.uint8
    assert not torch.equal(bent, images)
    still = replace(SMALL, rotate=0.0, scale=0.0, shear=0.0, shift=0.0, elastic=0.0)
    same = distorted(images, still, torch.Generator().manual_seed(0))
    assert (same.int() - images.int()).abs().max() <= 1


@pytest.mark.parametrize("shape", [(40, 28, 28), (40, 3, 2, 17, 17)])
def test_about_half_of_the_samples_are_mirrored(shape: tuple[int, ...]):
    samples = torch.randint(0, 2, shape, generator=torch.Generator().manual_seed(3)).byte()
    turned = distorted(
        samples, replace(SMALL.plain(), mirror=True), torch.Generator().manual_seed(0)
    )
    same, other = ((turned == each).flatten(1).all(1) for each in (samples, samples.flip(-1)))
    assert bool((same ^ other).all())
    assert 10 < int(other.sum()) < 30


def test_shipped_network_is_the_recipes_and_reads_the_shipped_images():
    import stablespike as ss

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
