"""What a recipe trains on: read, distorted, and as the network takes it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as nnf

from ..datasets import mnist, pixels
from .recipes import Recipe

__all__ = ["Samples", "distorted", "load", "parts", "read"]


@dataclass(frozen=True)
class Samples:
    """Inputs as they were stored, and labels.

    Attributes
    ----------
    inputs : (n, 28, 28) uint8 images.
    labels : (n,) int64.
    """

    inputs: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, first: int, last: int) -> Samples:
        """Samples ``first`` up to but without ``last``."""
        return Samples(self.inputs[first:last], self.labels[first:last])


def load(plan: Recipe, split: str, path: str | Path | None) -> Samples:
    """The recipe's ``"train"`` or ``"test"`` samples.

    Raises
    ------
    DatasetError
        If the data set cannot be read.
    """
    images, labels = mnist(split, path)
    return Samples(torch.from_numpy(images), torch.from_numpy(labels).long())


def read(inputs: torch.Tensor, plan: Recipe) -> torch.Tensor:
    """Stored inputs as whole float32 numbers: quantized pixels (batch, inputs)."""
    small = pixels(inputs.numpy(), plan.side, plan.pixel_bits)
    return torch.from_numpy(small).flatten(1).float()


def parts(values: torch.Tensor, size: int) -> list[torch.Tensor]:
    """``values`` in pieces of ``size`` along the first axis."""
    return [values[first : first + size] for first in range(0, len(values), size)]


def distorted(images: torch.Tensor, plan: Recipe, generator: torch.Generator) -> torch.Tensor:
    """Every uint8 image rotated, scaled, sheared, shifted and bent, each a little differently."""
    if not any((plan.rotate, plan.scale, plan.shear, plan.shift, plan.elastic)):
        return images
    count, side = images.shape[0], images.shape[-1]

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
    bend = nnf.interpolate(knots, side, mode="bicubic", align_corners=False)
    grid = grid + bend.permute(0, 2, 3, 1) * (2 * plan.elastic / side)
    bent = nnf.grid_sample(images[:, None].float(), grid, align_corners=False)
    return bent[:, 0].round().to(torch.uint8)
