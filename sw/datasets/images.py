"""MNIST and Fashion-MNIST: images in the IDX format, downloaded once if they are missing."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..support.values import exact_choice
from .files import SPLITS, DatasetError, FileForm, check_md5, data_folder, fetch, is_gzip

__all__ = ["FASHION", "MNIST", "Source", "fashion_mnist", "mnist", "mnist_folder", "pixels",
           "shipped_mnist", "shipped_path"]

Images = npt.NDArray[np.uint8]

SIDE = 28
_UNPACKED_MOST = 16 + 60_000 * SIDE * SIDE  # bytes: the training images
_PACKED = FileForm("a gzip file", is_gzip, 28_000_000)  # Fashion-MNIST's have 26 million
_FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
_SHIPPED = ("mnist-test-1000-images-idx3-ubyte.gz", "mnist-test-1000-labels-idx1-ubyte.gz")


@dataclass(frozen=True)
class Source:
    """A data set of four files: images and labels for training and test.

    Attributes
    ----------
    name : str
        Its name in messages.
    folder : str
        Name of its folder.
    mirrors : tuple of str
        Addresses of the folders that hold the files.
    md5 : dict of str to str
        MD5 of each file's unpacked content, by name; mirrors pack the same content differently.
    """

    name: str
    folder: str
    mirrors: tuple[str, ...]
    md5: dict[str, str]


MNIST = Source(
    "MNIST",
    "mnist",
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    {
        "train-images-idx3-ubyte.gz": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte.gz": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte.gz": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte.gz": "27ae3e4e09519cfbb04c329615203637",
    },
)
FASHION = Source(
    "Fashion-MNIST",
    "fashion-mnist",
    (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    {
        "train-images-idx3-ubyte.gz": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte.gz": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte.gz": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte.gz": "15d484375f8d13e6eb1aabb0c3f46965",
    },
)


def mnist_folder(path: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder that MNIST is read from.

    Parameters
    ----------
    path : str or path object, optional
        The folder; $STABLESPIKE_DATA by default, or else the user's cache.
    """
    return data_folder(MNIST.folder, path)[0]


def mnist(
    split: str = "train", path: str | os.PathLike[str] | None = None
) -> tuple[Images, Images]:
    """Read the MNIST handwritten digits.

    Parameters
    ----------
    split : {"train", "test"}
        The 60,000 training or the 10,000 test samples.
    path : str or path object, optional
        A folder with the four ``.gz`` files, or with a folder ``mnist`` that has them. By default
        $STABLESPIKE_DATA, or else the user's cache. Files that are missing from the cache are
        downloaded into it; nothing is downloaded into a folder that was named.

    Returns
    -------
    images : (n, 28, 28) uint8
        Pixels, 0 to 255.
    labels : (n,) uint8
        Digits, 0 to 9.

    Raises
    ------
    ValueError
        If there is no such split.
    DatasetError
        If a file is missing and cannot be downloaded, is truncated, or is not MNIST's.
    """
    return _images(MNIST, split, path)


def fashion_mnist(
    split: str = "train", path: str | os.PathLike[str] | None = None
) -> tuple[Images, Images]:
    """Read Fashion-MNIST, pictures of clothes in the format of MNIST.

    Its files have the same names as MNIST's, so it is looked for in a folder of its own,
    ``fashion-mnist``.

    Parameters
    ----------
    split : {"train", "test"}
        The 60,000 training or the 10,000 test samples.
    path : str or path object, optional
        As for ``mnist``.

    Returns
    -------
    images : (n, 28, 28) uint8
        Pixels, 0 to 255.
    labels : (n,) uint8
        Classes, 0 to 9.

    Raises
    ------
    ValueError, DatasetError
        As ``mnist`` does.
    """
    return _images(FASHION, split, path)


def _images(
    source: Source, split: str, path: str | os.PathLike[str] | None
) -> tuple[Images, Images]:
    exact_choice("split", split, SPLITS)
    folder, named = data_folder(source.folder, path)
    contents = []
    for name in _FILES[split]:

        def checked(packed: bytes, where: str, name: str = name) -> bytes:
            data = _unpack(packed, where)
            found = hashlib.md5(data, usedforsecurity=False).hexdigest()
            what = f"{source.name}'s {name}"
            check_md5(found, source.md5[name], where, what, "its unpacked MD5", named)
            return data

        addresses = [mirror + name for mirror in source.mirrors]
        packed = fetch(name, addresses, folder, named, checked, _PACKED)
        data = checked(packed, str(folder / name))
        contents.append(_parse_idx(data, folder / name))
    return _paired(contents[0], contents[1], folder)


def shipped_mnist(count: int | None = None) -> tuple[Images, Images]:
    """Return samples of MNIST's test set that come with the package.

    Parameters
    ----------
    count : int, optional
        How many of the first 1,000 test samples; all of them by default.

    Returns
    -------
    images : (count, 28, 28) uint8
        Pixels, 0 to 255.
    labels : (count,) uint8
        Digits, 0 to 9.

    Raises
    ------
    TypeError, ValueError
        If ``count`` is not an integer from 1 to 1,000.

    Notes
    -----
    Source and licence are in ``shipped/NOTICE-mnist.txt``.
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
    """Return images with fewer pixels of fewer bits, as an array reads them.

    Parameters
    ----------
    images : (count, height, width) uint8
        Pixels; height and width are multiples of ``side``.
    side : int
        Rows and columns that remain. A pixel is the mean of those it replaces, rounded down.
    bits : int
        The most significant bits of a pixel that remain, 1 to 8.

    Returns
    -------
    (count, side, side) uint8
        Pixels, 0 to ``2**bits - 1``.

    Raises
    ------
    ValueError
        If ``side`` does not divide the images, or ``bits`` is out of range.
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
    """Return the path of a file that comes with the package.

    Parameters
    ----------
    name : str
        Name of the file, such as ``"mnist-mlp.safetensors"``.

    Raises
    ------
    ValueError
        If there is no such file. The message names those that exist.
    """
    folder = Path(__file__).parent.parent / "shipped"
    there = sorted(file.name for file in folder.iterdir())
    if name not in there:
        raise ValueError(f"no shipped file {name!r}: there are {', '.join(there)}")
    return folder / name


def _unpack(packed: bytes, source: Path | str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            return file.read(_UNPACKED_MOST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(
            f"{source} is truncated or not a gzip file ({error}): delete it and fetch it again"
        ) from error


def _parse_idx(data: bytes, source: Path | str) -> Images:
    """Return the array in an IDX file: two zeros, type, number of axes, sizes, values."""
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise DatasetError(
            f"{source} is not an IDX file of bytes: it starts with {data[:4].hex() or 'nothing'}, "
            "not 000008"
        )
    head = 4 + 4 * data[3]
    if len(data) < head:
        raise DatasetError(
            f"{source} is truncated or damaged: {len(data)} bytes, not the {head} of the "
            f"head of an IDX file with {data[3]} axes"
        )
    shape = tuple(int(size) for size in np.frombuffer(data[4:head], ">u4"))
    size = math.prod(shape)
    if len(data) != head + size:
        raise DatasetError(
            f"{source} is truncated or damaged: {len(data)} bytes, not the {head + size} of "
            f"an IDX file of shape {shape}"
        )
    try:
        # A copy, since an array on the bytes of a file is read-only.
        return np.frombuffer(data, np.uint8, offset=head).reshape(shape).copy()
    except ValueError as error:  # numpy has a limit on axes, and on shapes of no values, too
        raise DatasetError(f"{source} is truncated or damaged: {error}") from error


def _paired(images: Images, labels: Images, folder: Path) -> tuple[Images, Images]:
    if images.shape != (len(labels), SIDE, SIDE):
        raise DatasetError(f"{folder} has images {images.shape} and labels {labels.shape}")
    return images, labels
