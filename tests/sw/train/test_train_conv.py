from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from stablespike.datasets import shipped_mnist, shipped_path
from stablespike.datasets.shipped import pixels

torch = pytest.importorskip("torch")

import stablespike as ss  # noqa: E402
from stablespike.train import RECIPES, Convolution, ExactNeuron, Recipe, data, train  # noqa: E402
from stablespike.train.data import Samples  # noqa: E402
from stablespike.train.exact import spike, straight_through  # noqa: E402
from stablespike.train.hidden import exact_conv2d  # noqa: E402
from stablespike.train.model import exported  # noqa: E402
from stablespike.train.run import Run  # noqa: E402

SMALL = Recipe(
    convolutions=(Convolution(4, 5, 2), Convolution(6, 3, 2, 1)), hidden=0, norm=True, steps=2,
    batch=100, held_out=200, epochs=2,
)


def few(plan: Recipe, seed: int) -> Samples:
    """Random samples; what is compared needs no more."""
    generator = torch.Generator().manual_seed(seed)
    shape = (plan.steps, 2, plan.side, plan.side) if plan.events else (28, 28)
    inputs = torch.randint(0, 2 if plan.events else 256, (300, *shape), generator=generator)
    labels = torch.randint(0, 10, (300,), generator=generator)
    labels[0] = 9
    return Samples(inputs.to(torch.uint8), labels)


def random_plan(seed: int) -> Recipe:
    rng = np.random.default_rng(seed)
    dataset, side = (("mnist", 28), ("nmnist-small", 17))[rng.integers(2)]
    plan = Recipe(
        dataset=dataset, side=side, norm=True, batch=100, held_out=100,
        steps=int(rng.integers(1, 6)), hidden=int(rng.choice([0, 9])),
        leak=((1, None), (None, None), (2, 3), ss.Leak(1, 4, add=True))[rng.integers(4)],
        reset=str(rng.choice(["subtract", "zero"])), compare=str(rng.choice(["ge", "gt"])),
        weight_bits=int(rng.choice([4, 8])), acc_bits=16,
        shift=0.0, convolutions=(Convolution(2),),
    )
    while True:
        drawn = []
        for _ in range(rng.integers(1, 4)):
            kernel = int(rng.integers(1, 6))
            drawn.append(Convolution(
                int(rng.integers(1, 9)), kernel, int(rng.integers(1, 3)),
                int(rng.integers(0, kernel)), int(rng.choice([1, 1, 2])),
                int(rng.choice([1, 1, 2, 3])),
            ))
        try:
            return replace(plan, convolutions=tuple(drawn))
        except ValueError:  # nothing is left of the map
            continue


@pytest.mark.parametrize("seed", range(16))
def test_frozen_model_is_the_golden_model(seed: int):
    plan = random_plan(seed)
    run = Run("random", plan, seed, few(plan, seed))
    run.one_epoch()
    membranes, features = run.evaluated(run.held)
    network = exported(run.model)
    golden = ss.Golden(network).run(
        data.shaped(run.held.inputs, plan), None if plan.events else plan.steps, trace=True
    )
    assert np.array_equal(golden.readout, membranes.numpy().astype(np.int64))
    last, shape = network.layers[-2], network.neuron_shapes[-2]
    flat = golden.spikes[-2].reshape(len(run.held), plan.steps, -1).astype(np.uint16)
    read = flat if last.pool_after is None else last.pool_after.words(flat, shape)
    assert np.array_equal(read, features.numpy().swapaxes(0, 1))
    for index, made in enumerate(plan.convolutions):
        assert network.layers[index].output_shape(network.input_shapes[index]) == (
            made.output_shape(network.input_shapes[index])
        )


def test_learns_and_says_how_many_differ_from_golden(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(data, "mnist", lambda split, path=None: shipped_mnist())
    plan = replace(SMALL, batch=50, convolutions=(
        Convolution(8, 5, 2, sum_pool=1), Convolution(16, 3, max_pool=2)
    ))
    result = train(plan, epochs=6)
    assert result.validation > 0.6
    assert result.golden_differences == 0
    assert [layer.kind for layer in result.network.layers] == ["conv2d", "conv2d", "dense"]


def test_sum_pools_count_in_the_accumulators():
    plan = replace(SMALL, acc_bits=10, convolutions=(Convolution(4, 7, sum_pool=2),))
    run = Run("narrow", plan, 0, few(plan, 0))
    latent = run.model.hidden[0].weights.latent
    with torch.no_grad():
        latent.copy_(torch.where(torch.arange(49) < 40, 6.0, -1.0))
    run.model.bound()
    assert latent[:, :40].unique().tolist() == pytest.approx([6 * 0.98 * 128 / 240])
    low, high = exported(run.model).layers[0].sum_bounds((1, 28, 28))
    assert (low.min(), high.max()) == (-9 * 4, 3 * 40 * 4)
    with torch.no_grad():
        latent.fill_(3)
    with pytest.raises(ValueError, match=r"of neuron 0 of layers\[0\] .* sum to 0 and 588, beyond"):
        exported(run.model)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"norm": False}, "norm.*True with convolutions"),
        ({"hidden": -1}, "hidden.*0 to"),
        ({"convolutions": ()}, "hidden.*1 to"),
        ({"convolutions": (Convolution(4, 7, 3), Convolution(4, 7), Convolution(4, 7))},
         r"convolutions\[2\]: nothing is left of a map of \(4, 2, 2\) after \{'channels': 4, "),
    ],
)
def test_refused_recipes(change: dict[str, Any], match: str):
    with pytest.raises(ValueError, match=match):
        replace(SMALL, **change)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((0,), "channels.*1"),
        ((4, 8), "kernel.*1 to 7.*8"),
        ((4, 3, 0), "stride.*1"),
        ((4, 3, 1, 3), "padding.*0 to 2.*3"),
        ((4, 3, 1, 0, 0), "sum_pool.*1"),
        ((4, 3, 1, 0, 1, 0), "max_pool.*1"),
    ],
)
def test_refused_convolutions(arguments: tuple[int, ...], match: str):
    with pytest.raises(ValueError, match=match):
        Convolution(*arguments)


def test_convolutions_of_a_wrong_type():
    with pytest.raises(TypeError, match=r"convolutions.*tuple of Convolution.*3"):
        replace(SMALL, convolutions=3)


@pytest.mark.parametrize("steps", [None, 3])
@pytest.mark.parametrize("leak", [(None, None), (1, None), (2, 3), ss.Leak(1, 4, add=True)])
@pytest.mark.parametrize("scale", [1, 300])
def test_few_passes_have_the_gradients_of_step_by_step(
    steps: int | None, leak: tuple[int | None, int | None], scale: int
):
    """Membranes saturate at the larger scale."""
    generator = torch.Generator().manual_seed(0)
    shape = (3, 5, 7) if steps is None else (5, 7)
    current = scale * torch.randint(-90, 200, shape, generator=generator).float()
    threshold = scale * torch.randint(20, 110, (7,), generator=generator).float()
    neuron = ExactNeuron(leak=leak)

    def one_by_one(drive: Any, theta: Any) -> tuple[Any, Any]:
        v, spikes = torch.zeros(5, 7), []
        for each in drive.unbind(0) if steps is None else (drive,) * steps:
            a, c = (
                0 * v if shift is None else straight_through(v * 2.0**-shift, torch.floor)
                for shift in leak
            )
            leaked = v - a + c if ss.Leak.of(leak).add else v - a - c
            u = (leaked + each).clamp(-(2.0**15), 2.0**15 - 1)
            spikes.append(spike(u / theta - 1, neuron.width))
            v = u - spikes[-1] * theta
        return torch.stack(spikes), v

    found = []
    for function in (lambda *both: neuron(*both, steps), one_by_one):
        values = current.clone().requires_grad_(), threshold.clone().requires_grad_()
        spikes, v = function(*values)
        weights = torch.randn(spikes.shape, generator=torch.Generator().manual_seed(1))
        ((weights * spikes).sum() + (v * weights[0]).sum() / 100).backward()
        found.append((spikes, v, *(each.grad for each in values)))
    for mine, other in zip(*found, strict=True):
        assert torch.allclose(mine, other, rtol=1e-4, atol=1e-6)
    assert 0 < found[0][0].mean() < 1


@pytest.mark.parametrize(
    ("channels", "kernel", "stride", "padding"), [(2, 5, 2, 1), (3, 1, 1, 0), (4, 3, 1, 2)]
)
def test_convolutions_as_products(channels: int, kernel: int, stride: int, padding: int):
    generator = torch.Generator().manual_seed(kernel)
    maps = torch.randint(0, 16, (3, channels, 9, 9), generator=generator).float().requires_grad_()
    kernels = torch.randint(-8, 8, (5, channels, kernel, kernel), generator=generator).float()
    kernels.requires_grad_()
    found = exact_conv2d(maps, kernels, stride, padding)
    expected = torch.nn.functional.conv2d(maps, kernels, None, stride, padding)
    assert torch.equal(found, expected)
    weights = torch.randn(found.shape, generator=generator)
    mine, other = (
        torch.autograd.grad((each * weights).sum(), (maps, kernels)) for each in (found, expected)
    )
    for a, b in zip(mine, other, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-3)


def test_shipped_network_is_the_recipes_and_reads_the_shipped_images():
    network, plan = ss.load(shipped_path("mnist-conv.safetensors")), RECIPES["mnist-conv"]
    assert network.input == ss.PixelInput(shape=plan.shape, bits=plan.pixel_bits)
    *convolutions, last = network.layers
    for layer, made in zip(convolutions, plan.convolutions, strict=True):
        assert layer.weight.shape[0] == made.channels
        assert (layer.kernel, layer.stride) == ((made.kernel,) * 2, (made.stride,) * 2)
    assert last.weight.shape == (plan.classes, plan.features)
    images, labels = shipped_mnist()
    found = ss.Golden(network).run(pixels(images, network), plan.steps)
    assert (found.prediction == labels).mean() >= 0.989
