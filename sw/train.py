"""Training of the shipped networks: the integers of the array are what is trained.

Weights are latent real numbers in weight steps, rounded in the forward pass; thresholds and biases
are per neuron, rounded to the ``2**-F`` grid. The forward pass is the integer neuron itself (floor
shifts, clamp, exact sums in float32 below ``2**24``); only gradients are approximated. So a
frozen model and the network exported from it give the same membranes, and nothing is
quantized afterwards. The hidden layer's scale per channel lives in its thresholds, the last layer
has one scale for all classes, outside the network.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as nnf

from .datasets import SIDE, mnist, pixels
from .errors import FileError, StableSpikeError
from .files import check_place
from .network import Dense, Network, Neuron, PixelInput

__all__ = ["RECIPES", "Diverged", "Recipe", "Result", "train"]

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """A fully connected classifier of 28 x 28 images and how it is trained.

    Parameters
    ----------
    hidden : neurons of the hidden layer.
    classes : outputs.
    side : pixels along an edge of what the network reads; divides 28.
    pixel_bits, weight_bits, fraction_bits, state_bits, acc_bits : widths of the array it is for.
    steps : steps of a sample.
    leak, readout_leak : leak shifts of the hidden and of the last layer.
    epochs : how long, unless ``train`` is told otherwise.
    batch : images per update.
    rate : largest learning rate of the weights, in weight steps; warmed up over one epoch, then a
        cosine to 0. ``scale_rate`` is that of thresholds, biases and the last layer's scale.
    width : half width of the surrogate gradient, in thresholds.
    held_out : last images of the training set, never trained on; the best epoch is chosen on them.
    smoothing : label smoothing.
    rotate, scale, shear, shift : largest affine distortion in degrees, share, share, pixels.
    elastic : spread of the elastic displacement, in pixels, smooth over ``28 / elastic_grid``.
    """

    hidden: int = 128
    classes: int = 10
    side: int = SIDE
    pixel_bits: int = 4
    weight_bits: int = 4
    fraction_bits: int = 4
    state_bits: int = 16
    acc_bits: int = 12
    steps: int = 4
    leak: tuple[int | None, int | None] = (1, None)
    readout_leak: tuple[int | None, int | None] = (None, None)
    epochs: int = 150
    batch: int = 256
    rate: float = 0.05
    scale_rate: float = 0.005
    width: float = 1.0
    held_out: int = 5000
    smoothing: float = 0.0
    rotate: float = 10.0
    scale: float = 0.1
    shear: float = 0.1
    shift: float = 1.5
    elastic: float = 0.8
    elastic_grid: int = 7


RECIPES = {
    "mnist-mlp": Recipe(),
    "mnist-mlp-256": Recipe(hidden=256),
    # For arrays whose memory does not hold 784 x 128 weights.
    "mnist-mlp-small": Recipe(hidden=64, side=14),
}


class Diverged(StableSpikeError, RuntimeError):  # noqa: N818
    """The loss is no longer finite; the last good checkpoint is kept."""


@dataclass(frozen=True)
class Result:
    """What a training run gave.

    Attributes
    ----------
    network : the trained ``stablespike.Network``.
    validation, test : share of right predictions on the held-out images and the test set.
    best_epoch : the epoch the network was taken from, chosen on the held-out images.
    pixels : mean number of non-zero quantized pixels in a test image.
    active : mean number of hidden neurons that fire in a test image.
    spikes : mean number of hidden spikes in a test image.
    seconds : wall time spent training, over all resumed parts.
    files : what was written, by role.
    """

    recipe: str
    seed: int
    epochs: int
    best_epoch: int
    validation: float
    test: float
    pixels: float
    active: float
    spikes: float
    seconds: float
    threads: int
    settings: dict[str, Any]
    network: Network = field(repr=False)
    files: dict[str, str] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Everything but the network, ready for JSON."""
        return {k: getattr(self, k) for k in self.__dataclass_fields__ if k not in _NOT_FIGURES}


_NOT_FIGURES = ("network", "files")


def train(
    recipe: str | Recipe = "mnist-mlp",
    *,
    epochs: int | None = None,
    seed: int = 0,
    data: str | Path | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    resume: bool = False,
    threads: int = 1,
) -> Result:
    """Train a recipe, choose the epoch on held-out training images, then test it once.

    Parameters
    ----------
    recipe : a name in ``RECIPES``, or a ``Recipe``.
    epochs : passes over the training images; None: the recipe's.
    seed : of the first weights, the order of the images and their distortions.
    data : folder of the data set, as for ``datasets.mnist``.
    out : folder for ``<recipe>.safetensors``, ``<recipe>.json`` and ``<recipe>.checkpoint.pt``
        (rewritten every epoch); None: nothing is written.
    progress : called with a line per epoch.
    resume : go on from the checkpoint in ``out``; the result is that of an uninterrupted run.
    threads : of torch; results repeat bit for bit only with the same number.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, or there is no fitting checkpoint to resume.
    DatasetError
        If the data set cannot be read.
    FileError
        If ``out`` takes no files; found before the training begins.
    Diverged
        If the loss is not finite. The checkpoint of the last good epoch is kept.
    """
    name, plan = _plan(recipe, epochs)
    _at_least("seed", seed, 0)
    _at_least("threads", threads, 1)
    if resume and out is None:
        raise ValueError("resume=True needs out=, the folder with the checkpoint")
    folder = None if out is None else Path(out)
    if folder is not None:
        _make_folder(folder, name)
    say = progress or _silent
    torch.set_num_threads(threads)

    images, labels = (torch.from_numpy(part) for part in mnist("train", data))
    run = _Run(name, plan, seed, images, labels)
    if resume and folder is not None:
        run.restore(_checkpoint_path(folder, name))
        say(f"resumed after epoch {run.epoch} of {plan.epochs}")
    while run.epoch < plan.epochs:
        line = run.one_epoch()
        if folder is not None:
            run.keep(_checkpoint_path(folder, name))
        say(line)
    return _finish(run, data, folder, threads, say)


def _make_folder(folder: Path, name: str) -> None:
    """A folder that takes files, known before there is anything to write."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{folder} is no folder and cannot become one: {error.strerror}") from error
    check_place(_checkpoint_path(folder, name))


def _silent(line: str) -> None:
    return None


def _plan(recipe: str | Recipe, epochs: int | None) -> tuple[str, Recipe]:
    if isinstance(recipe, Recipe):
        name, plan = "custom", recipe
    elif recipe in RECIPES:
        name, plan = recipe, RECIPES[recipe]
    else:
        raise ValueError(f"no recipe {recipe!r}: there are {', '.join(sorted(RECIPES))}")
    if epochs is not None:
        _at_least("epochs", epochs, 1)
        plan = replace(plan, epochs=epochs)
    return name, plan


def _at_least(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")


def _checkpoint_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.checkpoint.pt"


# Integers forward, real numbers backward


class _Exact(torch.autograd.Function):
    """``function`` forward, the identity backward."""

    @staticmethod
    def forward(
        ctx: Any, latent: torch.Tensor, function: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        return function(latent)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        return grad, None


class _Spike(torch.autograd.Function):
    """1 where the distance to the threshold is not negative; backward a triangle."""

    @staticmethod
    def forward(ctx: Any, distance: torch.Tensor, width: float) -> torch.Tensor:
        ctx.save_for_backward(distance)
        ctx.width = width
        return (distance >= 0).to(distance.dtype)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        (distance,) = ctx.saved_tensors
        return grad * (1 - distance.abs() / ctx.width).clamp_(min=0) / ctx.width, None


def _exact(latent: torch.Tensor, function: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    exact: torch.Tensor = _Exact.apply(latent, function)  # type: ignore[no-untyped-call]
    return exact


def _spike(distance: torch.Tensor, width: float) -> torch.Tensor:
    spike: torch.Tensor = _Spike.apply(distance, width)  # type: ignore[no-untyped-call]
    return spike


def _parts(values: torch.Tensor, size: int) -> list[torch.Tensor]:
    return [values[first : first + size] for first in range(0, len(values), size)]


class _Model(torch.nn.Module):
    """Latent weights, thresholds and biases; every value of its forward pass is an integer."""

    mean: torch.Tensor

    def __init__(self, plan: Recipe, mean: torch.Tensor, generator: torch.Generator) -> None:
        super().__init__()
        self.plan = plan
        self.one = 2.0**plan.fraction_bits
        self.top = 2.0 ** (plan.state_bits - 1) - 1
        self.register_buffer("mean", mean)

        def weights(out: int, inputs: int) -> torch.nn.Parameter:
            return torch.nn.Parameter(2.0 * torch.randn(out, inputs, generator=generator))

        self.w1 = weights(plan.hidden, mean.numel())
        self.w2 = weights(plan.classes, plan.hidden)
        self.log_theta = torch.nn.Parameter(torch.zeros(plan.hidden))
        self.b1 = torch.nn.Parameter(torch.full((plan.hidden,), 0.25))
        self.b2 = torch.nn.Parameter(torch.zeros(plan.classes))
        self.log_gain = torch.nn.Parameter(torch.tensor(-3.0))

    def start(self, pixels: torch.Tensor) -> None:
        """First thresholds: the spread of the first currents over some images."""
        with torch.no_grad():
            current = (pixels - self.mean) @ self._weights(self.w1).T
            self.log_theta.copy_(current.std(0).log())

    def bound(self) -> None:
        """Latent weights back to where they round to legal weights, and fit the accumulators.

        A neuron whose positive or negative weights sum to 99 % of what an accumulator holds has
        them scaled to 98 %: rounding moves a sum of 784 weights by far less than what is left.
        """
        half = 2.0 ** (self.plan.weight_bits - 1)
        full = 2.0 ** (self.plan.acc_bits - 1)
        with torch.no_grad():
            for latent in (self.w1, self.w2):
                latent.clamp_(-half - 0.49, half - 0.51)
                rounded = latent.round()
                for positive in (True, False):
                    side = (latent > 0) == positive
                    total = (rounded * side).sum(1, keepdim=True).abs()
                    share = torch.where(total > 0.99 * full, 0.98 * full / total, 1.0)
                    latent.mul_(torch.where(side, share, 1.0))

    def _weights(self, latent: torch.Tensor) -> torch.Tensor:
        half = 2.0 ** (self.plan.weight_bits - 1)
        return _exact(latent, lambda w: w.round().clamp(-half, half - 1))

    def _fixed(self, value: torch.Tensor, least: float) -> torch.Tensor:
        """Weight steps to integers of the state's resolution."""
        return _exact(value * self.one, lambda v: v.round().clamp(least, self.top))

    def integers(self) -> dict[str, torch.Tensor]:
        """Weights, biases and thresholds as the array gets them (whole numbers, float32)."""
        w1, w2 = self._weights(self.w1), self._weights(self.w2)
        theta = self.log_theta.exp()
        # Biases are learned around the mean image: it conditions the problem, the array sees a sum.
        b1 = self.b1 * theta - w1 @ self.mean
        return {
            "w1": w1,
            "b1": self._fixed(b1, -self.top - 1),
            "theta1": self._fixed(theta, 1.0),
            "w2": w2,
            "b2": self._fixed(self.b2, -self.top - 1),
        }

    def _integrate(
        self, v: torch.Tensor, current: torch.Tensor, leak: tuple[int | None, int | None]
    ) -> torch.Tensor:
        d = v
        for shift in leak:
            if shift is not None:
                d = d - _exact(v * 2.0**-shift, torch.floor)
        return (d + current).clamp(-self.top - 1, self.top)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Membranes (batch, classes) after the last step, and spikes (steps, batch, hidden)."""
        plan, n = self.plan, self.integers()
        current = n["b1"] + self.one * (pixels @ n["w1"].T)
        v = torch.zeros_like(current)
        spikes = []
        for _ in range(plan.steps):
            u = self._integrate(v, current, plan.leak)
            spike = _spike(u / n["theta1"] - 1, plan.width)
            v = u - spike * n["theta1"]
            spikes.append(spike)
        currents = n["b2"] + self.one * (torch.stack(spikes) @ n["w2"].T)
        out = torch.zeros_like(currents[0])
        for current in currents:
            out = self._integrate(out, current, plan.readout_leak)
        return out, torch.stack(spikes)

    def scores(self, membranes: torch.Tensor) -> torch.Tensor:
        return membranes * (self.log_gain.exp() / self.one)


def _quantized(images: torch.Tensor, plan: Recipe) -> torch.Tensor:
    """uint8 images as the network reads them, flat, as whole float32 numbers."""
    read = pixels(images.numpy(), plan.side, plan.pixel_bits)
    return torch.from_numpy(read).flatten(1).float()


def _distorted(images: torch.Tensor, plan: Recipe, generator: torch.Generator) -> torch.Tensor:
    """Every uint8 image rotated, scaled, sheared, shifted and bent, each a little differently."""
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


class _Run:
    """A training run: everything a checkpoint holds, an epoch at a time."""

    def __init__(
        self, name: str, plan: Recipe, seed: int, images: torch.Tensor, labels: torch.Tensor
    ) -> None:
        self.name, self.plan, self.seed = name, plan, seed
        split = len(images) - plan.held_out
        self.images, self.labels = images[:split], labels[:split].long()
        self.held = _quantized(images[split:], plan)
        self.held_labels = labels[split:].long()
        first = _quantized(self.images, plan)
        self.model = _Model(plan, first.mean(0), self._generator(0))
        self.model.start(first[:2000])
        named = dict(self.model.named_parameters())
        weights = [named.pop("w1"), named.pop("w2")]
        self.optimizer = torch.optim.Adam(
            [
                {"params": weights, "lr": plan.rate},
                {"params": list(named.values()), "lr": plan.scale_rate},
            ],
            betas=(0.9, 0.99),
        )
        self.peaks = [plan.rate, plan.scale_rate]
        self.epoch, self.seconds = 0, 0.0
        self.best_epoch, self.best = 0, -1.0
        self.best_state = self._copy()

    def _generator(self, epoch: int) -> torch.Generator:
        # One stream per epoch, so that a resumed run draws what an uninterrupted one does.
        return torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)

    def _copy(self) -> dict[str, torch.Tensor]:
        return {key: value.clone() for key, value in self.model.state_dict().items()}

    def _set_rate(self, progress: float) -> None:
        """``progress`` in epochs: one to warm up, then half a cosine."""
        share = min(progress, 1.0) * 0.5 * (1 + math.cos(math.pi * progress / self.plan.epochs))
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * share

    def one_epoch(self) -> str:
        """Train an epoch; a line on how it went."""
        plan, began = self.plan, time.perf_counter()
        generator = self._generator(self.epoch + 1)
        order = torch.randperm(len(self.images), generator=generator)
        batches = _parts(order, plan.batch)
        total = 0.0
        for index, batch in enumerate(batches):
            self._set_rate(self.epoch + (index + 1) / len(batches))
            inputs = _quantized(_distorted(self.images[batch], plan, generator), plan)
            membranes, _ = self.model(inputs)
            loss = nnf.cross_entropy(
                self.model.scores(membranes),
                self.labels[batch],
                label_smoothing=plan.smoothing,
            )
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
        right = self.accuracy(self.held, self.held_labels)
        if right >= self.best:
            self.best, self.best_epoch, self.best_state = right, self.epoch, self._copy()
        self.seconds += time.perf_counter() - began
        return (
            f"epoch {self.epoch}/{plan.epochs}: loss {total / len(batches):.4f}, held-out "
            f"accuracy {right:.2%} (best {self.best:.2%}), {self.seconds:.0f} s"
        )

    def _diverged(self, what: str) -> Diverged:
        return Diverged(
            f"{what} of epoch {self.epoch + 1}: lower rate={self.plan.rate} or "
            f"scale_rate={self.plan.scale_rate}; the last good checkpoint is of epoch {self.epoch}"
        )

    def accuracy(self, pixels: torch.Tensor, labels: torch.Tensor) -> float:
        with torch.no_grad():
            parts = [self.model(part)[0].argmax(1) for part in _parts(pixels, 2000)]
        return float((torch.cat(parts) == labels).float().mean())

    def keep(self, file: Path) -> None:
        """Write the checkpoint, whole or not at all."""
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
        """Go on from a checkpoint of the same recipe, epochs and seed."""
        if not file.is_file():
            raise ValueError(f"no checkpoint {file} to resume: start without resume=True")
        try:
            kept = torch.load(file, weights_only=True)
            other = {k: v for k, v in kept["run"].items() if v != self._identity().get(k)}
        except Exception as error:  # torch.load raises whatever the damaged bytes lead to
            raise ValueError(
                f"{file} is truncated or no checkpoint ({error}): start without resume=True"
            ) from error
        if other:
            mine = {key: self._identity().get(key) for key in other}
            raise ValueError(
                f"{file} is of another run, with {other} instead of {mine}: give the same "
                "arguments, or start without resume=True"
            )
        self.model.load_state_dict(kept["model"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.best_state = kept["best_state"]
        for key in _FIGURES:
            setattr(self, key, kept["figures"][key])

    def _identity(self) -> dict[str, Any]:
        return {"name": self.name, "seed": self.seed, **asdict(self.plan)}


_FIGURES = ("epoch", "seconds", "best_epoch", "best")


def _finish(
    run: _Run, data: str | Path | None, folder: Path | None, threads: int, say: Progress
) -> Result:
    """The best epoch's network, tested; written where there is a folder."""
    plan = run.plan
    run.model.load_state_dict(run.best_state)
    network = _exported(run.model)
    images, labels = mnist("test", data)
    inputs = _quantized(torch.from_numpy(images), plan)
    with torch.no_grad():
        parts = [run.model(part) for part in _parts(inputs, 2000)]
    predicted = torch.cat([membranes.argmax(1) for membranes, _ in parts]).numpy()
    spikes = torch.cat([part for _, part in parts], 1)
    result = Result(
        recipe=run.name,
        seed=run.seed,
        epochs=run.epoch,
        best_epoch=run.best_epoch,
        validation=round(run.best, 6),
        test=float((predicted == labels).mean()),
        pixels=float((inputs > 0).sum(1).float().mean()),
        active=float((spikes.sum(0) > 0).sum(1).float().mean()),
        spikes=float(spikes.sum((0, 2)).mean()),
        seconds=round(run.seconds, 1),
        threads=threads,
        settings=asdict(plan),
        network=network,
    )
    say(f"test accuracy {result.test:.2%} with the network of epoch {result.best_epoch}")
    if folder is not None:
        network_file = folder / f"{run.name}.safetensors"
        figures_file = folder / f"{run.name}.json"
        from .files import save

        save(network, network_file)
        figures_file.write_text(json.dumps(result.summary(), indent=2) + "\n")
        result.files.update(network=str(network_file), figures=str(figures_file))
        say(f"wrote {network_file} and {figures_file}")
    return result


def _exported(model: _Model) -> Network:
    """The frozen model's integers as a network, proven to fit the accumulators."""
    plan = model.plan
    with torch.no_grad():
        n = {key: value.numpy().astype(np.int64) for key, value in model.integers().items()}
    largest = 2 ** (plan.acc_bits - 1)
    for key in ("w1", "w2"):
        high, low = np.maximum(n[key], 0).sum(1), np.minimum(n[key], 0).sum(1)
        for neuron in np.flatnonzero((high >= largest) | (low < -largest)):
            raise ValueError(
                f"the weights {key} of neuron {neuron} sum to {low[neuron]} and {high[neuron]}, "
                f"beyond acc_bits={plan.acc_bits}: train with fewer inputs or wider accumulators"
            )
    hidden = Neuron(leak=plan.leak, threshold=n["theta1"])
    output = Neuron(leak=plan.readout_leak, fires=False)
    return Network(
        input=PixelInput(shape=(1, plan.side, plan.side), bits=plan.pixel_bits),
        layers=(
            Dense(weight=n["w1"], bias=n["b1"], neuron=hidden),
            Dense(weight=n["w2"], bias=n["b2"], neuron=output),
        ),
        readout="membrane",
        weight_bits=plan.weight_bits,
        fraction_bits=plan.fraction_bits,
    )
