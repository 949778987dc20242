"""The distortions of images and recordings."""

from __future__ import annotations

from dataclasses import replace

import pytest
from stablespike.datasets import shipped_mnist

torch = pytest.importorskip("torch")

from stablespike.train.data import distorted, interpolation  # noqa: E402
from training import SMALL  # noqa: E402


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


def test_recordings_are_distorted_alike_in_every_step():
    spikes = torch.zeros(30, 3, 2, 17, 17, dtype=torch.uint8)
    spikes[:, :, :, 4:7, 8] = 1
    plan = replace(SMALL, dataset="nmnist-small", side=17, rotate=30.0, shift=2.0, elastic=1.0)
    moved = distorted(spikes, plan, torch.Generator().manual_seed(0))
    assert moved.dtype == spikes.dtype
    assert set(moved.unique().tolist()) == {0, 1}
    assert (moved == moved[:, :1, :1]).all()
    assert len(moved[:, 0, 0].unique(dim=0)) > 20


def test_elastic_displacements_are_bicubic():
    knots = torch.randn(3, 2, 7, 7, generator=torch.Generator().manual_seed(0))
    smooth = interpolation(7, 28)
    want = torch.nn.functional.interpolate(knots, 28, mode="bicubic", align_corners=False)
    assert torch.allclose(smooth @ knots @ smooth.T, want, atol=1e-5)
