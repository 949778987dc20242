"""Files and folders of data of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..samples.arrays import ZIP_MAGIC, read_npz
from ..samples.columns import recordings_in
from ..samples.files import SampleFile, read_samples
from ..samples.recordings.reading import read_recordings
from ..signals import read_words
from ..support.errors import FileError
from .own import OwnData

__all__ = ["NAMES", "Part", "Source", "read_source"]

NAMES = ("samples", "labels", "test_samples", "test_labels")
_SPLITS = ("train", "test")


@dataclass(frozen=True)
class Part:
    """Samples, an array or a list of recordings, and their labels, not yet checked.

    Attributes
    ----------
    samples, labels : array_like, or list of recordings
        As they were given.
    files : tuple of Path
        The file of each recording, where there are files.
    """

    samples: Any
    labels: Any
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Source:
    """Samples to train on, and perhaps to test.

    Attributes
    ----------
    train, test : Part
        The samples; ``test`` is None if the data do not say which.
    classes : tuple of str or None
        Names of the classes.
    """

    train: Part
    test: Part | None = None
    classes: tuple[str, ...] | None = None


def read_source(path: Path, own: OwnData) -> Source:
    """Read a file of samples and labels, or a folder with a subfolder of files for each class.

    Raises
    ------
    FileError
        If it cannot be read; the message names the file or the folder.
    """
    if not path.is_dir():
        return _file(path, own)
    if own.input == "pixels":
        raise FileError(
            f"{path} is a folder: those of recordings are for input 'spikes' or 'frames', those of "
            "WAV files for a recipe of words; input 'pixels' takes an .npz file"
        )
    splits = {
        each.name.lower(): each
        for each in path.iterdir()
        if each.is_dir() and each.name.lower() in _SPLITS
    }
    read = _recordings if own.bands is None else _words
    if splits.keys() == set(_SPLITS):
        train, classes = read(splits["train"], own, None)
        return Source(train, read(splits["test"], own, classes)[0], classes)
    train, classes = read(path, own, None)
    return Source(train, None, classes)


def _file(path: Path, own: OwnData) -> Source:
    try:
        with path.open("rb") as file:
            zipped = file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
    except FileNotFoundError:
        raise FileError(f"there is no file or folder {path}") from None
    except OSError as error:
        raise FileError(f"{path} cannot be read ({error.strerror or error})") from error
    arrays = read_npz(path) if zipped else {}
    if "samples" not in arrays:
        samples, labels = read_samples(path, own.format)
        if labels is None:
            raise FileError(f"{path} has no labels: give them as an array 'labels'")
        return Source(Part(samples, labels))
    if "labels" not in arrays or ("test_samples" in arrays) != ("test_labels" in arrays):
        raise FileError(
            f"{path} must have the arrays samples and labels, and perhaps test_samples and "
            f"test_labels; it has {', '.join(arrays)}"
        )
    told = SampleFile(
        arrays["samples"], lengths=arrays.get("lengths"), carry_state=arrays.get("carry_state")
    )
    told.pair(path)  # refuses what a training would not follow
    train, test = (
        Part(_listed(arrays[f"{which}samples"]), arrays[f"{which}labels"])
        if f"{which}samples" in arrays else None
        for which in ("", "test_")
    )
    assert train is not None
    names = arrays.get("classes")
    classes = None
    if names is not None:
        if names.ndim != 1 or names.dtype.kind != "U":
            raise FileError(f"{path}: classes must be a list of names, not {names.dtype}")
        classes = tuple(map(str, names))
    return Source(train, test, classes)


def _listed(samples: Any) -> Any:
    found = recordings_in({"samples": samples})
    return samples if found is None else found


def _words(
    folder: Path, own: OwnData, classes: tuple[str, ...] | None
) -> tuple[Part, tuple[str, ...]]:
    words = read_words(folder, own.bands, classes)
    return Part(words.frames, words.labels), words.classes


def _recordings(
    folder: Path, own: OwnData, classes: tuple[str, ...] | None
) -> tuple[Part, tuple[str, ...]]:
    inside = {
        each.name: sorted(
            path for path in each.iterdir() if path.is_file() and path.name[0] != "."
        )
        for each in sorted(folder.iterdir())
        if each.is_dir() and each.name[0] != "."
    }
    if not inside:
        raise FileError(f"{folder} has no subfolder: there must be one of recordings per class")
    known = tuple(inside) if classes is None else classes
    samples: list[Any] = []
    labels: list[int] = []
    files: list[Path] = []
    for name, paths in inside.items():
        if not paths:
            raise FileError(f"{folder / name} has no file: every class must have recordings")
        if name not in known:
            raise FileError(f"{folder / name} is of a class that is not one of {', '.join(known)}")
        for path in paths:
            events = read_recordings(path, own.format).events
            samples.extend(events)
            labels.extend([known.index(name)] * len(events))
            files.extend([path] * len(events))
    return Part(samples, np.array(labels), tuple(files)), known
