"""MNIST: read from files in the IDX format, fetched once where they are missing."""

from __future__ import annotations

import gzip
import hashlib
import os
import urllib.error
import urllib.request
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .errors import FileError

__all__ = ["DatasetError", "mnist", "mnist_folder", "pixels", "shipped_mnist", "shipped_path"]

Images = npt.NDArray[np.uint8]

DATA_VARIABLE = "STABLESPIKE_DATA"
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
SIDE = 28
_TIMEOUT_S = 30
_SPLITS = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
_MD5 = {
    "train-images-idx3-ubyte.gz": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte.gz": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte.gz": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte.gz": "27ae3e4e09519cfbb04c329615203637",
}
_SHIPPED = ("mnist-test-1000-images-idx3-ubyte.gz", "mnist-test-1000-labels-idx1-ubyte.gz")


class DatasetError(FileError):
    """A data file is missing, truncated or not the file it is named after."""


def mnist_folder(path: str | os.PathLike[str] | None = None) -> Path:
    """The folder MNIST is read from: ``path``, else $STABLESPIKE_DATA, else the user's cache."""
    if path is not None:
        return Path(path)
    if named := os.environ.get(DATA_VARIABLE):
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "stablespike" / "mnist"


def mnist(
    split: str = "train", path: str | os.PathLike[str] | None = None
) -> tuple[Images, Images]:
    """Images (n, 28, 28) and labels (n,) of MNIST, uint8; n is 60,000 or 10,000.

    Parameters
    ----------
    split : ``"train"`` or ``"test"``.
    path : folder with the four ``.gz`` files; None: $STABLESPIKE_DATA, else the user's cache
        folder. Files missing from the cache are downloaded into it; those missing from a folder
        that was named are not.

    Raises
    ------
    ValueError
        If there is no such split.
    DatasetError
        If a file is missing and cannot be fetched, truncated, or another file than MNIST's.
    """
    if split not in _SPLITS:
        raise ValueError(f"split must be one of {sorted(_SPLITS)}, not {split!r}")
    folder = mnist_folder(path)
    named = path is not None or bool(os.environ.get(DATA_VARIABLE))
    contents = []
    for name in _SPLITS[split]:
        file = folder / name
        if not file.is_file():
            if named:
                raise DatasetError(f"{file} does not exist: {_where_to_put(name, folder)}")
            _download(name, folder)
        data = _unpack(file.read_bytes(), file)
        _check_md5(data, name, file)
        contents.append(_parse_idx(data, file))
    return _paired(contents[0], contents[1], folder)


def shipped_mnist(count: int | None = None) -> tuple[Images, Images]:
    """The first ``count`` (all 1,000 when None) images and labels of MNIST's test set.

    They travel with the package, see ``shipped/NOTICE-mnist.txt``.

    Raises
    ------
    TypeError, ValueError
        If ``count`` is no integer or not from 1 to 1,000.
    """
    parts = [shipped_path(name) for name in _SHIPPED]
    images, labels = (_parse_idx(_unpack(part.read_bytes(), part), part) for part in parts)
    if count is None:
        count = len(images)
    if isinstance(count, bool) or not isinstance(count, int | np.integer):
        raise TypeError(f"count must be an integer or None, not {count!r}")
    if not 1 <= count <= len(images):
        raise ValueError(
            f"count must be from 1 to {len(images)}, not {count}: mnist('test') has all 10,000"
        )
    return images[:count], labels[:count]


def pixels(images: Images, side: int, bits: int) -> Images:
    """Images as an array reads them: fewer pixels, and of each the highest bits.

    Parameters
    ----------
    images : uint8 (count, height, width), both a multiple of ``side``.
    side : pixels along each edge that remain, each the mean of those it replaces, rounded down.
    bits : 1 to 8 that remain of a pixel.

    Returns
    -------
    uint8 (count, side, side)
        0 to ``2**bits - 1``.
    """
    count, height, width = images.shape
    if side < 1 or height % side or width % side:
        raise ValueError(f"side must divide {height} x {width} images, not {side}")
    if not 1 <= bits <= 8:
        raise ValueError(f"bits must be from 1 to 8, not {bits}")
    blocks = images.reshape(count, side, height // side, side, width // side)
    area = (height // side) * (width // side)
    small = blocks.sum((2, 4), dtype=np.uint32) // area
    highest: Images = (small >> (8 - bits)).astype(np.uint8)
    return highest


def shipped_path(name: str) -> Path:
    """A file that travels with the package, such as ``"mnist-mlp.safetensors"``.

    Raises
    ------
    ValueError
        If there is no such file; it names those there are.
    """
    folder = Path(__file__).parent / "shipped"
    there = sorted(file.name for file in folder.iterdir())
    if name not in there:
        raise ValueError(f"no shipped file {name!r}: there are {', '.join(there)}")
    return folder / name


def _where_to_put(name: str, folder: Path) -> str:
    return (
        f"put {name} (from {MIRRORS[0]}) into {folder}, "
        f"or name the folder it is in with ${DATA_VARIABLE} or path="
    )


def _download(name: str, folder: Path) -> None:
    """Fetch one file into ``folder``, whole and checked or not at all."""
    failures = []
    for mirror in MIRRORS:
        try:
            with urllib.request.urlopen(mirror + name, timeout=_TIMEOUT_S) as answer:
                packed = answer.read()
            _check_md5(_unpack(packed, mirror + name), name, mirror + name)
        except (OSError, urllib.error.URLError, DatasetError) as error:
            failures.append(f"{mirror}: {error}")
            continue
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{name}.{os.getpid()}.part"
        part.write_bytes(packed)
        part.replace(folder / name)
        return
    raise DatasetError(
        f"{name} could not be downloaded ({'; '.join(failures)}): {_where_to_put(name, folder)}"
    )


def _unpack(packed: bytes, source: Path | str) -> bytes:
    try:
        return gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(
            f"{source} is truncated or no gzip file ({error}): delete it and fetch it again"
        ) from error


def _check_md5(data: bytes, name: str, source: Path | str) -> None:
    found = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if found != _MD5[name]:
        raise DatasetError(
            f"{source} is not MNIST's {name}: its unpacked MD5 is {found}, "
            f"not {_MD5[name]}; delete it and fetch it again"
        )


def _parse_idx(data: bytes, source: Path | str) -> Images:
    """An array of bytes out of an IDX file: two zeros, type, dimensions, sizes, values."""
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise DatasetError(
            f"{source} is no IDX file of bytes: it starts with {data[:4].hex() or 'nothing'}, "
            "not 000008"
        )
    head = 4 + 4 * data[3]
    shape = tuple(int(size) for size in np.frombuffer(data[4:head][: 4 * data[3]], ">u4"))
    size = int(np.prod(shape, dtype=np.int64))
    if len(shape) != data[3] or len(data) != head + size:
        raise DatasetError(
            f"{source} is truncated or damaged: {len(data)} bytes, not the {head + size} of "
            f"an IDX file of shape {shape}"
        )
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape).copy()


def _paired(images: Images, labels: Images, folder: Path) -> tuple[Images, Images]:
    if images.shape != (len(labels), SIDE, SIDE):
        raise DatasetError(f"{folder} has images {images.shape} and labels {labels.shape}")
    return images, labels
