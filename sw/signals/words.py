"""Folders of WAV files named by word."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..support.errors import FileError
from .mel import MelBands, mel_frames
from .waves import read_wave

__all__ = ["Words", "read_words", "word_files"]


@dataclass(frozen=True, eq=False)
class Words:
    """The frames of the words of a folder.

    Attributes
    ----------
    frames : (words, frames, bands) uint8 array
        The frames.
    labels : (words,) int64 array
        The number of each word in ``classes``.
    classes : tuple of str
        The words that there are.
    files : tuple of Path
        The file of each word.
    """

    frames: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    files: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.labels)


def read_words(
    folder: str | os.PathLike[str],
    bands: MelBands | None = None,
    classes: Sequence[str] | None = None,
) -> Words:
    """Read a folder of WAV files, each of one word, of one channel and any rate.

    The files are in subfolders named by the words (``yes/0a7c2a8d_nohash_0.wav``), of which those
    whose names begin with ``_`` or ``.`` are passed over; or they are in the folder itself, and the
    part of the name before the first ``_`` is the word (``7_jackson_0.wav``).

    Parameters
    ----------
    folder : str or path object
        The folder.
    bands : MelBands, optional
        The settings of the frames; their defaults otherwise.
    classes : sequence of str, optional
        The words by their labels, such as those of a trained network. The words that there are, in
        sorted order, by default.

    Returns
    -------
    Words
        Frames and labels, sorted by word and file.

    Raises
    ------
    FileError
        If there are no such files, or one cannot be read; the message names it.
    ValueError
        If a word is not one of ``classes``.
    """
    named = word_files(Path(folder))
    found = tuple(sorted({word for _, word in named}))
    known = found if classes is None else tuple(classes)
    for path, word in named:
        if word not in known:
            raise ValueError(f"the word {word!r} of {path} is not one of {', '.join(known)}")
    frames = [frames_of(path, bands) for path, _ in named]
    return Words(
        frames=np.stack(frames),
        labels=np.array([known.index(word) for _, word in named], np.int64),
        classes=known,
        files=tuple(path for path, _ in named),
    )


def frames_of(path: Path, bands: MelBands | None = None) -> npt.NDArray[np.uint8]:
    """Return the (frames, bands) frames of one file. Errors name it."""
    try:
        return mel_frames(*read_wave(path), bands)
    except FileError:
        raise
    except ValueError as error:
        raise FileError(f"{path}: {error}") from error


def word_files(folder: Path) -> list[tuple[Path, str]]:
    """Return the WAV files of a folder with their words, sorted by word and file.

    Raises
    ------
    FileError
        If there are none, the folder mixes both layouts, or a name has no word.
    """
    if not folder.is_dir():
        raise FileError(f"{folder} is not a folder of WAV files")
    flat = _waves(folder.iterdir())
    inside = {
        each.name: _waves(each.iterdir())
        for each in sorted(folder.iterdir())
        if each.is_dir() and each.name[0] not in "_."
    }
    nested = [(path, word) for word, paths in inside.items() for path in paths]
    if flat and nested:
        raise FileError(
            f"{folder} has WAV files ({flat[0].name}) as well as subfolders of them "
            f"({nested[0][0].parent.name}): leave one kind there"
        )
    if nested:
        bare = [word for word, paths in inside.items() if not paths]
        if bare:
            raise FileError(
                f"{folder / bare[0]} has no WAV file: every subfolder must have those of a word"
            )
        return nested
    if not flat:
        raise FileError(
            f"{folder} has no WAV file: they must be in WORD/ANY.wav, or be named WORD_ANY.wav"
        )
    for path in flat:
        if "_" not in path.stem or path.stem.startswith("_"):
            raise FileError(
                f"{path} must be named WORD_ANY.wav, or be in a subfolder named by its word"
            )
    named = [(path, path.stem.split("_")[0]) for path in flat]
    return sorted(named, key=lambda each: (each[1], each[0].name))


def _waves(paths: Iterable[Path]) -> list[Path]:
    return sorted(
        path for path in paths
        if path.suffix.lower() == ".wav" and path.is_file() and path.name[0] != "."
    )
