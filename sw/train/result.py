"""The result of a training run."""

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
    """The result of a training run: a network and its figures.

    Attributes
    ----------
    recipe : str
        Name of the recipe, "custom" for one without a name.
    seed : int
        Seed of the run.
    epochs : int
        Epochs that were trained.
    best_epoch : int
        Epoch of the network, chosen on the held-out samples.
    validation : float
        Share of correct predictions on the held-out samples.
    test : float
        Share of correct predictions on the test samples.
    golden_differences : int
        Test samples on which the golden model's membranes, or the spikes that its last layer reads,
        differ from the trained model's; it is 0.
    pixels : float
        Mean number of inputs of a test sample that are not 0, over its steps for spikes.
    active : float
        Mean number of neurons that fire in a test sample, of the layer that the last one reads.
    spikes : float
        Mean number of their spikes in a test sample.
    firing_rate : float
        Their spikes per neuron and step.
    skeleton_rate : float or None
        Their stable spikes per neuron and pair of steps; None for samples of one step.
    seconds : float
        Wall time of the training, over all parts of a resumed run.
    threads : int
        Threads of torch.
    torch_device : str
        Device that trained; several where a resumed run changed to another.
    settings : dict
        The fields of the recipe.
    data : dict or None
        Of data of one's own: the ``classes`` by label, how many samples were trained on or held out
        (``train_samples``) and tested (``test_samples``), how the tested ones were chosen
        (``test``), and a hash of all (``sha256``).
    network : stablespike.Network
        The trained network.
    files : dict of str to str
        Files that were written, by role: "network" and "figures".
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
    data: dict[str, Any] | None = None
    files: dict[str, str] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Return everything but the network as a dictionary that JSON can hold."""
        return {k: getattr(self, k) for k in self.__dataclass_fields__ if k not in _NOT_FIGURES}

    def write(self, folder: Path) -> None:
        """Write ``<recipe>.safetensors`` and ``<recipe>.json`` into a folder."""
        network_file = folder / f"{self.recipe}.safetensors"
        figures_file = folder / f"{self.recipe}.json"
        save(self.network, network_file)
        figures_file.write_text(json.dumps(self.summary(), indent=2) + "\n")
        self.files.update(network=str(network_file), figures=str(figures_file))
