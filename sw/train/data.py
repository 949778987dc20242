"""What a recipe trains on: read, distorted, and as the network takes it."""

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
from .recipes import FOLDS, Recipe

__all__ = ["Samples", "distorted", "load", "parts", "read", "shaped"]


@dataclass(frozen=True)
class Samples:
    """Inputs as they were stored, and labels.

    Attributes
    ----------
    inputs : (n, 28, 28) uint8 images, or (n, steps, 2, side, side) spikes, 0 or 1.
    labels : (n,) int64.
    """

    inputs: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, first: int, last: int) -> Samples:
        """Samples ``first`` up to but without ``last``."""
        return Samples(self.inputs[first:last], self.labels[first:last])

    def to(self, place: torch.device) -> Samples:
        """The same in the memory of a device."""
        return Samples(self.inputs.to(place), self.labels.to(place))


def load(plan: Recipe, split: str, path: str | Path | None) -> Samples:
    """The recipe's ``"train"`` or ``"test"`` samples.

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
        recordings, labels = _recordings(path)
        chosen = folds(labels, plan.fold, FOLDS)[0 if split == "train" else 1]
        recordings, labels = [recordings[each] for each in chosen], labels[chosen]
    pool = NMNIST_SHAPE[-1] // plan.side
    shape = (NMNIST_SHAPE[0], plan.side, plan.side)
    small = [_pooled(each, pool) for each in recordings]
    spikes = bin_events(small, shape, plan.steps, bin_count=plan.steps)
    return Samples(torch.from_numpy(spikes), torch.from_numpy(labels).long())


@lru_cache(maxsize=1)
def _recordings(path: str | Path | None) -> tuple[list[npt.NDArray[Any]], npt.NDArray[np.uint8]]:
    """Kept, since every fold, split and seed of an experiment reads the same ones."""
    return nmnist_small(path)


def _pooled(events: npt.NDArray[Any], pool: int) -> npt.NDArray[Any]:
    small = events.copy()
    for axis in ("x", "y"):
        small[axis] //= pool
    return small


def read(inputs: torch.Tensor, plan: Recipe) -> torch.Tensor:
    """Stored inputs as whole float32 numbers: quantized pixels (batch, inputs), or spikes
    (steps, batch, inputs)."""
    if plan.events:
        return inputs.transpose(0, 1).flatten(2).float()
    small = pixels(inputs.cpu().numpy(), plan.side, plan.pixel_bits)
    return torch.from_numpy(small).flatten(1).float().to(inputs.device)


def shaped(inputs: torch.Tensor, plan: Recipe) -> npt.NDArray[np.int64]:
    """Stored inputs as devices and the golden model take them."""
    values = read(inputs, plan).cpu().numpy().astype(np.int64)
    if plan.events:
        values = values.swapaxes(0, 1)
        return values.reshape(*values.shape[:2], NMNIST_SHAPE[0], plan.side, plan.side)
    return values.reshape(-1, 1, plan.side, plan.side)


def parts(values: torch.Tensor, size: int) -> list[torch.Tensor]:
    """``values`` in pieces of ``size`` along the first axis."""
    return [values[first : first + size] for first in range(0, len(values), size)]


def distorted(images: torch.Tensor, plan: Recipe, generator: torch.Generator) -> torch.Tensor:
    """Every uint8 image or recording mirrored, rotated, scaled, sheared, shifted and bent, each a
    little differently; a recording's spikes are those of the nearest pixel. Drawn on the CPU."""
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
    """About half of them, the columns of their last axis the other way round."""
    turned = torch.randint(0, 2, (len(images),), generator=generator).bool().to(images.device)
    return torch.where(turned.view(-1, *(1,) * (images.dim() - 1)), images.flip(-1), images)


def _grid(plan: Recipe, count: int, side: int, generator: torch.Generator) -> torch.Tensor:
    """(count, side, side, 2) places that pixels are taken from."""

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
    smooth = _smooth(plan.elastic_grid, side)
    bend = smooth @ knots @ smooth.T
    return grid + bend.permute(0, 2, 3, 1) * (2 * plan.elastic / side)


@lru_cache(maxsize=4)
def _smooth(knots: int, side: int) -> torch.Tensor:
    """(side, knots): bicubic interpolation along one axis, as a matrix; tens of times as fast as
    interpolating every image by itself."""
    return nnf.interpolate(
        torch.eye(knots)[None, None], (side, knots), mode="bicubic", align_corners=False
    )[0, 0]


def _shifted(spikes: torch.Tensor, most: int, generator: torch.Generator) -> torch.Tensor:
    """Every recording (n, steps, 2, side, side) moved by up to ``most`` pixels on both axes."""
    if not most:
        return spikes
    count, side = len(spikes), spikes.shape[-1]
    padded = nnf.pad(spikes, (most, most, most, most))
    first = torch.randint(0, 2 * most + 1, (2, count, 1), generator=generator)
    rows, columns = (first + torch.arange(side)).to(spikes.device)
    sample = torch.arange(count, device=spikes.device).view(-1, 1, 1)
    # Indices around slices bring their axes to the front.
    moved = padded[sample, :, :, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 4, 1, 2)
