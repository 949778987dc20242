"""The samples of a recipe: loaded, distorted, and converted to what the network takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as nnf

from ..datasets import NMNIST_SHAPE, fashion_mnist, folds, mnist, nmnist, nmnist_small, pixels
from ..samples.events import bin_events
from ..samples.fitting import fit_events
from .recipe import FOLDS, Recipe

__all__ = [
    "Samples", "chunks", "distorted", "interpolation", "load", "read", "shaped", "small_recordings",
]


@dataclass(frozen=True)
class Samples:
    """Inputs as they are stored, with labels.

    Attributes
    ----------
    inputs : tensor
        (n, 28, 28) uint8 images, or (n, steps, 2, side, side) spikes, 0 or 1. Of one's own data
        what the network takes: (n, *shape) pixels, or (n, steps, *shape) spikes or frames.
    labels : (n,) int64 tensor
        Classes.
    """

    inputs: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def span(self, first: int, last: int) -> Samples:
        """Return the samples from ``first`` up to, but not including, ``last``."""
        return Samples(self.inputs[first:last], self.labels[first:last])

    def to(self, device: torch.device) -> Samples:
        """Return the same samples in the memory of a device."""
        return Samples(self.inputs.to(device), self.labels.to(device))


def load(plan: Recipe, split: str, path: str | Path | None) -> Samples:
    """Load samples of a recipe.

    Parameters
    ----------
    plan : Recipe
        The recipe.
    split : {"train", "test"}
        Which samples.
    path : str or Path or None
        Folder of the data set; see ``stablespike.datasets``.

    Raises
    ------
    DatasetError
        If the data set cannot be read.
    """
    if plan.events:
        return _spikes(plan, split, path)
    images, labels = (mnist if plan.dataset == "mnist" else fashion_mnist)(split, path)
    return Samples(torch.from_numpy(images), torch.from_numpy(labels).long())


def _spikes(plan: Recipe, split: str, path: str | Path | None) -> Samples:
    if plan.dataset == "nmnist":
        recordings, labels = nmnist(split, path)
    else:
        recordings, labels = small_recordings(path)
        chosen = folds(labels, plan.fold, FOLDS)[0 if split == "train" else 1]
        recordings, labels = [recordings[each] for each in chosen], labels[chosen]
    pool = NMNIST_SHAPE[-1] // plan.side
    shape = (NMNIST_SHAPE[0], plan.side, plan.side)
    small = [fit_events(each, downscale=pool) for each in recordings]
    # The clock of these recordings begins with the camera's movement, not with the first event.
    spikes = bin_events(small, shape, plan.steps, bin_count=plan.steps, start=0)
    return Samples(torch.from_numpy(spikes), torch.from_numpy(labels).long())


@lru_cache(maxsize=1)
def small_recordings(
    path: str | Path | None,
) -> tuple[list[npt.NDArray[Any]], npt.NDArray[np.uint8]]:
    """Return all recordings, which every fold, split and seed of an experiment shares."""
    return nmnist_small(path)


def read(inputs: torch.Tensor, plan: Recipe) -> torch.Tensor:
    """Return stored inputs as the model takes them: whole numbers in float32.

    Returns
    -------
    tensor
        Quantized pixels (batch, inputs), or spikes or frames (steps, batch, inputs), from which the
        zero point has been taken.
    """
    if plan.stepped:
        values = inputs.transpose(0, 1).flatten(2).float()
        return values - plan.zero if plan.zero else values
    if plan.own is not None:
        return inputs.flatten(1).float() - plan.zero
    small = pixels(inputs.cpu().numpy(), plan.side, plan.pixel_bits)
    return torch.from_numpy(small).flatten(1).float().to(inputs.device)


def shaped(inputs: torch.Tensor, plan: Recipe) -> npt.NDArray[np.int64]:
    """Return stored inputs as devices and the golden model take them, batch first."""
    values = read(inputs, plan).cpu().numpy().astype(np.int64) + plan.zero
    if plan.stepped:
        values = values.swapaxes(0, 1)
        return values.reshape(*values.shape[:2], *plan.shape)
    return values.reshape(-1, *plan.shape)


def chunks(values: torch.Tensor, size: int) -> list[torch.Tensor]:
    """Return ``values`` in pieces of ``size`` along the first axis; the last may be shorter."""
    return [values[first : first + size] for first in range(0, len(values), size)]


def distorted(images: torch.Tensor, plan: Recipe, generator: torch.Generator) -> torch.Tensor:
    """Return images or recordings, each distorted at random as the recipe says.

    They are mirrored, rotated, scaled, sheared, shifted and bent. Images are interpolated; a spike
    of a recording comes from the nearest pixel. Random numbers are drawn on the CPU, so that they
    are the same on every device.

    Parameters
    ----------
    images : tensor
        (n, 28, 28) uint8 images, or (n, steps, 2, side, side) spikes.
    plan : Recipe
        The recipe.
    generator : torch.Generator
        Source of the random numbers, on the CPU.
    """
    if plan.own is not None:
        return images  # a recipe of such data has no distortions
    if plan.mirror:
        images = _mirrored(images, generator)
    bent = any((plan.rotate, plan.scale, plan.shear, plan.elastic))
    if plan.events and not bent:
        return _shifted(images, int(plan.shift), generator)
    if not bent and not plan.shift:
        return images
    grid = _grid(plan, len(images), images.shape[-1], generator).to(images.device)
    if plan.events:
        maps = images.flatten(1, 2).float()
        moved = nnf.grid_sample(maps, grid, mode="nearest", align_corners=False)
        return moved.to(images.dtype).reshape(images.shape)
    moved = nnf.grid_sample(images[:, None].float(), grid, align_corners=False)
    return moved[:, 0].round().to(torch.uint8)


def _mirrored(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return the samples, about half of them with the order of their columns reversed."""
    turned = torch.randint(0, 2, (len(images),), generator=generator).bool().to(images.device)
    return torch.where(turned.view(-1, *(1,) * (images.dim() - 1)), images.flip(-1), images)


def _grid(plan: Recipe, count: int, side: int, generator: torch.Generator) -> torch.Tensor:
    """Return (count, side, side, 2) coordinates that pixels are taken from, -1 to 1."""

    def spread(largest: float, *shape: int) -> torch.Tensor:
        return (2 * torch.rand(count, *shape, generator=generator) - 1) * largest

    angle, shear = spread(math.radians(plan.rotate)), spread(plan.shear)
    sx, sy = 1 + spread(plan.scale), 1 + spread(plan.scale)
    rows = torch.stack(
        [sx * angle.cos(), sx * (shear - angle.sin()), sy * angle.sin(), sy * angle.cos()], 1
    )
    move = spread(2 * plan.shift / side, 2, 1)
    grid = nnf.affine_grid(
        torch.cat([rows.view(-1, 2, 2), move], 2), [count, 1, side, side], align_corners=False
    )
    knots = torch.randn(count, 2, plan.elastic_grid, plan.elastic_grid, generator=generator)
    smooth = interpolation(plan.elastic_grid, side)
    bend = smooth @ knots @ smooth.T
    return grid + bend.permute(0, 2, 3, 1) * (2 * plan.elastic / side)


@lru_cache(maxsize=4)
def interpolation(knots: int, side: int) -> torch.Tensor:
    """Return bicubic interpolation along one axis as a (side, knots) matrix.

    Two products with it are tens of times as fast as interpolating every image separately.
    """
    return nnf.interpolate(
        torch.eye(knots)[None, None], (side, knots), mode="bicubic", align_corners=False
    )[0, 0]


def _shifted(spikes: torch.Tensor, most: int, generator: torch.Generator) -> torch.Tensor:
    """Return (n, steps, 2, side, side) recordings, shifted by up to ``most`` pixels per axis."""
    if not most:
        return spikes
    count, side = len(spikes), spikes.shape[-1]
    padded = nnf.pad(spikes, (most, most, most, most))
    first = torch.randint(0, 2 * most + 1, (2, count, 1), generator=generator)
    rows, columns = (first + torch.arange(side)).to(spikes.device)
    sample = torch.arange(count, device=spikes.device).view(-1, 1, 1)
    # Index arrays with slices between them bring their axes to the front.
    moved = padded[sample, :, :, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 4, 1, 2)
