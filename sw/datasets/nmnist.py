"""N-MNIST: digits in front of a moving event camera, 34 x 34 pixels and two polarities.

It is the data set of Orchard et al. (2015), licensed CC BY-SA 4.0. Recordings are structured arrays
with the fields ``t`` (microseconds), ``x``, ``y`` and ``p``, as ``Device.run`` takes them.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from ..samples.recordings.atis import decode_atis
from ..support.values import exact_choice
from .files import SPLITS, DatasetError, FileForm, check_md5, data_folder, fetch, is_gzip

__all__ = [
    "ARCHIVES", "EVENT_DTYPE", "NMNIST_SHAPE", "SMALL_MD5", "SMALL_MIRRORS", "nmnist",
    "nmnist_small", "parse_events",
]

EVENT_DTYPE = np.dtype([("t", np.int64), ("x", np.uint8), ("y", np.uint8), ("p", np.uint8)])
NMNIST_SHAPE = (2, 34, 34)
"""Sizes of a recording's axes (p, y, x)."""

Recordings = list[npt.NDArray[np.void]]
Labels = npt.NDArray[np.uint8]

_EVENT_BYTES = 5
_MENDELEY = "https://data.mendeley.com/public-files/datasets/468j46mzdv/files/"
ARCHIVES = {
    "train": (
        "Train.zip",
        _MENDELEY + "39c25547-014b-4137-a934-9d29fa53c7a0/file_downloaded",
        "20959b8e626244a1b502305a9e6e2031",
    ),
    "test": (
        "Test.zip",
        _MENDELEY + "05a4d654-7e03-4c15-bdfa-9bb2bcbea494/file_downloaded",
        "69ca8762b2fe404d9b9bad1103e97832",
    ),
}
"""File, address and MD5 of each split."""
_SMALL_LISTS = ("train1K.txt", "test100.txt")
SMALL_MD5 = "05c47a7028c97db5c9bd400101c1b11c"
"""MD5 of all recordings of the small data set, with their numbers and labels."""
_SMALL_FOLDER = "NMNISTsmall"
_UNPACKED_MOST = 1 << 26  # bytes of the small data set
_SMALL_ARCHIVES = ("NMNISTsmall.zip", "nmnist-small.tar.gz")
_SLAYER = "https://raw.githubusercontent.com/bamsumit/slayerPytorch/master/example/"
SMALL_MIRRORS = (
    _SLAYER + "NMNISTsmall.zip",
    _SLAYER + "02_NMNIST_MLP/NMNISTsmall.zip",
)


def _is_archive(file: IO[bytes]) -> bool:
    """Whether a file is a zip archive with recordings; only its directory is read."""
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.endswith(".bin") for name in archive.namelist())
    except Exception:  # zipfile has many for damaged files
        return False


def _is_small(file: IO[bytes]) -> bool:
    return is_gzip(file) or zipfile.is_zipfile(file)


_WHOLE = FileForm("an archive of recordings", _is_archive, 1 << 31)
_SMALL = FileForm("an archive", _is_small, 1 << 26)


def nmnist(
    split: str = "train", path: str | os.PathLike[str] | None = None
) -> tuple[Recordings, Labels]:
    """Read N-MNIST.

    Parameters
    ----------
    split : {"train", "test"}
        The 60,000 training or the 10,000 test samples.
    path : str or path object, optional
        A folder with ``Train.zip`` and ``Test.zip`` (a gigabyte), or with a folder ``nmnist`` that
        has them. By default $STABLESPIKE_DATA, or else the user's cache, into which they are
        downloaded.

    Returns
    -------
    recordings : list of structured arrays
        Events of each sample, in the order of file numbers.
    labels : (n,) uint8
        Digits, 0 to 9.

    Raises
    ------
    ValueError
        If there is no such split.
    DatasetError
        If the file is missing and cannot be downloaded, is damaged, or is not N-MNIST's.
    """
    exact_choice("split", split, SPLITS)
    name, address, md5 = ARCHIVES[split]

    def check(data: bytes, where: str) -> None:
        found = hashlib.md5(data, usedforsecurity=False).hexdigest()
        check_md5(found, md5, where, f"N-MNIST's {name}", "its MD5", named)

    folder, named = data_folder("nmnist", path)
    data = fetch(name, [address], folder, named, check, _WHOLE)
    check(data, str(folder / name))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [each for each in archive.namelist() if each.endswith(".bin")]
        names.sort(key=lambda each: Path(each).name)
        recordings = [parse_events(archive.read(each), each) for each in names]
    labels = np.array([int(Path(each).parent.name) for each in names], np.uint8)
    return recordings, labels


def nmnist_small(path: str | os.PathLike[str] | None = None) -> tuple[Recordings, Labels]:
    """Read the subset of N-MNIST that comes with slayerPytorch.

    The first 1,000 recordings are its training samples, the last 100 its test samples. ``folds``
    splits all of them.

    Parameters
    ----------
    path : str or path object, optional
        A folder with the folder ``NMNISTsmall``, with ``NMNISTsmall.zip`` or with
        ``nmnist-small.tar.gz``, or with a folder ``nmnist-small`` that has one of them. By default
        $STABLESPIKE_DATA, or else the user's cache, into which the archive is downloaded.

    Returns
    -------
    recordings : list of structured arrays
        Events of the 1,100 samples.
    labels : (1100,) uint8
        Digits, 0 to 9.

    Raises
    ------
    DatasetError
        If it is missing and cannot be downloaded, is damaged, or is another data set.
    """
    folder, named = data_folder("nmnist-small", path)
    if (folder / _SMALL_FOLDER).is_dir():
        read = _from_folder(folder / _SMALL_FOLDER)
        return _small(read, folder / _SMALL_FOLDER, named)
    there = [folder / name for name in _SMALL_ARCHIVES if (folder / name).is_file()]
    file = there[0] if there else folder / _SMALL_ARCHIVES[0]

    def check(data: bytes, where: str) -> None:
        _small(_from_archive(data, where), Path(where), named)

    data = fetch(file.name, SMALL_MIRRORS, folder, named, check, _SMALL)
    return _small(_from_archive(data, str(file)), file, named)


def parse_events(data: bytes, source: str | Path) -> npt.NDArray[np.void]:
    """Return the recording in the bytes of a file.

    An event has five bytes: x, y, then the polarity in the most significant bit and 23 bits of
    time. An event at y = 240 is not a spike. It says that another 2**13 microseconds have passed.

    Parameters
    ----------
    data : bytes
        Contents of the file.
    source : str or Path
        The file, for messages.

    Returns
    -------
    (events,) structured array
        Of ``EVENT_DTYPE``.

    Raises
    ------
    DatasetError
        If the file is truncated, or an event is outside of 34 x 34 pixels.
    """
    if len(data) % _EVENT_BYTES:
        raise DatasetError(
            f"{source} is truncated: {len(data)} bytes are not a whole number of 5-byte events"
        )
    decoded = decode_atis(np.frombuffer(data, np.uint8))
    spikes = np.empty(len(decoded), EVENT_DTYPE)
    for field in ("t", "x", "y", "p"):
        spikes[field] = decoded[field]
    for axis, size in (("y", NMNIST_SHAPE[1]), ("x", NMNIST_SHAPE[2])):
        if len(spikes) and spikes[axis].max() >= size:
            raise DatasetError(
                f"{source} has an event at {axis}={spikes[axis].max()}, outside of {size} pixels"
            )
    return spikes


def _from_folder(folder: Path) -> Callable[[str], bytes]:
    """Return a function that reads a file of a folder by its name."""
    def read(name: str) -> bytes:
        try:
            return (folder / name).read_bytes()
        except OSError as error:
            raise DatasetError(f"{folder / name} cannot be read: {error.strerror}") from error

    return read


def _from_archive(data: bytes, where: str) -> Callable[[str], bytes]:
    """Return a function that reads a file of a zip or tar archive by its name."""
    try:
        contents = _unpacked(data)
    except Exception as error:  # zipfile, tarfile and zlib have many for damaged files
        raise DatasetError(
            f"{where} is truncated or not an archive ({error}): delete it and fetch it again"
        ) from error

    def read(name: str) -> bytes:
        if name not in contents:
            raise DatasetError(f"{where} has no {name}: it is not {_SMALL_FOLDER}")
        return contents[name]

    return read


def _unpacked(data: bytes) -> dict[str, bytes]:
    """Return the files of a zip or tar archive by their names, without folders."""
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as zipped:
            _check_unpacked(sum(each.file_size for each in zipped.infolist()))
            return {Path(name).name: zipped.read(name) for name in zipped.namelist()}
    contents: dict[str, bytes] = {}
    total = 0
    with tarfile.open(fileobj=io.BytesIO(data)) as tarred:
        for member in tarred:
            total += member.size
            _check_unpacked(total)
            if (inside := tarred.extractfile(member)) is not None:
                contents[Path(member.name).name] = inside.read()
    return contents


def _check_unpacked(size: int) -> None:
    if size > _UNPACKED_MOST:
        raise ValueError(f"it unpacks to {size} bytes, more than {_UNPACKED_MOST}")


def _small(read: Callable[[str], bytes], where: Path, named: bool) -> tuple[Recordings, Labels]:
    """Return the recordings and labels of the subset, in the order of its lists."""
    # There is one checksum over all recordings and labels, since folder, zip and tar have no bytes
    # in common.
    digest = hashlib.md5(usedforsecurity=False)
    recordings, labels = [], []
    for name in _SMALL_LISTS:
        for line in read(name).decode("ascii", "replace").splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            try:
                number, label = (int(word) for word in line.split())
            except ValueError as error:
                raise DatasetError(
                    f"{name} in {where} must have a number and a class a line, not {line!r}"
                ) from error
            data = read(f"{number}.bs2")
            digest.update(b"%d %d\n" % (number, label) + data)
            recordings.append(parse_events(data, where / f"{number}.bs2"))
            labels.append(label)
    what = "the MD5 of its recordings"
    check_md5(digest.hexdigest(), SMALL_MD5, where, _SMALL_FOLDER, what, named)
    return recordings, np.array(labels, np.uint8)
