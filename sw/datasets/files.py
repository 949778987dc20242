"""The files of data sets: where they are looked up, and how they are downloaded."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any

from ..support.cache import user_cache
from ..support.errors import FileError

__all__ = ["DATA_VARIABLE", "SPLITS", "DatasetError", "check_md5", "data_folder", "fetch"]

DATA_VARIABLE = "STABLESPIKE_DATA"
"""Environment variable with the folder of the data sets."""
SPLITS = ("train", "test")
_TIMEOUT_S = 30


class DatasetError(FileError):
    """A file of a data set is missing, truncated, or not the file that its name says."""


@dataclass(frozen=True)
class FileForm:
    """What a file of a data set looks like, before it is read.

    Attributes
    ----------
    kind : str
        Its kind, for messages.
    looks : callable
        Whether an open file looks like one.
    most : int
        Its bytes, at most.
    """

    kind: str
    looks: Callable[[IO[bytes]], bool]
    most: int


def data_folder(name: str, path: str | os.PathLike[str] | None) -> tuple[Path, bool]:
    """Return the folder of a data set, and whether the user named it.

    It is ``path`` or else $STABLESPIKE_DATA, or in either the folder ``name`` if there is one. If
    neither is given, it is in the user's cache.

    Parameters
    ----------
    name : str
        Name of the data set's own folder.
    path : str or path object or None
        The folder that the user named.
    """
    chosen = path if path is not None else os.environ.get(DATA_VARIABLE) or None
    if chosen is not None:
        inside = Path(chosen) / name
        return (inside if inside.is_dir() else Path(chosen)), True
    return user_cache() / name, False


def fetch(
    name: str,
    addresses: Sequence[str],
    folder: Path,
    named: bool,
    check: Callable[[bytes, str], Any],
    form: FileForm,
) -> bytes:
    """Return the bytes of a file, which is downloaded if it is missing from the cache.

    A download is kept only if it is complete and passes the check.

    Parameters
    ----------
    name : str
        Name of the file.
    addresses : sequence of str
        Addresses of the file, tried in this order.
    folder : Path
        The folder it is in, or is downloaded into.
    named : bool
        Whether the user named the folder. Then nothing is downloaded.
    check : callable
        Called with bytes and where they come from. It raises a ``DatasetError`` if the bytes are
        not the file's.

    Raises
    ------
    DatasetError
        If the file is missing and cannot be downloaded. The message says where to put it.
    """
    file = folder / name
    try:
        if file.is_file():
            with file.open("rb") as opened:
                size = file.stat().st_size
                if size > form.most or not form.looks(opened):
                    raise DatasetError(
                        f"{file} is truncated or not {form.kind} of at most {form.most} bytes "
                        f"(it has {size}): delete it and fetch it again"
                    )
                opened.seek(0)
                return opened.read()
    except OSError as error:
        raise DatasetError(f"{file} cannot be read: {error.strerror}") from error
    if named:
        raise DatasetError(f"{file} does not exist: {_where_to_put(name, addresses, folder)}")
    failures = []
    for address in addresses:
        try:
            with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:
                data: bytes = answer.read()
            check(data, address)
        # An interrupted download is an HTTPException; every other failure of urllib is an OSError.
        except (OSError, HTTPException, DatasetError) as error:
            failures.append(f"{address}: {error}")
            continue
        _keep(data, file)
        return data
    raise DatasetError(
        f"{name} could not be downloaded ({'; '.join(failures)}): "
        f"{_where_to_put(name, addresses, folder)}"
    )


def check_md5(
    found: str, wanted: str, where: str | Path, name: str, what: str, named: bool
) -> None:
    """Refuse a file with another MD5 than that of a data set.

    Parameters
    ----------
    found : str
        The MD5 of the data that was read.
    wanted : str
        The MD5 of the data set.
    where : str or Path
        Where it was read from.
    name : str
        The name of the expected file or data.
    what : str
        The kind of data that the MD5 was computed from.
    named : bool
        Whether the user named the folder, and must put the right file there.

    Raises
    ------
    DatasetError
        If they differ.
    """
    if found == wanted:
        return
    remedy = "delete it and fetch it again"
    if named:
        remedy = "it belongs to another data set, or was changed: replace it by the right file"
    raise DatasetError(f"{where} is not {name}: {what} is {found}, not {wanted}; {remedy}")


def _keep(data: bytes, file: Path) -> None:
    """Write a file, completely or not at all."""
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(data)
            part.replace(file)
        except OSError:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DatasetError(
            f"{file} was downloaded but cannot be written ({error.strerror}): name another folder "
            f"with ${DATA_VARIABLE} or path="
        ) from error


def is_gzip(file: IO[bytes]) -> bool:
    """Whether a file begins as gzip's do."""
    file.seek(0)
    return file.read(2) == b"\x1f\x8b"


def _where_to_put(name: str, addresses: Sequence[str], folder: Path) -> str:
    return (
        f"put {name} (from {addresses[0]}) into {folder}, "
        f"or name the folder it is in with ${DATA_VARIABLE} or path="
    )
