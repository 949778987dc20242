"""The cache: a folder of build results, named by the content they were built from."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import platformdirs

from .errors import ToolError

__all__ = [
    "cache_folder", "cached", "check_cache", "digest", "locked", "source_digest", "user_cache",
]


def user_cache() -> Path:
    """This package's folder in the user's cache, where the system has it."""
    return platformdirs.user_cache_path("stablespike", appauthor=False)


def cache_folder() -> Path:
    """Where builds are kept: ``$STABLESPIKE_CACHE``, or ``stablespike`` in the user's cache."""
    if chosen := os.environ.get("STABLESPIKE_CACHE"):
        return Path(chosen).absolute()
    return user_cache()


def digest(*parts: str | bytes, length: int = 24) -> str:
    """A name for the content of the parts: equal parts have equal names.

    Parameters
    ----------
    *parts : str or bytes
        The content that the name is made from, in this order.
    length : int
        The number of hex digits.
    """
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        # The length comes first, so that parts that are divided differently are not equal.
        state.update(len(data).to_bytes(8, "little") + data)
    return state.hexdigest()[:length]


def source_digest(*packages: str) -> str:
    """A hash of the Python files of packages, without importing them."""
    state = hashlib.sha256()
    for package in packages:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        for path in sorted(Path(spec.origin).parent.rglob("*.py")):
            data = path.read_bytes()
            state.update(f"{package}/{path.name}:{len(data)}:".encode() + data)
    return state.hexdigest()


@contextmanager
def _usable() -> Iterator[None]:
    """Turn an OSError from making files in the cache into an error that names the cache."""
    try:
        yield
    except OSError as error:
        raise ToolError(
            f"{cache_folder()} takes no files ({error.strerror}): name another folder with "
            "$STABLESPIKE_CACHE"
        ) from error


def check_cache() -> Path:
    """The folder of the cache, after a file could be made in it.

    Raises
    ------
    ToolError
        If no file can be made there.
    """
    folder = cache_folder()
    with _usable():
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes. The system releases it when its holder ends.

    Parameters
    ----------
    path : Path
        The file in the cache that is the lock.

    Raises
    ------
    ToolError
        If the cache takes no files.
    """
    lock = filelock.FileLock(path)
    with _usable():
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def cached(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """The folder that ``build`` filled for ``key``, built now if it is not there.

    The folder gets its name only once it is complete, so an interrupted build is never taken for a
    complete one. If several processes want it, one of them builds.

    Parameters
    ----------
    kind : str
        The kind of build: a folder of the cache.
    key : str
        The name of its content, from ``digest``.
    build : callable
        Fills the folder that it is given.

    Raises
    ------
    ToolError
        If the cache takes no files.
    """
    target = cache_folder() / kind / key
    with _usable():
        if target.is_dir():
            return target
    with locked(cache_folder() / "locks" / f"{kind}-{key}"):
        if not target.is_dir():
            prefix = f".building-{key}-"
            with _usable():
                target.parent.mkdir(parents=True, exist_ok=True)
                # Nobody else is building this key now, so such folders were left by processes that
                # ended.
                for left in target.parent.glob(f"{prefix}*"):
                    shutil.rmtree(left, ignore_errors=True)
                work = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
            try:
                build(work)
                with _usable():
                    work.replace(target)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return target
