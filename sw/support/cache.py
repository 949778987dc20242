"""The folder in which what tools built is kept, by the content it was made from."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ToolError

__all__ = ["cache_folder", "cached", "check_cache", "digest", "locked", "source_digest"]


def cache_folder() -> Path:
    """Where builds are kept: ``$STABLESPIKE_CACHE``, or ``stablespike`` in the user's cache."""
    if own := os.environ.get("STABLESPIKE_CACHE"):
        return Path(own).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stablespike"


def digest(*parts: str | bytes, length: int = 24) -> str:
    """A name of ``length`` hex digits for the content of the parts: equal parts, equal name."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little") + data)
    return state.hexdigest()[:length]


def source_digest(*packages: str) -> str:
    """A hash of the Python files of packages, none of which is imported."""
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
    """What is done here needs the cache: say so where it takes no files."""
    try:
        yield
    except OSError as error:
        raise ToolError(
            f"{cache_folder()} takes no files ({error.strerror}): name another with "
            "$STABLESPIKE_CACHE"
        ) from error


def check_cache() -> Path:
    """The folder of the cache, once a file could be made in it.

    Raises
    ------
    ToolError
        If it takes none.
    """
    folder = cache_folder()
    with _usable():
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file ``path`` in the cache as a lock between processes; released when the holder
    ends.

    Raises
    ------
    ToolError
        If the cache takes no files.
    """
    with _usable():
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def cached(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """The folder ``build`` filled for ``key``, built now if it is not there.

    The folder appears under its name only when it is complete, so an interrupted build leaves
    nothing that is taken for one; of several processes that want it, one builds.

    Raises
    ------
    ToolError
        If the cache takes no files.
    """
    place = cache_folder() / kind / key
    with _usable():
        if place.is_dir():
            return place
    with locked(cache_folder() / "locks" / f"{kind}-{key}"):
        if not place.is_dir():
            prefix = f".building-{key}-"
            with _usable():
                place.parent.mkdir(parents=True, exist_ok=True)
                for left in place.parent.glob(f"{prefix}*"):  # by a process that was ended
                    shutil.rmtree(left, ignore_errors=True)
                work = Path(tempfile.mkdtemp(prefix=prefix, dir=place.parent))
            try:
                build(work)
                with _usable():
                    work.replace(place)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return place
