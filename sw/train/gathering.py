"""Data of one's own become the samples of a recipe: checked, split and shuffled."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..samples.events import bin_events, is_recordings
from ..samples.fitting import fit_events
from ..support.values import as_array, exact_integers
from .data import Samples
from .own import OwnData
from .recipe import Recipe
from .sources import NAMES, Part, Source, read_source

__all__ = ["Data", "Gathered", "gather"]

Data = str | os.PathLike[str] | Mapping[str, Any] | tuple[Any, ...]
"""What ``train`` takes as ``data``."""
Bytes = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
_BLOCK = 1 << 22  # values checked at a time, as int64


@dataclass(frozen=True)
class Gathered:
    """Samples of a recipe of data of one's own.

    Attributes
    ----------
    plan : Recipe
        The recipe, with the shape, the steps and the number of classes of the data.
    train, test : Samples
        The samples; those to train on in random order.
    about : dict
        What the result says of them: ``classes``, numbers of samples, how the test samples were
        chosen, and a hash.
    """

    plan: Recipe
    train: Samples
    test: Samples
    about: dict[str, Any]


def gather(plan: Recipe, data: Data | None) -> Gathered:
    """Return the samples of a recipe of data of one's own.

    Parameters
    ----------
    plan : Recipe
        A recipe with ``own``.
    data : path, mapping or tuple
        As for ``train``.

    Raises
    ------
    FileError
        If a file cannot be read, or a folder has none.
    TypeError, ValueError
        Naming the array, the value at fault and what is allowed.
    """
    own = plan.own
    assert own is not None
    source = _source(own, data)
    values, labels = _part(plan, source.train, "")
    count = _classes(labels, source.classes)
    rng = np.random.default_rng(own.split_seed)
    if source.test is None:
        kept, tested = _split(labels, own, count, rng)
        test_values, test_labels = values[tested], labels[tested]
        values, labels = values[kept], labels[kept]
        how = f"{own.test_share:g} of each class, drawn with split_seed={own.split_seed}"
    else:
        test_values, test_labels = _part(plan, source.test, "test_")
        if test_values.shape[1:] != values.shape[1:]:
            raise ValueError(
                f"test_samples must be (n, {_sizes(values)}) like samples, not "
                f"{test_values.shape}"
            )
        if len(test_labels) and int(test_labels.max()) >= count:
            raise ValueError(
                f"test_labels must be less than the {count} classes of labels, not "
                f"{test_labels.max()}"
            )
        how = "given"
    order = rng.permutation(len(labels))  # the held-out samples are the last ones
    values, labels = values[order], labels[order]
    first = 2 if plan.stepped else 1
    fitted = replace(
        plan,
        own=replace(own, shape=values.shape[first:]),
        steps=values.shape[1] if plan.stepped else plan.steps,
        classes=count,
    )
    about = {
        "classes": list(source.classes or map(str, range(count))),
        "train_samples": len(labels), "test_samples": len(test_labels), "test": how,
        "sha256": _digest(values, labels, test_values, test_labels),
    }
    return Gathered(fitted, _samples(values, labels), _samples(test_values, test_labels), about)


def _source(own: OwnData, data: Data | None) -> Source:
    if data is None:
        raise ValueError(
            "data must be given for a recipe of data of one's own: arrays (samples, labels), an "
            ".npz file of them, or a folder with a subfolder of files for each class"
        )
    if isinstance(data, (str, os.PathLike)):
        return read_source(Path(data), own)
    if isinstance(data, Mapping):
        unknown = [name for name in data if name not in NAMES]
        if unknown or not {"samples", "labels"} <= data.keys():
            raise ValueError(
                f"data must have the arrays samples and labels, and perhaps test_samples and "
                f"test_labels, not {', '.join(map(str, data)) or 'none'}"
            )
        given = [data.get(name) for name in NAMES]
    elif isinstance(data, (tuple, list)) and len(data) in (2, 4):
        given = [*data, None, None][:4]
    else:
        raise TypeError(
            "data must be a path, a dict of arrays, or a tuple (samples, labels) or (samples, "
            f"labels, test_samples, test_labels), not {type(data).__name__} "
            + (f"of {len(data)}" if isinstance(data, (tuple, list)) else "")
        )
    samples, labels, test_samples, test_labels = given
    if (test_samples is None) != (test_labels is None):
        raise ValueError("test_samples and test_labels must be given together")
    test = None if test_samples is None else Part(test_samples, test_labels)
    return Source(Part(samples, labels), test)


def _part(plan: Recipe, part: Part, which: str) -> tuple[Bytes, Labels]:
    """Samples as bytes, and their labels, as many of them."""
    values = _values(plan, part, f"{which}samples")
    name = f"{which}labels"
    if part.labels is None:
        raise ValueError(f"{name} must be given: one class, an integer from 0, for each sample")
    labels = exact_integers(name, part.labels, 0, (1 << 31) - 1)
    if labels.shape != (len(values),):
        raise ValueError(f"{name} must be ({len(values)},), one per sample, not {labels.shape}")
    return values, labels


def _values(plan: Recipe, part: Part, name: str) -> Bytes:
    own, samples = plan.own, part.samples
    assert own is not None
    if is_recordings(samples):
        return _binned(plan, own, part, name)
    array = as_array(name, samples)
    if own.encoder is not None:
        array = own.encoder.encode(samples, plan.steps if own.encoder.static else None)
    axes = ("n", "steps") if plan.stepped else ("n",)
    shape = own.shape
    if own.bands is not None:
        axes, shape = ("n", str(own.bands.frames)), (own.bands.bands,)
    if array.ndim <= len(axes) or (shape is not None and array.shape[len(axes) :] != shape) or (
        own.bands is not None and array.shape[1] != own.bands.frames
    ):
        wanted = ", ".join([*axes, *(["*shape"] if shape is None else map(str, shape))])
        raise ValueError(f"{name} must be ({wanted}) for {own.input}, not {array.shape}")
    if not array.size:
        raise ValueError(f"{name} must hold at least one value, not {array.shape}")
    if own.encoder is not None:
        bits = 1 if plan.binary else plan.pixel_bits
        own.encoder.check_input(own.input, array.shape[len(axes) :], bits)
    high = 1 if plan.binary else (1 << plan.pixel_bits) - 1
    done = np.empty(array.shape, np.uint8)
    flat, out = array.reshape(-1), done.reshape(-1)
    try:
        for at in range(0, len(flat), _BLOCK):
            out[at : at + _BLOCK] = exact_integers(name, flat[at : at + _BLOCK], 0, high)
    except ValueError:
        _name_first(name, array, high, plan)
        raise
    return done


def _name_first(name: str, array: npt.NDArray[Any], high: int, plan: Recipe) -> None:
    """Refuse the first value at fault, by its place in the whole array."""
    bad = ~((array >= 0) & (array <= high) & (np.floor(array) == array))
    at = tuple(int(i) for i in np.argwhere(bad)[0])
    hint = "" if plan.binary else (
        f": pixel_bits={plan.pixel_bits} is the width of a value; images of 8 bits become these "
        f"with images >> {8 - plan.pixel_bits}"
    )
    raise ValueError(f"{name} must be integers from 0 to {high}, not {array[at]} at {at}{hint}")


def _binned(plan: Recipe, own: OwnData, part: Part, name: str) -> Bytes:
    recordings, files = part.samples, part.files
    if own.encoder is not None:
        raise ValueError(f"encoder must be None: {name} are recordings of events, not raw signals")
    if own.input == "pixels":
        raise ValueError(
            f"{name} are recordings of events, for input 'spikes' or 'frames', not 'pixels'"
        )
    shape = own.recording_shape
    if shape is None:
        raise ValueError(
            "shape must be given for recordings, such as (2, 34, 34) for polarities, rows and "
            "columns, or crop"
        )
    fitted = [fit_events(each, **own.fitting) for each in recordings]
    count = plan.steps if own.bin_time is None else None
    try:
        binned = bin_events(
            fitted, shape, plan.steps, own.bin_time, count, own.start, own.late,
            None if plan.binary else plan.pixel_bits, own.excess,
        )
    except (TypeError, ValueError) as error:
        text = str(error)
        if files and (found := re.match(r"samples\[(\d+)\]", text)):
            text = f"{files[int(found[1])]}{text[found.end() :]}"
        raise type(error)(text) from error
    return binned.view(np.uint8)


def _classes(labels: Labels, names: tuple[str, ...] | None) -> int:
    """The number of classes, each of which has samples."""
    count = int(labels.max()) + 1 if names is None else len(names)
    there = np.bincount(labels, minlength=count)
    if len(there) < 2:
        raise ValueError(
            f"labels must name at least two classes, not {names[0] if names else 0!r} alone"
        )
    if not there.all():
        missing = int(np.argmin(there))
        named = f"{names[missing]!r} ({missing})" if names and missing < len(names) else missing
        raise ValueError(
            f"labels must be from 0 to {len(there) - 1}, each of one sample at least: class "
            f"{named} has none"
        )
    if len(there) > count:
        raise ValueError(f"labels must be from 0 to {count - 1}, not {len(there) - 1}")
    return count


def _split(
    labels: Labels, own: OwnData, count: int, rng: np.random.Generator
) -> tuple[Labels, Labels]:
    """The numbers of the samples to train on, and of those to test: of each class a share."""
    kept, tested = [], []
    for label in range(count):
        mine = rng.permutation(np.flatnonzero(labels == label))
        if len(mine) < 2:
            raise ValueError(
                f"labels must name at least two samples of each class, one of them to be tested: "
                f"class {label} has 1"
            )
        number = min(max(1, round(own.test_share * len(mine))), len(mine) - 1)
        tested.append(mine[:number])
        kept.append(mine[number:])
    return np.concatenate(kept), np.sort(np.concatenate(tested))


def _samples(values: Bytes, labels: Labels) -> Samples:
    return Samples(
        torch.from_numpy(np.require(values, requirements=("C", "W"))),
        torch.from_numpy(np.require(labels, requirements=("C", "W"))),
    )


def _sizes(values: Bytes) -> str:
    return ", ".join(map(str, values.shape[1:]))


def _digest(*arrays: npt.NDArray[Any]) -> str:
    found = hashlib.sha256()
    for each in arrays:
        found.update(f"{each.dtype} {each.shape}".encode())
        found.update(np.ascontiguousarray(each).data)
    return found.hexdigest()
