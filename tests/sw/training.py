"""A small training run, on the images that travel with the project."""

from __future__ import annotations

import numpy as np
import pytest
from stablespike.datasets import shipped_mnist

torch = pytest.importorskip("torch")

from stablespike.train import Recipe, data  # noqa: E402
from stablespike.train.data import Samples  # noqa: E402
from stablespike.train.run import Run  # noqa: E402

SMALL = Recipe(hidden=12, batch=100, held_out=200, epochs=2)


@pytest.fixture(autouse=True)
def shipped_as_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "mnist", lambda split, path=None: shipped_mnist())


def small_run(plan: Recipe, seed: int) -> tuple[np.ndarray, Run]:
    images, labels = shipped_mnist()
    samples = Samples(torch.from_numpy(images), torch.from_numpy(labels).long())
    return images, Run("small", plan, seed, samples)
