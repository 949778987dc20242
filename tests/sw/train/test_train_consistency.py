from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax

torch = pytest.importorskip("torch")

import stablespike as ss  # noqa: E402
from stablespike.train import (  # noqa: E402
    ConsistencyLoss,
    amplitude_noise,
    firing_rate,
    noise_loss,
    skeleton,
    skeleton_rate,
    spike_loss,
)
from stablespike.train.exact import spike  # noqa: E402

SHAPES = [(2, 3, 5), (4, 6), (5, 2, 3, 4, 4)]


def spikes(shape: tuple[int, ...], seed: int = 0) -> Any:
    return (torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.6).double()


@pytest.mark.parametrize("shape", SHAPES)
def test_rates_and_loss_are_the_plain_formulas(shape: tuple[int, ...]):
    features = spikes(shape)
    bits = features.numpy().astype(bool)
    stable = bits[:-1] & bits[1:]
    assert np.array_equal(skeleton(features).numpy().astype(bool), stable)
    assert skeleton_rate(features).numpy() == pytest.approx(stable.sum(0) / (shape[0] - 1))
    assert firing_rate(features).numpy() == pytest.approx(bits.sum(0) / shape[0])
    want = ((stable.mean(0) - bits.mean(0)) ** 2).mean()
    for detach in ("none", "skeleton", "rate"):
        assert float(spike_loss(features, detach)) == pytest.approx(want)


def test_rates_are_those_the_array_counts():
    rng = np.random.default_rng(0)
    network = ss.Network(
        input=ss.SpikeInput((20,)),
        layers=(ss.Dense(rng.integers(-8, 8, (12, 20)), neuron=ss.Neuron(threshold=60)),),
    )
    golden = ss.Golden(network).run(rng.integers(0, 2, (3, 6, 20)), trace=True)
    features = torch.from_numpy(golden.spikes[0].swapaxes(0, 1)).double()
    assert skeleton_rate(features).sum(1).numpy() * 5 == pytest.approx(golden.stable_counts[:, 0])
    assert firing_rate(features).sum(1).numpy() * 6 == pytest.approx(golden.spike_counts[:, 0])


@pytest.mark.parametrize("alpha", [1.0, 2.0, 3.5])
def test_noise_loss_is_the_plain_formula(alpha: float):
    rng = np.random.default_rng(1)
    clean, noisy = rng.normal(0, 3, (2, 7, 10))
    p, q = log_softmax(clean / alpha, 1), log_softmax(noisy / alpha, 1)
    want = alpha**2 * (np.exp(p) * (p - q)).sum(1).mean()
    for detach in ("none", "clean", "noisy"):
        found = noise_loss(torch.from_numpy(clean), torch.from_numpy(noisy), alpha, detach)
        assert float(found) == pytest.approx(want)
    assert float(noise_loss(torch.from_numpy(clean), torch.from_numpy(clean))) == pytest.approx(0)


def smooth(shape: tuple[int, ...], seed: int) -> Any:
    """With real numbers in place of spikes, every formula has a derivative."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_against_finite_differences(shape: tuple[int, ...]):
    assert torch.autograd.gradcheck(spike_loss, smooth(shape, 0))
    clean, noisy = smooth((4, 6), 1), smooth((4, 6), 2)
    assert torch.autograd.gradcheck(noise_loss, (clean, noisy))
    linear = torch.nn.Linear(int(np.prod(shape[2:])), 3).double()

    def total(features: Any) -> Any:
        same_noise = (skeleton_rate(features).detach() > 0.3).double()
        noisy = classify(skeleton_rate(features) + same_noise)
        return noise_loss(classify(firing_rate(features)), noisy)

    def classify(rates: Any) -> Any:
        return linear(rates.reshape(len(rates), -1))

    if len(shape) > 2:
        assert torch.autograd.gradcheck(total, smooth(shape, 3))


@pytest.mark.parametrize(
    ("loss", "detach", "reached"),
    [
        (spike_loss, "skeleton", (0, 1)), (spike_loss, "rate", (1, 0)), (spike_loss, "none", (1, 1))
    ],
)
def test_what_a_detached_skeleton_or_rate_leaves(
    loss: Callable[..., Any], detach: str, reached: tuple[int, int]
):
    """The gradient is the sum of those through the skeleton and through the rate."""
    features = smooth((3, 4, 5), 4)
    loss(features, detach).backward()
    stable, rate = skeleton_rate(features).detach(), firing_rate(features).detach()
    upstream = 2 * (stable - rate) / rate.numel()
    left = torch.cat([torch.zeros(1, 4, 5), features.detach()[:-1]])
    right = torch.cat([features.detach()[1:], torch.zeros(1, 4, 5)])
    want = reached[0] * upstream * (left + right) / 2 - reached[1] * upstream / 3
    assert torch.allclose(features.grad, want)


def test_what_a_detached_score_leaves():
    for detach, index in (("clean", 0), ("noisy", 1)):
        scores = [smooth((4, 6), 1), smooth((4, 6), 2)]
        noise_loss(*scores, detach=detach).backward()
        assert scores[index].grad is None
        assert scores[1 - index].grad.abs().max() > 0


def test_noise_is_bernoulli_without_gradient():
    rate = torch.tensor([0.0, 0.25, 1.0]).repeat(40_000, 1).requires_grad_()
    noise = amplitude_noise(rate, torch.Generator().manual_seed(0))
    assert not noise.requires_grad
    assert set(noise.unique().tolist()) == {0.0, 1.0}
    assert noise.mean(0).tolist() == pytest.approx([0.0, 0.25, 1.0], abs=0.01)
    again = amplitude_noise(rate, torch.Generator().manual_seed(0))
    assert torch.equal(noise, again)


def test_the_weighted_sum():
    features = spikes((4, 6, 8))
    linear = torch.nn.Linear(8, 3).double()

    def value(loss: Any) -> float:
        return float(loss.detach())

    def loss(beta: float, gamma: float, **options: Any) -> float:
        module = ConsistencyLoss(beta, gamma, **options)
        generator = torch.Generator().manual_seed(5)
        return value(module(features, linear, generator=generator))

    stable = skeleton_rate(features)
    noise = amplitude_noise(stable, torch.Generator().manual_seed(5))
    of_spikes = value(spike_loss(features))
    of_noise = value(noise_loss(linear(firing_rate(features)), linear(stable + noise), 3.0))
    assert loss(0.0, 0.0) == 0
    assert loss(2.0, 0.0) == pytest.approx(2 * of_spikes)
    assert loss(0.5, 0.25, alpha=3.0) == pytest.approx(0.5 * of_spikes + 0.25 * of_noise)
    assert (stable + noise).max() == 2


def test_clean_scores_can_be_given():
    features, linear = spikes((4, 6, 8)), torch.nn.Linear(8, 3).double()
    module, generator = ConsistencyLoss(0.0, 1.0), torch.Generator()
    clean = linear(firing_rate(features))
    one = module(features, linear, None, generator.manual_seed(1))
    other = module(features, linear, clean, generator.manual_seed(1))
    assert torch.equal(one, other)


def test_gradients_reach_a_backbone_through_surrogates():
    drive = smooth((4, 6, 8), 6)
    linear = torch.nn.Linear(8, 3).double()
    ConsistencyLoss()(spike(drive - 0.5, 1.0), linear).backward()
    assert (drive.grad != 0).double().mean() > 0.5
    assert linear.weight.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: skeleton(torch.ones(1, 4)), "features.*.* at least 2, .* not \\(1, 4\\)"),
        (lambda: spike_loss(spikes((3, 4)), "both"), "spike_detach.*none, skeleton"),
        (lambda: amplitude_noise(torch.tensor([0.5, 1.5])), "rate.*0 to 1.*1.5"),
        (lambda: amplitude_noise(torch.tensor([float("nan")])), "rate.*.* not nan"),
        (lambda: noise_loss(torch.ones(3, 4), torch.ones(3, 5)), r"not \(3, 4\) and \(3, 5\)"),
        (lambda: noise_loss(torch.ones(3, 4), torch.ones(3, 4), 0.0), "alpha.*more than 0"),
        (lambda: noise_loss(torch.ones(3, 4), torch.ones(3, 4), detach="all"), "noise_detach must"),
        (lambda: ConsistencyLoss(-1.0), "beta.*at least 0.*-1.0"),
        (lambda: ConsistencyLoss(gamma=float("nan")), "gamma.*at least 0.*nan"),
        (lambda: ConsistencyLoss(alpha=-2.0), "alpha.*more than 0.*-2.0"),
        (lambda: ConsistencyLoss(noise_detach="x"), "noise_detach.*none, clean"),
    ],
)
def test_refused(call: Callable[[], Any], match: str):
    with pytest.raises(ValueError, match=match):
        call()
