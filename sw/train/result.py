"""What a training run gave."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..network import Network
from ..network.files import save

__all__ = ["Result"]

_NOT_FIGURES = ("network", "files")


@dataclass(frozen=True)
class Result:
    """Figures of a training run, and its network.

    Attributes
    ----------
    network : the trained ``stablespike.Network``.
    validation, test : share of right predictions on the held-out samples and the test set.
    golden_differences : test samples on which the golden model's membranes or hidden spikes are not
        those of the frozen model, which is what ``test`` was counted with: 0.
    best_epoch : the epoch the network was taken from, chosen on the held-out samples.
    pixels : mean number of inputs of a test sample that are not 0 (over its steps, for spikes).
    active : mean number of hidden neurons that fire in a test sample.
    spikes : mean number of hidden spikes in a test sample.
    firing_rate, skeleton_rate : of the hidden neurons, over the test set: spikes per step, and
        stable spikes per pair of steps; the latter is None for a sample of one step.
    seconds : wall time spent training, over all resumed parts.
    torch_device : that trained it; several where a resumed run changed to another.
    files : what was written, by role.
    """

    recipe: str
    seed: int
    epochs: int
    best_epoch: int
    validation: float
    test: float
    golden_differences: int
    pixels: float
    active: float
    spikes: float
    firing_rate: float
    skeleton_rate: float | None
    seconds: float
    threads: int
    torch_device: str
    settings: dict[str, Any]
    network: Network = field(repr=False)
    files: dict[str, str] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Everything but the network, ready for JSON."""
        return {k: getattr(self, k) for k in self.__dataclass_fields__ if k not in _NOT_FIGURES}

    def write(self, folder: Path) -> None:
        """Network and figures, as ``<recipe>.safetensors`` and ``<recipe>.json``."""
        network_file = folder / f"{self.recipe}.safetensors"
        figures_file = folder / f"{self.recipe}.json"
        save(self.network, network_file)
        figures_file.write_text(json.dumps(self.summary(), indent=2) + "\n")
        self.files.update(network=str(network_file), figures=str(figures_file))
