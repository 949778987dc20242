"""The model that is trained: its integers are those of the network it becomes."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import stablespike as ss

torch = pytest.importorskip("torch")

from stablespike.train import data, firing_rate  # noqa: E402
from stablespike.train.data import read  # noqa: E402
from stablespike.train.model import Model, exported  # noqa: E402
from stablespike.train.run import Run  # noqa: E402
from training import SMALL, events, membranes, shipped_as_data, small_run  # noqa: E402, F401


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"leak": (None, None), "readout_leak": (2, None)},
        {"leak": (2, 3), "readout_leak": (1, 1), "steps": 7},
        {"leak": ss.Leak(1, 4, add=True), "readout_leak": ss.Leak(3, 6, add=True), "steps": 5},
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


GOLDEN = [
    {"norm": True},
    {"norm": True, "steps": 2, "weight_bits": 8, "acc_bits": 16},
    {"quantizer": "brevitas-channel"},
    {"quantizer": "brevitas-channel", "norm": True, "weight_bits": 8, "acc_bits": 16},
    {"quantizer": "brevitas-power-of-two", "steps": 2},
    {"reset": "zero", "compare": "gt", "synapse_leak": (2, None)},
    {"reset": "none", "leak": (1, 2), "readout_leak": (2, None)},
    {"leak": ss.Leak(1, 4, add=True), "synapse_leak": ss.Leak(0, 3, add=True)},
    {"reset_timing": "next_step", "norm": True, "beta": 1.0, "gamma": 0.1},
    {"gamma": 1.0, "noise_detach": "clean", "beta": 0.5, "spike_detach": "skeleton"},
    {"dataset": "nmnist-small", "side": 17, "norm": True, "steps": 3, "shift": 2.0},
    {"dataset": "nmnist-small", "side": 34, "steps": 5, "beta": 1.0, "fold": 4},
]


@pytest.mark.usefixtures("events")
@pytest.mark.parametrize("change", GOLDEN)
def test_frozen_model_is_the_golden_model(change: dict[str, Any]):

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


def test_values_that_are_not_finite_are_not_exported():
    model = Model(SMALL, torch.zeros(784), torch.Generator().manual_seed(0))
    model.bias.data[1] = float("nan")
    with pytest.raises(ValueError, match="bias is not finite: train again from the last good"):
        exported(model)


def test_what_brevitas_is_installed_with(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "brevitas", None)
    with pytest.raises(ModuleNotFoundError, match=r"'brevitas-channel' needs .*stablespike\[train"):
        small_run(replace(SMALL, quantizer="brevitas-channel"), 0)


def test_brevitas_scales_are_learned_and_go_into_the_thresholds():
    """Twice the weights, thresholds and scales give the same integers."""
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
    """The network's spikes are those of real batch normalisation with a threshold of 1.

    Membranes so close to the threshold that rounding decides are left out.
    """
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
    """Without a leak or with a single step; the bias is added in every step."""
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
