"""A training run, one epoch at a time.

A run that is resumed from a checkpoint continues as if it had not been interrupted.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as nnf

from ..support.errors import StableSpikeError
from ..support.values import exact_int
from .consistency import ConsistencyLoss
from .data import Samples, chunks, distorted, read
from .model import Model
from .recipe import CheckpointError, Recipe

__all__ = ["CheckpointError", "Diverged", "Run"]

FIRST_LOOK = 2000
"""Number of samples from which the first thresholds are taken."""
EVALUATED_AT_ONCE = 2000
"""Number of samples evaluated at a time, which bounds the memory."""
_FIGURES = ("epoch", "seconds", "devices", "best_epoch", "best")


class Diverged(StableSpikeError, RuntimeError):  # noqa: N818
    """The loss is no longer finite; the last good checkpoint is kept."""


class Run:
    """The state of a training run, which a checkpoint holds.

    Parameters
    ----------
    name : str
        Name of the recipe.
    plan : Recipe
        The recipe.
    seed : int
        Seed of the first weights, the order of the samples, their distortions and the noise.
    samples : Samples
        The whole training set; the last ``plan.held_out`` samples, or that share of them, are
        never trained on.
    torch_device : str
        Device of torch that computes.
    digest : str
        Hash of data of one's own: a checkpoint is of the same.

    Raises
    ------
    ValueError
        If no samples are left to train on, or labels exceed the recipe's classes.
    """

    def __init__(
        self,
        name: str,
        plan: Recipe,
        seed: int,
        samples: Samples,
        torch_device: str = "cpu",
        digest: str = "",
    ) -> None:
        self.name, self.plan, self.seed, self.digest = name, plan, seed, digest
        self.device = torch.device(torch_device)
        held_out = plan.held_out
        if isinstance(held_out, float):
            held_out = max(1, round(held_out * len(samples)))
        split = len(samples) - held_out
        if split < 1:
            raise ValueError(
                f"held_out must be less than the {len(samples)} training samples, "
                f"not {plan.held_out}"
            )
        if int(samples.labels.max()) >= plan.classes:
            raise ValueError(
                f"classes must be more than the highest label, {int(samples.labels.max())}, "
                f"not {plan.classes}"
            )
        samples = samples.to(self.device)
        self.samples, self.held = samples.span(0, split), samples.span(split, len(samples))
        self.model = Model(plan, self._mean(), self._generator(0)).to(self.device)
        self.model.start(read(self.samples.inputs[:FIRST_LOOK], plan))
        self.losses = ConsistencyLoss(
            plan.beta, plan.gamma, alpha=plan.alpha, spike_detach=plan.spike_detach,
            noise_detach=plan.noise_detach,
        )
        weights = self.model.latent
        others = [p for p in self.model.parameters() if all(p is not each for each in weights)]
        self.optimizer = torch.optim.Adam(
            [
                {"params": weights, "lr": plan.rate},
                {"params": others, "lr": plan.scale_rate},
            ],
            betas=(0.9, 0.99),
        )
        self.peaks = [plan.rate, plan.scale_rate]
        self.checkpoints = False  # whether the caller keeps them, for the text of Diverged
        self.epoch, self.seconds, self.devices = 0, 0.0, ""
        self.best_epoch, self.best = 0, -1.0
        self.best_state = self._copy()

    def one_epoch(self) -> str:
        """Train one epoch, and return a line of text on how it went.

        Raises
        ------
        Diverged
            If the loss or a parameter is not finite.
        """
        plan, began = self.plan, time.perf_counter()
        generator = self._generator(self.epoch + 1)
        shuffled = torch.randperm(len(self.samples), generator=generator).to(self.device)
        batches = chunks(shuffled, plan.batch)
        self.model.train()
        total = 0.0
        for index, batch in enumerate(batches):
            self._set_rate(self.epoch + (index + 1) / len(batches))
            inputs = read(distorted(self.samples.inputs[batch], plan, generator), plan)
            loss = self._loss(inputs, self.samples.labels[batch], generator)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise self._diverged(f"the loss is {value} in batch {index + 1}")
            self.optimizer.zero_grad()
            torch.autograd.backward(loss)
            self.optimizer.step()
            self.model.bound()
            total += value
        if not all(bool(p.isfinite().all()) for p in self.model.parameters()):
            raise self._diverged("a parameter is not finite at the end")
        self.epoch += 1
        if str(self.device) not in self.devices.split(", "):
            self.devices += (", " if self.devices else "") + str(self.device)
        right = self.accuracy(self.held)
        # Of equally good epochs, the later one is taken, because it was trained at a lower rate.
        if right >= self.best or plan.choose == "last":
            self.best, self.best_epoch, self.best_state = right, self.epoch, self._copy()
        self.seconds += time.perf_counter() - began
        return (
            f"epoch {self.epoch}/{plan.epochs}: loss {total / len(batches):.4f}, held-out "
            f"accuracy {right:.2%} (best {self.best:.2%}), {self.seconds:.0f} s"
        )

    def accuracy(self, samples: Samples) -> float:
        """Return the share of right predictions."""
        membranes, _ = self.evaluated(samples)
        return float((membranes.argmax(1) == samples.labels).float().mean())

    def evaluated(self, samples: Samples) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (n, classes) membranes and (steps, n, features) spikes of the network."""
        self.model.eval()
        with torch.no_grad():
            pieces = [
                self.model(read(inputs.to(self.device), self.plan))
                for inputs in chunks(samples.inputs, EVALUATED_AT_ONCE)
            ]
        return torch.cat([out for out, _ in pieces]), torch.cat([each for _, each in pieces], 1)

    def keep(self, file: Path) -> None:
        """Write the checkpoint, completely or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        torch.save(
            {
                "run": self._identity(),
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "best_state": self.best_state,
                "figures": {key: getattr(self, key) for key in _FIGURES},
            },
            part,
        )
        part.replace(file)

    def restore(self, file: Path) -> None:
        """Continue from a checkpoint of the same recipe, epochs and seed.

        Raises
        ------
        CheckpointError
            If it is missing, damaged, or belongs to another run or network.
        """
        kept, mine = _checkpoint(file), self._identity()
        other = [key for key in mine | kept["run"] if mine.get(key) != kept["run"].get(key)]
        if other:
            theirs, ours = ({k: each.get(k) for k in other} for each in (kept["run"], mine))
            raise CheckpointError(
                f"{file} is of another run, with {theirs} instead of {ours}: give the same "
                "arguments, or start without resume=True"
            )
        for name in ("model", "best_state"):
            self._check_state(file, name, kept[name])
        try:
            self._check_figures(kept["figures"])
            self._check_optimizer(kept["optimizer"])
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{file} is damaged ({type(error).__name__}: {error}): start without resume=True"
            ) from error
        self.model.load_state_dict(kept["model"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.best_state = kept["best_state"]
        for key in _FIGURES:
            setattr(self, key, kept["figures"][key])

    def _check_figures(self, figures: dict[str, Any]) -> None:
        """Refuse figures that no run can have."""
        exact_int("epoch", figures["epoch"], 1, self.plan.epochs)
        exact_int("best_epoch", figures["best_epoch"], 1, figures["epoch"])
        for name in ("seconds", "best"):
            if not (isinstance(figures[name], float) and figures[name] >= 0):
                raise ValueError(f"{name} must be at least 0, not {figures[name]!r}")
        if not isinstance(figures["devices"], str):
            raise ValueError(f"devices must be a string, not {figures['devices']!r}")

    def _check_optimizer(self, state: dict[str, Any]) -> None:
        """Refuse the state of another optimizer, or with values that are not finite."""
        groups, mine = state["param_groups"], self.optimizer.state_dict()["param_groups"]
        for group, own in zip(groups, mine, strict=True):
            if group.keys() != own.keys() or group["params"] != own["params"]:
                raise ValueError("the optimizer's groups are of other parameters")
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        if not state["state"]:
            raise ValueError("the optimizer's state is empty")
        for index, moments in state["state"].items():
            for name in ("exp_avg", "exp_avg_sq", "step"):
                value, shape = moments[name], parameters[index].shape if name != "step" else ()
                if value.shape != shape:
                    raise ValueError(f"{name} {index} must be {tuple(shape)}, not {value.shape}")
                if not bool(value.isfinite().all()):
                    raise ValueError(f"{name} {index} must be finite")

    def _check_state(self, file: Path, name: str, state: dict[str, torch.Tensor]) -> None:
        """Refuse the state of another model, or with values that are not finite."""
        wrong = [key for key, value in state.items() if not isinstance(value, torch.Tensor)]
        if wrong:
            raise CheckpointError(
                f"{file} is damaged ({wrong[0]} of {name} is not a tensor): "
                "start without resume=True"
            )
        mine = {key: tuple(value.shape) for key, value in self.model.state_dict().items()}
        theirs = {key: tuple(value.shape) for key, value in state.items()}
        if mine != theirs:
            odd = sorted(k for k in mine.keys() | theirs if mine.get(k) != theirs.get(k))[0]
            raise CheckpointError(
                f"{file} is of another network: its {odd} is {theirs.get(odd, 'missing')}, not "
                f"{mine.get(odd, 'there')}; start without resume=True"
            )
        for key, value in state.items():
            if not bool(value.isfinite().all()):
                raise CheckpointError(
                    f"{file} holds {key} of {name} with values that are not finite: "
                    "start without resume=True"
                )

    def _loss(
        self, inputs: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        membranes, spikes = self.model(inputs)
        scores = self.model.scores(membranes)
        loss = nnf.cross_entropy(scores, labels, label_smoothing=self.plan.smoothing)
        if self.plan.beta or self.plan.gamma:
            loss = loss + self.losses(spikes, self.model.classify, scores, generator)
        return loss

    def _mean(self) -> torch.Tensor:
        """Return the mean of every input over the training samples."""
        # In float64: sums over all samples exceed what float32 holds exactly.
        total, count = torch.zeros((), device=self.device), 0
        for inputs in chunks(self.samples.inputs, EVALUATED_AT_ONCE):
            flat = read(inputs, self.plan).flatten(0, -2)
            total, count = total + flat.double().sum(0), count + len(flat)
        return (total / count).float().cpu()

    def _generator(self, epoch: int) -> torch.Generator:
        # Each epoch has its own generator, so that a resumed run draws the same numbers as an
        # uninterrupted one.
        return torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)

    def _copy(self) -> dict[str, torch.Tensor]:
        return {key: value.clone() for key, value in self.model.state_dict().items()}

    def _set_rate(self, progress: float) -> None:
        """Set the learning rates at ``progress`` epochs: one epoch to rise, then half a cosine."""
        share = min(progress, 1.0) * 0.5 * (1 + math.cos(math.pi * progress / self.plan.epochs))
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * share

    def _diverged(self, what: str) -> Diverged:
        last = f"the last good checkpoint is of epoch {self.epoch}"
        if not self.epoch:
            last = "there is no checkpoint of it yet"
        return Diverged(
            f"{what} of epoch {self.epoch + 1}: lower rate={self.plan.rate} or "
            f"scale_rate={self.plan.scale_rate}" + (f"; {last}" if self.checkpoints else "")
        )

    def _identity(self) -> dict[str, Any]:
        """Return what a checkpoint must have in common with the run."""
        data = {"data": self.digest} if self.digest else {}
        return {"name": self.name, "seed": self.seed, **data, **self.plan.as_dict()}


def _checkpoint(file: Path) -> dict[str, Any]:
    """Return a checkpoint's contents, checked to have everything that ``Run.keep`` writes."""
    if not file.is_file():
        raise CheckpointError(f"no checkpoint {file} to resume: start without resume=True")
    try:
        kept: dict[str, Any] = torch.load(file, weights_only=True, map_location="cpu")
        for key in ("run", "model", "optimizer", "best_state", "figures"):
            kept[key].items()
    except Exception as error:  # torch.load raises whatever the damaged bytes lead to
        raise CheckpointError(
            f"{file} is truncated or not a checkpoint ({error}): start without resume=True"
        ) from error
    return kept
