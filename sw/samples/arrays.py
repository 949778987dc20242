"""Files of numpy's: read without trust in what they claim, and without pickles."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy.typing as npt
from numpy.lib import format as npy

from ..support.errors import FileError

__all__ = ["NPY_MAGIC", "ZIP_MAGIC", "read_npy", "read_npz"]

NPY_MAGIC, ZIP_MAGIC = b"\x93NUMPY", b"PK"
_DEFLATE_MOST = 1100  # deflate packs no more than 1,032 bytes into one
_SAVE = "save samples with numpy.save or savez"


def read_npy(path: Path) -> npt.NDArray[Any]:
    """The array of a ``.npy`` file.

    Raises
    ------
    FileError
        If the file is damaged, or the array holds Python objects.
    """
    with path.open("rb") as file:
        return _array(file, path.stat().st_size, str(path))


def read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a ``.npz`` file by their names.

    Raises
    ------
    FileError
        If the file is damaged, is another kind of zip file, or an array holds Python objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, path)
            return {
                info.filename.removesuffix(".npy"): _member(archive, info, path)
                for info in archive.infolist()
            }
    except FileError:
        raise
    except Exception as error:  # zipfile and zlib have many for damaged files
        raise FileError(f"{path} is a damaged .npz file ({_reason(error)}): {_SAVE}") from error


def _check_members(archive: zipfile.ZipFile, path: Path) -> None:
    names = archive.namelist()
    if any(name.split("/")[-1] == "data.pkl" for name in names):
        raise FileError(
            f"{path} is a file of torch.save, which can hold code and is not loaded: save samples "
            "as arrays, with numpy.savez(path, samples=samples.numpy())"
        )
    other = [name for name in names if not name.endswith(".npy")]
    if other:
        raise FileError(
            f"{path} is a zip file, but not of numpy's (it has {other[0]!r}): {_SAVE}"
        )


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> npt.NDArray[Any]:
    name = f"{path}: {info.filename.removesuffix('.npy')}"
    if info.file_size > max(info.compress_size, 1) * _DEFLATE_MOST:
        raise FileError(f"{name} is damaged: its size does not go with that in the file: {_SAVE}")
    with archive.open(info) as file:
        return _array(file, info.file_size, name)


def _array(file: IO[bytes], size: int, name: str) -> npt.NDArray[Any]:
    """The array of an open file of ``size`` bytes; nothing larger than that is allocated."""
    try:
        version = npy.read_magic(file)
        reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = reader(file)
    except Exception as error:  # numpy parses Python text here, with as many errors
        raise FileError(f"{name} is no array of numpy's ({_reason(error)}): {_SAVE}") from error
    if dtype.hasobject:
        raise FileError(
            f"{name} holds Python objects, which can be code and are not loaded: save recordings "
            "each under a name of its own, with numpy.savez(path, *recordings)"
        )
    needed = math.prod(shape) * dtype.itemsize
    there = size - file.tell()
    if needed > there:
        raise FileError(
            f"{name} is truncated: its array {shape} of {dtype} has {needed} bytes, of which "
            f"{max(there, 0)} are there"
        )
    file.seek(0)
    try:
        return npy.read_array(file, allow_pickle=False)
    except Exception as error:
        raise FileError(f"{name} is damaged ({_reason(error)}): {_SAVE}") from error


def _reason(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
