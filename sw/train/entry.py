"""``train``: from a recipe and its data to a tested network."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..golden.golden import Golden
from ..network import Network
from ..network.files import check_writable
from ..support.errors import FileError
from ..support.values import exact_int
from .consistency import firing_rate, skeleton_rate
from .data import Samples, chunks, load, read, shaped
from .gathering import Data, Gathered, gather
from .model import exported
from .recipe import Recipe
from .recipes import RECIPES
from .result import Result
from .run import EVALUATED_AT_ONCE, Run

__all__ = ["train"]

Progress = Callable[[str], None]
_LARGEST = (1 << 31) - 1


def train(
    recipe: str | Recipe = "mnist-mlp",
    *,
    epochs: int | None = None,
    seed: int = 0,
    data: Data | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    resume: bool = False,
    threads: int = 1,
    torch_device: str = "cpu",
    name: str | None = None,
) -> Result:
    """Train a recipe, choose the network on held-out training samples, and test it once.

    Parameters
    ----------
    recipe : str or Recipe
        A name in ``RECIPES``, or a recipe.
    epochs : int, optional
        Passes over the training samples; as the recipe says by default.
    seed : int
        Seed of the first weights, the order of the samples, their distortions and the noise.
    data : path, tuple or mapping, optional
        Folder of the data set, as for the functions in ``stablespike.datasets``. For a recipe of
        data of one's own: arrays ``(samples, labels)`` or ``(samples, labels, test_samples,
        test_labels)``, the same by these names, an ``.npz`` file of them, a file of recordings with
        labels, or a folder with a subfolder of files for each class. A folder may have subfolders
        ``train`` and ``test`` of these. Labels are 0 to n - 1.
    out : str or Path, optional
        Folder for ``<recipe>.safetensors``, ``<recipe>.json`` and ``<recipe>.checkpoint.pt``, which
        is rewritten in every epoch. Nothing is written by default.
    progress : callable, optional
        Called with a line of text per epoch.
    resume : bool
        Continue from the checkpoint in ``out``. The result is that of an uninterrupted run.
    threads : int
        Threads of torch. On the CPU results repeat bit for bit with the same number of threads.
    torch_device : str
        Device of torch that trains: "cpu", "cuda", or one of several, "cuda:0". The network is
        exact on each device, but the learned network differs.
    name : str, optional
        Name of the result and its files, in place of ``<recipe>``: by default that of the recipe,
        "custom" for one without a name.

    Returns
    -------
    Result
        The network and its figures.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above.
    CheckpointError
        If there is no fitting checkpoint to resume from.
    DatasetError
        If the data set cannot be read.
    FileError
        If a file of one's own data cannot be read, or ``out`` cannot be written; this is detected
        before the training begins.
    Diverged
        If the loss is no longer finite. The checkpoint of the last good epoch is kept.
    """
    name, plan = _plan(recipe, epochs, name)
    seed = exact_int("seed", seed, 0, _LARGEST)
    threads = exact_int("threads", threads, 1, _LARGEST)
    if resume and out is None:
        raise ValueError("resume=True needs out=, the folder with the checkpoint")
    _check_device(torch_device)
    folder = None if out is None else Path(out)
    if folder is not None:
        _make_folder(folder, name)
    say = progress or _silent
    torch.set_num_threads(threads)

    if torch_device != "cpu":
        # Products of TF32 or bfloat16 are not exact for whole numbers.
        torch.set_float32_matmul_precision("highest")

    own = None
    if plan.own is not None:
        own = gather(plan, data)
        plan, samples, digest = own.plan, own.train, own.about["sha256"]
        say(_told(own))
    else:
        data = _folder(data)
        samples, digest = load(plan, "train", data), ""
    run = Run(name, plan, seed, samples, torch_device, digest)
    run.checkpoints = folder is not None
    if resume and folder is not None:
        run.restore(_checkpoint_path(folder, name))
        say(f"resumed after epoch {run.epoch} of {plan.epochs}")
    while run.epoch < plan.epochs:
        line = run.one_epoch()
        if folder is not None:
            run.keep(_checkpoint_path(folder, name))
        say(line)
    test = load(plan, "test", _folder(data)) if own is None else own.test
    result = _tested(run, test, threads, None if own is None else own.about)
    say(f"test accuracy {result.test:.2%} with the network of epoch {result.best_epoch}")
    say(f"test samples on which the golden model differs: {result.golden_differences}")
    if folder is not None:
        result.write(folder)
        say(f"wrote {result.files['network']} and {result.files['figures']}")
    return result


def _make_folder(folder: Path, name: str) -> None:
    """Make the folder, and check that it takes files before any work is done for them."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            f"{folder} is not a folder and cannot become one: {error.strerror}"
        ) from error
    check_writable(_checkpoint_path(folder, name))


def _folder(data: Data | None) -> Path | None:
    """Return the folder of a known data set."""
    if data is None or isinstance(data, (str, os.PathLike)):
        return None if data is None else Path(data)
    raise TypeError(
        f"data must be the folder of the data set, not {type(data).__name__}: recipes for data of "
        "one's own are " + ", ".join(name for name, plan in RECIPES.items() if plan.own)
    )


def _told(own: Gathered) -> str:
    """Return a line of text on data of one's own."""
    about, plan = own.about, own.plan
    steps = f", {plan.steps} steps" if plan.stepped else ""
    return (
        f"{about['train_samples']} samples to train on and hold out, {about['test_samples']} to "
        f"test ({about['test']}); {plan.classes} classes, input {plan.shape}{steps}"
    )


def _silent(line: str) -> None:
    return None


def _plan(
    recipe: str | Recipe, epochs: int | None, name: str | None
) -> tuple[str, Recipe]:
    if name is not None and (not isinstance(name, str) or not name or Path(name).name != name):
        raise ValueError(f"name must be the name of a file without a folder, not {name!r}")
    if isinstance(recipe, Recipe):
        name, plan = name or "custom", recipe
    elif recipe in RECIPES:
        name, plan = name or recipe, RECIPES[recipe]
    else:
        raise ValueError(f"no recipe {recipe!r}: there are {', '.join(RECIPES)}")
    if epochs is not None:
        plan = replace(plan, epochs=exact_int("epochs", epochs, 1, _LARGEST))
    return name, plan


def _check_device(name: str) -> None:
    """Refuse a device that torch does not have here."""
    count = torch.cuda.device_count()
    there = ["cpu", *["cuda"][:count], *(f"cuda:{index}" for index in range(count))]
    if name not in there:
        raise ValueError(f"torch_device must be one of {', '.join(there)}, not {name!r}")


def _checkpoint_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.checkpoint.pt"


def _tested(
    run: Run, samples: Samples, threads: int, about: dict[str, Any] | None = None
) -> Result:
    """Return the chosen epoch's network and its figures on the test samples."""
    run.model.load_state_dict(run.best_state)
    network = exported(run.model)
    membranes, spikes = (each.cpu() for each in run.evaluated(samples))
    shown = read(samples.inputs, run.plan) != 0
    if run.plan.stepped:
        shown = shown.any(0)
    return Result(
        recipe=run.name,
        seed=run.seed,
        epochs=run.epoch,
        best_epoch=run.best_epoch,
        validation=round(run.best, 6),
        golden_differences=_golden_differences(run, network, samples, membranes, spikes),
        test=float((membranes.argmax(1) == samples.labels).double().mean()),
        pixels=float(shown.sum(1).float().mean()),
        active=float((spikes.sum(0) > 0).sum(1).float().mean()),
        spikes=float(spikes.sum((0, 2)).mean()),
        firing_rate=float(firing_rate(spikes).mean()),
        skeleton_rate=float(skeleton_rate(spikes).mean()) if len(spikes) > 1 else None,
        seconds=round(run.seconds, 1),
        threads=threads,
        torch_device=run.devices,
        settings=run.plan.as_dict(),
        network=network,
        data=about,
    )


def _golden_differences(
    run: Run, network: Network, samples: Samples, membranes: torch.Tensor, spikes: torch.Tensor
) -> int:
    """Count the samples on which the golden model and the trained model differ.

    It compares the membranes, and the spikes that the last layer reads.
    """
    plan, golden = run.plan, Golden(replace(network, encoder=None), run.plan.state_bits)
    by_sample = (samples.inputs, membranes, spikes.transpose(0, 1))
    pieces = (chunks(each, EVALUATED_AT_ONCE) for each in by_sample)
    count = 0
    for inputs, out, fired in zip(*pieces, strict=True):
        found = golden.run(shaped(inputs, plan), None if plan.stepped else plan.steps, trace=True)
        differ = (found.readout != out.numpy()).any(1)
        differ |= (_features(network, found.spikes[-2]) != fired.numpy()).any((1, 2))
        count += int(differ.sum())
    return count


def _features(network: Network, spikes: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the (batch, steps, features) that the last layer reads, from the spikes of the layer
    before."""
    pool = network.layers[-2].pool_after
    shape = network.neuron_shapes[-2]
    flat = spikes.reshape(*spikes.shape[:2], -1)
    return flat if pool is None else pool.words(flat.astype(np.uint16), shape).astype(np.bool_)
