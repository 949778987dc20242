"""Where the files of data sets are, and how they come there."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any

from ..support.cache import user_cache
from ..support.errors import FileError

__all__ = ["DATA_VARIABLE", "DatasetError", "data_folder", "fetch", "remedy"]

DATA_VARIABLE = "STABLESPIKE_DATA"
_TIMEOUT_S = 30


class DatasetError(FileError):
    """A data file is missing, truncated or not the file it is named after."""


def data_folder(name: str, path: str | os.PathLike[str] | None) -> tuple[Path, bool]:
    """The folder of data set ``name``, and whether the user named it.

    It is ``path``, else $STABLESPIKE_DATA, or the folder ``name`` in there if there is one; else
    the user's cache.
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
) -> bytes:
    """A file's bytes: from ``folder``, or else downloaded into it, whole and checked or not at all.

    Parameters
    ----------
    addresses : of the file, tried in this order.
    named : the user named the folder; then nothing is downloaded.
    check : raises a DatasetError for bytes, from the place it is told, that are not the file's.

    Raises
    ------
    DatasetError
        If the file is missing and cannot be had; says where to put it.
    """
    file = folder / name
    try:
        if file.is_file():
            return file.read_bytes()
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
        except (OSError, HTTPException, DatasetError) as error:  # a URLError is an OSError
            failures.append(f"{address}: {error}")
            continue
        _keep(data, file)
        return data
    raise DatasetError(
        f"{name} could not be downloaded ({'; '.join(failures)}): "
        f"{_where_to_put(name, addresses, folder)}"
    )


def remedy(named: bool) -> str:
    """What to do about a file that is not the data set's."""
    if named:
        return "it is another data set's, or was changed: put the right file in its place"
    return "delete it and fetch it again"


def _keep(data: bytes, file: Path) -> None:
    """Write a file, whole or not at all."""
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


def _where_to_put(name: str, addresses: Sequence[str], folder: Path) -> str:
    return (
        f"put {name} (from {addresses[0]}) into {folder}, "
        f"or name the folder it is in with ${DATA_VARIABLE} or path="
    )
